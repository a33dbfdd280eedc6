"""How a daemon says why it stopped. Its life is in tests/interop/test_lifecycle.py."""

import pytest

from bridge.daemon import configured_sounds, known_cause
from bridge.errors import PlaneLostError, SettingsError
from bridge.settings import Settings


def test_the_cause_is_found_inside_the_task_groups_it_came_through() -> None:
    cause = SettingsError("http.port: taken")
    assert known_cause(cause) is cause
    assert known_cause(ExceptionGroup("", [ExceptionGroup("", [cause])])) is cause


def test_a_mistake_of_ours_beside_it_is_not_hidden() -> None:
    group = BaseExceptionGroup("", [PlaneLostError("died"), ExceptionGroup("", [ValueError("ours")])])
    assert known_cause(group) is None
    assert known_cause(ValueError("ours")) is None


def test_what_a_queue_announces_must_be_there() -> None:
    def with_prompt(name: str) -> Settings:
        return Settings.model_validate(
            {"queues": [{"id": "default", "name": "Line", "announce_prompt": name}]}
        )

    assert "position-9" in configured_sounds(with_prompt("position")).prompts
    with pytest.raises(SettingsError, match=r"lacks positoin\.wav"):
        configured_sounds(with_prompt("positoin"))
