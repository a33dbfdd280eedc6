"""A worker that cannot work says which setting is in its way."""

import socket

import pytest

from bridge.clock import SystemClock
from bridge.errors import SettingsError
from bridge.plane.messages import Event, WorkerConfig
from bridge.plane.worker import Worker


async def assert_refuses(config: WorkerConfig, says: str) -> None:
    said: list[Event] = []
    worker = Worker(config, SystemClock(), said.append)
    with pytest.raises(SettingsError, match=says):
        await worker.start()
    worker.close()
    assert said == []


async def test_a_taken_ice_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as occupant:
        occupant.bind(("127.0.0.1", 0))
        port = occupant.getsockname()[1]
        await assert_refuses(
            WorkerConfig(ice_port=port), f"webrtc.*127.0.0.1:{port}: another program has this port"
        )


async def test_an_rtp_address_of_another_machine_is_named() -> None:
    await assert_refuses(WorkerConfig(ice_port=0, rtp_address="192.0.2.1"), "rtp.address")
