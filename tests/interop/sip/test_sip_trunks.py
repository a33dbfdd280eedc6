"""Trunks at work on real sockets: who is asked, who is away, who is too many."""

import asyncio
from pathlib import Path

import pytest

from bridge.errors import CapacityError
from bridge.ids import LegId, TrunkId
from bridge.peers.ports import free_port
from bridge.switchboard.view.view import TrunkView
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.interop.baresip import baresip
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, describe, make_door
from tests.interop.sipp import sipp

PING_S = 0.3


class Watcher(Hall):
    """A corridor that hears of trunks."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[tuple[str, str]] = []

    def trunk_moved(self, status: TrunkView, reason: str) -> None:
        assert reason
        self.moves.append((status.trunk_id, status.state))


@pytest.mark.peer("baresip", "OPTIONS ping, up and down")
async def test_a_phone_that_comes_and_goes_is_up_and_down_and_passed_over(tmp_path: Path) -> None:
    gone = Trunk(TrunkId("gone"), target=f"sip:127.0.0.1:{free_port()};transport=tcp", ping_s=PING_S)
    watcher = Watcher()
    async with asyncio.TaskGroup() as tasks:
        async with baresip(tmp_path / "phone", 400.0, transport="tcp") as phone:
            target = f"sip:127.0.0.1:{phone.sip_port};transport=tcp"
            there = Trunk(TrunkId("there"), target=target, ping_s=PING_S)
            trunks = Trunks([gone, there])
            door = make_door(EndpointSettings(port=0, agent=AgentSettings(trunks=trunks)))
            assert [route.trunk_id for route in door.routes("112")] == ["gone", "there"]
            await door.open(tasks, watcher)
            await eventually("both were asked", lambda: len(watcher.moves) == 2)
            assert set(watcher.moves) == {("gone", "down"), ("there", "up")}
            assert [route.trunk_id for route in door.routes("112")] == ["there", "gone"]
            assert "m=audio" in await door.dial(LegId("leg_out"), door.routes("bob")[0], describe("sendrecv"))
            assert {view.trunk_id: view.calls for view in door.trunks()} == {"gone": 0, "there": 1}
            await door.hang_up(LegId("leg_out"), "enough")
        await eventually("it is missed", lambda: watcher.moves[2:] == [("there", "down")])
        counters = door.counters()
        assert (counters["sip_trunks_up"], counters["sip_trunks_down"]) == (0, 2)
        door.close()


@pytest.mark.peer("sipp", "503 with Retry-After above the bounds")
async def test_calls_above_the_bounds_of_a_trunk_hear_when_to_come_again(tmp_path: Path) -> None:
    trunk = Trunk(TrunkId("small"), ("127.0.0.0/8",), "sip:127.0.0.1", max_calls=2, calls_per_second=50.0)
    door = make_door(EndpointSettings(port=0, agent=AgentSettings(trunks=Trunks([trunk]))))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, (hall := Hall()))
        result = await sipp(
            f"127.0.0.1:{door.port}", tmp_path, "-r", "100", "-l", "10", "-d", "1500", calls=10
        )
        assert (result.successful, result.failed) == (2, 8)
        assert "503" in (tmp_path / "errors.log").read_text()
        assert len(hall.calls) == 2
        await eventually("every call is over", lambda: door.calls == 0)
        counters = door.counters()
        assert counters["sip_refused_trunk_full_total"] + counters["sip_refused_trunk_fast_total"] == 8
        door.close()


async def test_a_trunk_that_is_full_takes_no_call_of_ours() -> None:
    trunk = Trunk(TrunkId("slow"), target=f"sip:127.0.0.1:{free_port()}", calls_per_second=0.001)
    door = make_door(EndpointSettings(port=0, agent=AgentSettings(trunks=Trunks([trunk]))))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, Hall())
        (route,) = door.routes("112")
        first = tasks.create_task(door.dial(LegId("leg_1"), route, describe("sendrecv")))
        await eventually("it is on its way", lambda: door.calls == 1)
        with pytest.raises(CapacityError):
            await door.dial(LegId("leg_2"), route, describe("sendrecv"))
        first.cancel()
        door.close()
