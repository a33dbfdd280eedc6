"""Trunks by name: what a real name server says decides where a call goes (RFC 3263)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import CallFailedError
from bridge.ids import LegId, TrunkId
from bridge.peers.ports import free_port
from bridge.switchboard.door.doors import Route
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.door.call import SipDoor
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.transaction.transaction import Timing
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.interop.baresip import baresip
from tests.interop.name_server import NameServer, name_server
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, describe, make_door
from tests.interop.sipp import sipp_phone

CARRIER = TrunkId("carrier")
QUICK = Timing(t1_s=0.02, t2_s=0.1, t4_s=0.1)  # silence ends after 1.3 s


@contextlib.asynccontextmanager
async def door_of(server: NameServer, timing: Timing | None = None) -> AsyncIterator[SipDoor]:
    trunks = Trunks([Trunk(CARRIER, ("127.0.0.0/8",), "sip:carrier.example")])
    agent = AgentSettings(trunks=trunks, timing=timing or Timing())
    door = make_door(EndpointSettings(port=0, nameservers=(server.address,), agent=agent))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, Hall())
        try:
            yield door
        finally:
            door.close()


async def call(door: SipDoor, target: str = "sip:bob@carrier.example") -> None:
    """It is answered, and hung up."""
    leg_id = LegId("leg_out")
    assert "m=audio" in await door.dial(leg_id, Route(CARRIER, target), describe("sendrecv"))
    await door.hang_up(leg_id, "enough")
    await eventually("the call is over", lambda: door.calls == 0)


@pytest.mark.peer("baresip", "found by NAPTR, SRV and A")
async def test_naptr_leads_to_tcp_and_srv_to_the_port(tmp_path: Path) -> None:
    async with (
        baresip(tmp_path / "phone", 400.0, transport="tcp") as phone,
        name_server(
            'carrier.example 60 NAPTR 20 1 "s" "SIP+D2U" "" _sip._udp.carrier.example.',
            'carrier.example 60 NAPTR 10 1 "s" "SIP+D2T" "" _sip._tcp.carrier.example.',
            f"_sip._tcp.carrier.example 60 SRV 1 1 {phone.sip_port} a.carrier.example.",
            f"_sip._udp.carrier.example 60 SRV 1 1 {free_port()} a.carrier.example.",
            "a.carrier.example 60 A 127.0.0.1",
        ) as server,
        door_of(server) as door,
    ):
        await call(door)
        assert "SIP/2.0/TCP" in phone.log()
        assert server.asked["NAPTR carrier.example"] == 1
        await call(door)
        assert server.asked["NAPTR carrier.example"] == 1  # remembered
        assert sum(server.asked.values()) == 4


@pytest.mark.peer("sipp", "found by SRV")
async def test_without_naptr_srv_decides(tmp_path: Path) -> None:
    async with sipp_phone(tmp_path, "busy.xml") as phone, name_server() as server:
        port = phone.uri.rpartition(":")[2]
        server.zone = [
            f"_sip._udp.carrier.example 60 SRV 1 1 {port} a.carrier.example.",
            "a.carrier.example 60 A 127.0.0.1",
        ]
        async with door_of(server) as door:
            with pytest.raises(CallFailedError, match="486"):
                await call(door)
            await phone.went_well()


async def test_without_either_its_address_is_taken_and_asked_for_again_in_time() -> None:
    far = make_door(EndpointSettings(address="127.0.0.2", port=5060))
    async with (
        asyncio.TaskGroup() as tasks,
        name_server("carrier.example 1 A 127.0.0.2") as server,
        door_of(server) as door,
    ):
        await far.open(tasks, Hall())
        await call(door)
        await call(door)
        assert server.asked["A carrier.example"] == 1
        await asyncio.sleep(1.1)  # its time to live
        await call(door)
        assert server.asked["A carrier.example"] == 2
        assert server.asked["NAPTR carrier.example"] == 1  # that there is none holds longer
        far.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_second_server_takes_the_call_that_the_first_does_not(
    tmp_path: Path, transport: str
) -> None:
    """Over TCP the first refuses the connection, over UDP it says nothing."""
    async with (
        baresip(tmp_path / "phone", 400.0, transport=transport) as phone,
        name_server(
            f"_sip._{transport}.carrier.example 60 SRV 1 1 {free_port()} a.carrier.example.",
            f"_sip._{transport}.carrier.example 60 SRV 2 1 {phone.sip_port} a.carrier.example.",
            "a.carrier.example 60 A 127.0.0.1",
        ) as server,
        door_of(server, QUICK) as door,
    ):
        await call(door, f"sip:bob@carrier.example;transport={transport}")
        assert door.counters()["sip_failovers_total"] == 1
        await call(door, f"sip:bob@carrier.example;transport={transport}")
        assert door.counters()["sip_failovers_total"] == 1  # the dead one is not asked first again


async def test_a_server_that_has_no_room_is_passed_over(tmp_path: Path) -> None:
    full = make_door(EndpointSettings(port=0, agent=AgentSettings(max_calls=1)))
    full_hall = Hall()
    async with asyncio.TaskGroup() as tasks, baresip(tmp_path / "phone", 400.0) as phone:
        await full.open(tasks, full_hall)
        async with (
            name_server(
                f"_sip._udp.carrier.example 60 SRV 1 1 {full.port} a.carrier.example.",
                f"_sip._udp.carrier.example 60 SRV 2 1 {phone.sip_port} a.carrier.example.",
                "a.carrier.example 60 A 127.0.0.1",
            ) as server,
            door_of(server) as door,
        ):
            await door.dial(LegId("leg_1"), Route(CARRIER, "sip:bob@carrier.example"), describe("sendrecv"))
            assert len(full_hall.calls) == 1
            await door.dial(LegId("leg_2"), Route(CARRIER, "sip:bob@carrier.example"), describe("sendrecv"))
            assert len(full_hall.calls) == 1
            assert door.counters()["sip_failovers_total"] == 1
        full.close()


async def test_a_name_that_does_not_exist_says_so() -> None:
    async with name_server() as server, door_of(server) as door:
        for _ in range(2):
            with pytest.raises(CallFailedError, match=r"carrier\.example does not exist") as failure:
                await call(door)
            assert failure.value.unreached
        assert server.asked["A carrier.example"] == 1
        assert door.calls == 0


async def test_a_name_server_that_says_nothing_fails_the_call_and_not_the_bridge() -> None:
    async with name_server() as server, door_of(server) as door:
        server.silent = True
        with pytest.raises(CallFailedError, match="no name server answered"):
            await call(door)
        assert door.calls == 0


async def test_localhost_is_known_without_a_name_server(tmp_path: Path) -> None:
    async with baresip(tmp_path / "phone", 400.0) as phone, name_server() as server, door_of(server) as door:
        await call(door, f"sip:bob@localhost:{phone.sip_port}")
        assert not server.asked
