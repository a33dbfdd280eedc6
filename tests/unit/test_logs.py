"""Log lines for machines: one JSON object each, whatever was put into it."""

import json
from collections.abc import Iterator

import pytest
import structlog

from bridge.logs import configure_logs
from bridge.settings.process import Log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "value", ["Größe", "broken \udc80 text", 2**70, 1.5, None, ["a", 1], ValueError("why")], ids=str
)
def test_a_line_is_written_whatever_stands_in_it(value: object, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs(Log(format="json"))
    structlog.get_logger().bind(leg="leg_1").info("x call", reason=value)
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith('{"leg": "leg_1", "reason": ')
    found = json.loads(line)
    assert (found["event"], found["level"], found["leg"]) == ("x call", "info", "leg_1")
    assert found["reason"] == (repr(value) if isinstance(value, Exception) else value)
