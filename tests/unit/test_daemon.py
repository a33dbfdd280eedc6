"""How a daemon says why it stopped. Its life is in tests/interop/test_lifecycle.py."""

from bridge.daemon import known_cause
from bridge.errors import PlaneLostError, SettingsError


def test_the_cause_is_found_inside_the_task_groups_it_came_through() -> None:
    cause = SettingsError("http.port: taken")
    assert known_cause(cause) is cause
    assert known_cause(ExceptionGroup("", [ExceptionGroup("", [cause])])) is cause


def test_a_mistake_of_ours_beside_it_is_not_hidden() -> None:
    group = BaseExceptionGroup("", [PlaneLostError("died"), ExceptionGroup("", [ValueError("ours")])])
    assert known_cause(group) is None
    assert known_cause(ValueError("ours")) is None
