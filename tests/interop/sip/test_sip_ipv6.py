"""SIP over IPv6: brackets in Via and Contact, calls in and out over UDP and TCP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.ids import LegId, TrunkId
from bridge.switchboard.door.doors import Route
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, House, assert_clean, describe, make_door
from tests.interop.sipp import sipp

SIX = Trunk(TrunkId("six"), ("::1/128",))


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    settings = EndpointSettings(address="::1", port=0, agent=AgentSettings(trunks=Trunks([SIX])))
    door = make_door(settings)
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, (hall := Hall()))
        yield House(hall, door)
        door.close()


@pytest.mark.peer("sipp", "IPv6")
@pytest.mark.parametrize("arguments", [("-t", "u1"), ("-t", "t1")], ids=["udp", "tcp"])
async def test_sipp_calls_over_ipv6(house: House, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    address = f"[::1]:{house.door.port}"
    trace = ("-trace_msg", "-message_file", str(tmp_path / "messages.log"))
    assert_clean(await sipp(address, tmp_path, "-i", "::1", "-mi", "::1", *arguments, *trace, calls=5), 5)
    assert [call.trunk_id for call in house.hall.calls] == ["six"] * 5
    heard = (tmp_path / "messages.log").read_text()
    assert f"Contact: <sip:bridge@[::1]:{house.door.port}" in heard
    await house.empty()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_doors_call_each_other_over_ipv6(house: House, transport: str) -> None:
    """Both are ours, for no phone at hand answers calls over IPv6; sipp has read our Via and Contact."""
    settings = EndpointSettings(address="::1", port=0, agent=AgentSettings(trunks=Trunks([SIX])))
    other = make_door(settings)
    async with asyncio.TaskGroup() as tasks:
        await other.open(tasks, Hall())
        target = f"sip:desk@[::1]:{house.door.port};transport={transport}"
        route = Route(TrunkId("six"), target)
        assert "m=audio" in await other.dial(LegId("leg_out"), route, describe("sendrecv"))
        await other.hang_up(LegId("leg_out"), "enough")
        await eventually("the far end hears of it", lambda: house.hall.hung)
        other.close()
