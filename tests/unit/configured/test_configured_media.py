"""What the media worker is started with, and the sounds it can be asked for."""

import pytest

from bridge.configured.media import configured_sounds, configured_worker
from bridge.errors import SettingsError
from bridge.settings.settings import Settings


def test_what_a_queue_announces_must_be_there() -> None:
    def with_prompt(name: str) -> Settings:
        return Settings.model_validate(
            {"queues": [{"id": "default", "name": "Line", "announce_prompt": name}]}
        )

    assert "position-9" in configured_sounds(with_prompt("position")).prompts
    with pytest.raises(SettingsError, match=r"lacks positoin\.wav"):
        configured_sounds(with_prompt("positoin"))


def test_a_worker_after_another_one_begins_somewhere_else_among_the_ports() -> None:
    settings = Settings.model_validate({"rtp": {"port_min": 20_000, "port_max": 29_999}})
    workers = [configured_worker(settings) for _ in range(20)]
    assert {(worker.rtp_port_min, worker.rtp_port_max) for worker in workers} == {(20_000, 29_999)}
    first = {worker.rtp_port_first for worker in workers}
    assert len(first) > 1
    assert all(20_000 <= port < 29_999 for port in first)
