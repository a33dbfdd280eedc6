"""Large requests to real phones: over TCP where they listen, else over UDP (RFC 3261 section 18.1.1)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.errors import CallFailedError
from bridge.ids import NO_TRUNK, LegId
from bridge.switchboard.door.doors import Route
from signaling.sip.door.call import SipDoor
from signaling.sip.shell.settings import EndpointSettings
from tests.interop.baresip import baresip
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, describe, make_door
from tests.interop.sipp import sipp_phone

PAD = "".join(f"a=x-pad:{number:03}{'y' * 90}\r\n" for number in range(20))


@pytest_asyncio.fixture
async def door() -> AsyncIterator[SipDoor]:
    door = make_door(EndpointSettings(port=0))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, Hall())
        yield door
        door.close()


@pytest.mark.peer("baresip", "large INVITE over TCP")
async def test_baresip_gets_a_large_invite_over_tcp_and_a_small_one_over_udp(
    door: SipDoor, tmp_path: Path
) -> None:
    """It listens on both, and its address says nothing of a transport."""
    async with baresip(tmp_path / "phone", 400.0) as phone:
        route = Route(NO_TRUNK, f"sip:bob@127.0.0.1:{phone.sip_port}")
        assert "m=audio" in await door.dial(LegId("leg_1"), route, describe("sendrecv"))
        assert door.counters()["sip_requests_too_large_for_udp_total"] == 0
        await door.hang_up(LegId("leg_1"), "enough")
        await eventually("the first call is over", lambda: door.calls == 0)
        assert "m=audio" in await door.dial(LegId("leg_2"), route, describe("sendrecv") + PAD)
        counters = door.counters()
        assert (counters["sip_requests_too_large_for_udp_total"], counters["sip_failovers_total"]) == (1, 0)
        await door.hang_up(LegId("leg_2"), "enough")
        await eventually("the second call is over", lambda: door.calls == 0)
        heard = phone.log()
        assert "Via: SIP/2.0/UDP 127.0.0.1:" in heard
        assert "Via: SIP/2.0/TCP 127.0.0.1:" in heard


@pytest.mark.peer("sipp", "large INVITE: TCP, else UDP")
@pytest.mark.parametrize("mode", ["t1", "u1"])
async def test_sipp_gets_a_large_invite_over_what_it_has(door: SipDoor, tmp_path: Path, mode: str) -> None:
    async with sipp_phone(tmp_path, "busy.xml", "-t", mode) as phone:
        with pytest.raises(CallFailedError, match="486"):
            await door.dial(LegId("leg_1"), Route(NO_TRUNK, phone.uri), describe("sendrecv") + PAD)
        await phone.went_well()
        assert door.counters()["sip_failovers_total"] == (mode == "u1")
