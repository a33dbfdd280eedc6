"""What the SIP door writes down and when; and another door, on the same port, that goes on from there."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from bridge.clock import SystemClock
from bridge.ids import IdSource, LegId
from bridge.journal.schema import Write
from bridge.peers.phone.caller import CallerSettings, SyntheticCaller, synthetic_caller
from bridge.peers.ports import free_port
from bridge.peers.within import within
from signaling.sip.door.call import SipDoor
from signaling.sip.session.memory import returning_legs
from signaling.sip.shell.settings import EndpointSettings
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, describe


class Notebook:
    """Keeps in memory what a door keeps on disk; the disk may be slow."""

    def __init__(self) -> None:
        self.kept: dict[LegId, bytes] = {}
        self.written = asyncio.Event()
        self.written.set()
        self.asked = 0

    async def keep(self, leg_id: LegId, body: bytes) -> None:
        self.asked += 1
        await self.written.wait()
        self.begin_keep(leg_id, body)

    def begin_keep(self, leg_id: LegId, body: bytes) -> None:
        self.kept[leg_id] = body

    def keeping(self, leg_id: LegId, body: bytes) -> Sequence[Write]:
        raise AssertionError("the hall has no commit of its own")

    def keep_along(self, leg_id: LegId, body: bytes) -> None:
        self.begin_keep(leg_id, body)

    def forget(self, leg_id: LegId) -> None:
        self.kept.pop(leg_id, None)


class Reception(Hall):
    """A hall that knows whom it waits for."""

    def __init__(self, expected: frozenset[LegId] = frozenset()) -> None:
        super().__init__()
        self._expected = expected

    def expects(self, leg_id: LegId) -> bool:
        return leg_id in self._expected


@contextlib.asynccontextmanager
async def life(
    port: int, hall: Hall, notebook: Notebook, remembered: Mapping[LegId, bytes]
) -> AsyncIterator[SipDoor]:
    """A door that is killed at the end of the block: nobody is told anything."""
    door = SipDoor(EndpointSettings(port=port), SystemClock(), IdSource(secrets.token_hex), secrets.token_hex)
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, hall, notebook, remembered)
        try:
            yield door
        finally:
            door.abort()


@pytest.fixture
async def phone() -> AsyncIterator[SyntheticCaller]:
    async with synthetic_caller((), {}) as caller:
        yield caller


def uri(port: int, transport: str = "udp") -> str:
    return f"sip:support@127.0.0.1:{port}" + (";transport=tcp" if transport == "tcp" else "")


async def test_no_200_leaves_before_the_dialog_is_written_down(phone: SyntheticCaller) -> None:
    port, notebook = free_port(), Notebook()
    notebook.written.clear()
    async with life(port, Hall(), notebook, {}), asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(phone.call(uri(port)))
        await eventually("the door wants to answer", lambda: notebook.asked)
        await asyncio.sleep(1.2)  # the INVITE comes again meanwhile, and is told to wait
        assert not phone.answered.is_set()
        notebook.written.set()
        await calling
        assert phone.answered.is_set()
        await phone.hang_up()
        await eventually("the call is forgotten", lambda: not notebook.kept)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_another_door_goes_on_with_the_call(transport: str) -> None:
    port, notebook = free_port(), Notebook()
    async with synthetic_caller((), {}, CallerSettings(transport=transport)) as phone:
        async with life(port, Hall(), notebook, {}):
            await phone.call(uri(port, transport))
            await eventually(
                "it is acknowledged", lambda: b'"confirmed"' in next(iter(notebook.kept.values()))
            )
        (leg_id,) = returning_legs(notebook.kept)
        hall = Reception(frozenset({leg_id}))
        async with life(port, hall, notebook, dict(notebook.kept)) as door:
            assert "m=audio" in await door.reoffer(leg_id, describe("sendonly"))
            await phone.hang_up()
            await eventually("the hall hears of it", lambda: hall.hung)
            assert hall.hung[0][0] == leg_id
            assert notebook.kept == {}


async def test_a_call_that_nobody_expects_any_more_is_hung_up(phone: SyntheticCaller) -> None:
    port, notebook = free_port(), Notebook()
    async with life(port, Hall(), notebook, {}):
        await phone.call(uri(port))
    async with life(port, Reception(), notebook, dict(notebook.kept)):
        await within(5.0, phone.ended.wait())
        assert phone.ended_by == "remote"
        await eventually("it is forgotten", lambda: not notebook.kept)


async def test_an_invite_that_was_not_answered_is_answered_by_the_next_door(phone: SyntheticCaller) -> None:
    port, notebook = free_port(), Notebook()
    notebook.written.clear()
    async with asyncio.TaskGroup() as tasks:
        async with life(port, Hall(), notebook, {}):
            calling = tasks.create_task(phone.call(uri(port)))
            await eventually("the door wants to answer", lambda: notebook.asked)
            await asyncio.sleep(0.4)  # the 100 is out: the phone does not ask again
        notebook.written.set()
        (leg_id,) = returning_legs(notebook.kept)
        hall = Reception(frozenset({leg_id}))
        async with life(port, hall, notebook, dict(notebook.kept)):
            await calling
            assert [call.leg_id for call in hall.calls] == [leg_id]
            await phone.hang_up()


async def test_what_was_kept_and_makes_no_sense_is_forgotten() -> None:
    port, notebook = free_port(), Notebook()
    notebook.kept = {LegId("leg_1"): b"nonsense", LegId("leg_2"): b"{}"}
    assert returning_legs(notebook.kept) == frozenset()
    async with life(port, Reception(), notebook, dict(notebook.kept)) as door:
        assert notebook.kept == {}
        assert door.calls == 0
