"""The calls of the SIP door: found by leg and by call, written down, and forgotten once."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import text

from bridge.errors import NotFoundError
from bridge.ids import LegId
from bridge.journal.schema import Write
from signaling.sip.door.call_leg import CallLegs
from signaling.sip.session.event import CallKey, ReofferRefused

LEG, CALL = LegId("leg_1"), CallKey(7)


class Notebook:
    """A keeper that can be full."""

    def __init__(self) -> None:
        self.written: list[tuple[str, LegId, bytes]] = []
        self.full = False

    async def keep(self, leg_id: LegId, body: bytes) -> None:
        self.written.append(("keep", leg_id, body))

    def begin_keep(self, leg_id: LegId, body: bytes) -> None:
        if self.full:
            raise NotFoundError("the disk is gone")
        self.written.append(("begin", leg_id, body))

    def keeping(self, leg_id: LegId, body: bytes) -> Sequence[Write]:
        return (Write(text(""), {"leg_id": leg_id, "body": body}),)

    def keep_along(self, leg_id: LegId, body: bytes) -> None:
        if self.full:
            raise NotFoundError("the disk is gone")
        self.written.append(("along", leg_id, body))

    def forget(self, leg_id: LegId) -> None:
        self.written.append(("forget", leg_id, b""))


def make_legs(memory: bytes = b"memory") -> tuple[CallLegs, Notebook]:
    legs, notebook = CallLegs(lambda _call: memory), Notebook()
    legs.keeper = notebook
    return legs, notebook


def test_a_call_is_found_by_leg_and_by_call_until_it_is_forgotten() -> None:
    legs, notebook = make_legs()
    leg = legs.enter(LEG, CALL, "c")
    assert (legs.get(LEG), legs.of(CALL), list(legs), len(legs)) == (leg, leg, [leg], 1)
    legs.forget(leg)
    legs.forget(leg)
    assert (legs.get(LEG), legs.of(CALL), legs.of(None), len(legs)) == (None, None, None, 0)
    assert notebook.written == [("forget", LEG, b"")]


def test_a_call_that_is_forgotten_late_leaves_the_one_that_has_its_leg_by_then() -> None:
    legs, notebook = make_legs()
    refused = legs.enter(LEG, CALL, "c")
    legs.forget(refused)
    again = legs.enter(LEG, CallKey(8), "d")
    legs.forget(refused)  # its task was busy until now
    assert (legs.get(LEG), legs.of(CallKey(8))) == (again, again)
    assert notebook.written == [("forget", LEG, b"")]


async def test_what_a_restart_needs_is_written_where_there_is_anything() -> None:
    legs, notebook = make_legs()
    leg = legs.enter(LEG, CALL, "c")
    await legs.keep(leg, b"")
    await legs.keep(leg, b"x")
    legs.begin_keep(leg)
    assert notebook.written == [("keep", LEG, b"x"), ("begin", LEG, b"memory")]
    legs.keep_along(leg)
    assert notebook.written[-1] == ("along", LEG, b"memory")
    assert legs.keeping(leg, b"") == ()
    (write,) = legs.keeping(leg, b"y")
    assert write.parameters == {"leg_id": LEG, "body": b"y"}
    notebook.full = True
    legs.begin_keep(leg)  # a disk that is gone ends no call
    legs.keep_along(leg)
    silent, other = make_legs(b"")
    silent.begin_keep(silent.enter(LEG, CALL, "c"))
    silent.keep_along(silent.enter(LEG, CALL, "c"))
    assert other.written == []


def test_a_door_without_a_keeper_keeps_nothing() -> None:
    legs = CallLegs(lambda _call: b"memory")
    leg = legs.enter(LEG, CALL, "c")
    legs.keep_along(leg)
    assert legs.keeping(leg, b"memory") == ()


async def test_whoever_waits_to_change_a_call_that_is_forgotten_hears_that_it_is_over() -> None:
    """Its end is told to nobody any more, after a mistake of ours for instance."""
    legs = CallLegs(lambda _call: b"")
    leg = legs.enter(LEG, CALL, "call")
    leg.acknowledged.clear()
    leg.reoffering = asyncio.get_running_loop().create_future()
    for _ in range(2):
        legs.forget(leg)
    assert leg.acknowledged.is_set()
    outcome = leg.reoffering.result()
    assert isinstance(outcome, ReofferRefused)
    assert outcome.status == 481
