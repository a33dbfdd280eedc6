"""Digest with real phones: sipp and baresip by MD5, linphone by SHA-256; and the bridge as the one who is asked."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.errors import CallFailedError
from bridge.ids import LegId, TrunkId
from bridge.peers.ports import free_port
from bridge.switchboard.door.doors import Route
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.interop.baresip import baresip
from tests.interop.linphone import linphone
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, House, assert_clean, describe, make_door
from tests.interop.sipp import sipp

TONE_HZ = 400.0
PHONES = Trunk(TrunkId("phones"), username="anna", password="secret", authenticate=True)


@pytest_asyncio.fixture
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Calls may come from anywhere, if they are anna's. Parametrize it with what they may prove it by."""
    phones = dataclasses.replace(PHONES, digests=getattr(request, "param", PHONES.digests))
    door = make_door(EndpointSettings(port=0, agent=AgentSettings(trunks=Trunks([phones]))))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, (hall := Hall()))
        yield House(hall, door)
        door.close()


@pytest.mark.peer("sipp", "digest auth in (MD5)")
@pytest.mark.parametrize("house", [("MD5",)], indirect=True)  # of two challenges sipp reads none
@pytest.mark.parametrize("arguments", [(), ("-t", "t1")], ids=["udp", "tcp"])
async def test_sipp_says_who_it_is(house: House, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert_clean(await sipp(house.address, tmp_path, *arguments, scenario="identified.xml", calls=5), 5)
    assert [call.trunk_id for call in house.hall.calls] == ["phones"] * 5
    await house.empty()


@pytest.mark.peer("sipp", "without credentials refused")
@pytest.mark.parametrize("house", [("MD5",)], indirect=True)  # or it would not even read that it is refused
async def test_who_does_not_say_who_it_is_is_not_heard(house: House, tmp_path: Path) -> None:
    # sipp would remember a call that failed for 33 s, and end after that.
    result = await sipp(house.address, tmp_path, "-deadcall_wait", "0", calls=3)
    assert (result.successful, result.failed) == (0, 3)
    assert "SIP/2.0 401" in (tmp_path / "errors.log").read_text()
    assert house.hall.calls == []
    assert house.door.counters()["sip_transactions"] == 0


@pytest.mark.peer("baresip", "digest auth in (MD5)")
@pytest.mark.parametrize("house", [("MD5",)], indirect=True)  # baresip 1.0 neither
@pytest.mark.parametrize("password", ["secret", "guessed"])
async def test_baresip_says_who_it_is(house: House, tmp_path: Path, password: str) -> None:
    auth = f"auth_user=anna;auth_pass={password}"
    async with baresip(tmp_path / "phone", TONE_HZ, auth=auth) as phone:
        if password == "secret":
            await phone.dial(house.uri("desk"))
            (call,) = house.hall.calls
            assert call.trunk_id == "phones"
            await phone.hang_up()
        else:
            await phone.command("dial", house.uri("desk"))
            await phone.happens("CALL_CLOSED")
            assert house.hall.calls == []


@pytest.mark.peer("linphone", "digest auth in (SHA-256)")
async def test_linphone_says_who_it_is_by_sha_256(house: House, tmp_path: Path) -> None:
    known = {"username": "lin", "userid": "anna", "passwd": "secret", "realm": "warmbridge"}
    settings = {f"auth_info_0.{key}": value for key, value in known.items()}
    async with linphone(
        tmp_path / "phone", TONE_HZ, {**settings, "auth_info_0.algorithm": "SHA-256"}
    ) as phone:
        await phone.dial(house.uri("desk"))
        (call,) = house.hall.calls
        assert call.trunk_id == "phones"
        assert "algorithm=SHA-256" in (phone.directory / "log").read_text(errors="replace")
        await phone.command("terminate")
        await eventually("the corridor hears of it", lambda: house.hall.hung)


@pytest.mark.peer("sipp", "digest auth out")
@pytest.mark.parametrize("password", ["secret", "guessed"])
async def test_the_bridge_says_who_it_is(tmp_path: Path, password: str) -> None:
    port = free_port()
    carrier = Trunk(TrunkId("carrier"), target=f"sip:127.0.0.1:{port}", username="anna", password=password)
    door = make_door(EndpointSettings(port=0, agent=AgentSettings(trunks=Trunks([carrier]))))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, Hall())
        trunk = tasks.create_task(
            sipp("127.0.0.1", tmp_path, "-p", str(port), scenario="asking.xml", timeout_s=20)
        )
        await asyncio.sleep(0.5)
        (route,) = door.routes("+4930123")
        assert route == Route(TrunkId("carrier"), f"sip:+4930123@127.0.0.1:{port}")
        if password == "secret":
            assert "m=audio" in await door.dial(LegId("leg_out"), route, describe("sendrecv"))
            await door.hang_up(LegId("leg_out"), "enough")
            assert_clean(await trunk, 1)
        else:
            with pytest.raises(CallFailedError) as caught:
                await door.dial(LegId("leg_out"), route, describe("sendrecv"))
            assert caught.value.status == 403
            await trunk
        door.close()
