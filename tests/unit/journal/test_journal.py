"""The journal keeps what happened, in order and before anybody sees it; a restart reads it back."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from bridge.clock import ManualClock
from bridge.desk.centre.flow import Flow, FlowKind, FlowStep, FlowTrigger, Outcome, StepKind
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType
from bridge.desk.desk import Desk
from bridge.desk.events import (
    DeskEvent,
    DesktopLost,
    FlowStarted,
    InteractionEnded,
    InteractionEvent,
    LegAttached,
)
from bridge.errors import ParseError
from bridge.ids import FlowId, FlowRunId, IdSource, InteractionId, LegId, ParticipantId, QueueId
from bridge.journal.definitions import Definitions
from bridge.journal.journal import Journal, JournalError
from bridge.journal.leg_memory import LegMemory
from bridge.journal.record import event_types, interaction_of, parse_events, serialize_events
from bridge.journal.schema import Write
from tests.unit.desk.house import EVE, House
from tests.unit.journal.contract import running

ID = InteractionId("int_1")


def attached(number: int) -> LegAttached:
    return LegAttached(float(number), ID, ParticipantId("prt_1"), LegId(f"leg_{number}"))


FLOW = Flow(
    FlowId("f"), "F", FlowKind.INBOUND, "first step", (FlowStep("first step", StepKind.WAIT, seconds=1.0),)
)


def started(number: int, flow: Flow) -> FlowStarted:
    return FlowStarted(float(number), ID, FlowRunId(f"flow_{number}"), flow, "system", FlowTrigger.CALL)


def url_of(directory: Path) -> str:
    return f"sqlite+aiosqlite:///{directory / 'journal.db'}"


async def test_events_are_read_back_in_order(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        seen: list[tuple[int, ...]] = []
        await journal.append([attached(1), attached(2)], seen.append)
        await journal.append([InteractionEnded(3.0, ID, "hung up", "customer")], seen.append)
        entries = await journal.read()
    assert seen == [(1, 2), (3,)]
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert entries[0].event == attached(1)
    assert {entry.boot_id for entry in entries} == {"boot_1"}


async def test_nothing_is_visible_before_its_commit_and_groups_share_one(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        visible: list[int] = []
        futures = [journal.append([attached(n)], lambda numbers: visible.extend(numbers)) for n in range(50)]
        assert visible == []
        assert journal.pending == 50
        await asyncio.gather(*futures)
        assert visible == list(range(1, 51))
        assert journal.commits == 1
        assert journal.pending == 0


async def test_settled_waits_for_what_was_appended_before(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        await journal.settled()
        future = journal.append([attached(1)], lambda _: None)
        await journal.settled()
        assert future.done()


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        await journal.append([attached(1)], lambda _: None)
    async with running(url_of(tmp_path), "boot_2") as journal:
        await journal.append([attached(2)], lambda _: None)
        entries = await journal.read(after=1)
    assert [(entry.number, entry.boot_id) for entry in entries] == [(2, "boot_2")]


async def test_what_is_pending_at_the_end_is_written(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        journal.append([attached(1)], lambda _: None)
    async with running(url_of(tmp_path), "boot_2") as journal:
        assert len(await journal.read()) == 1


async def test_one_interaction_can_be_read_alone(tmp_path: Path) -> None:
    other = LegAttached(1.0, InteractionId("int_2"), ParticipantId("prt_2"), LegId("leg_9"))
    async with running(url_of(tmp_path)) as journal:
        await journal.append([attached(1), other], lambda _: None)
        entries = await journal.read(interaction_id=InteractionId("int_2"))
    assert [entry.event for entry in entries] == [other]


async def test_a_failed_commit_fails_the_writer_and_every_waiting_step(tmp_path: Path) -> None:
    journal = Journal(url_of(tmp_path), ManualClock(), "boot_1")
    await journal.open()
    visible: list[tuple[int, ...]] = []
    with closing(sqlite3.connect(tmp_path / "journal.db")) as somebody:  # who works on the file by hand
        somebody.execute("drop table events")
    failing = journal.append([attached(1)], visible.append)
    with pytest.raises(JournalError):
        await journal.run()
    assert isinstance(failing.exception(), JournalError)
    assert visible == []
    with pytest.raises(JournalError):
        journal.append([attached(2)], visible.append)
    with pytest.raises(JournalError):
        await journal.settled()
    with pytest.raises(JournalError):
        LegMemory(journal, "sip").forget(LegId("leg_1"))
    await journal.aclose()


async def test_a_disk_that_stands_still_stops_the_bridge_before_anything_builds_on_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk has taken a step before it is refused here: a later one would tell of what nobody can replay."""
    monkeypatch.setattr("bridge.journal.journal.MAX_PENDING_BATCHES", 2)
    journal = Journal(url_of(tmp_path), ManualClock(), "boot_1")
    await journal.open()
    waiting = [journal.append([attached(number)], lambda _: None) for number in range(2)]
    LegMemory(journal, "sip").forget(LegId("leg_1"))
    with pytest.raises(JournalError, match="2 steps wait"):
        journal.append([attached(3)], lambda _: None)
    with pytest.raises(JournalError):
        journal.append([attached(4)], lambda _: None)
    with pytest.raises(JournalError):
        await journal.run()
    assert all(isinstance(step.exception(), JournalError) for step in waiting)
    await journal.aclose()


async def test_an_event_that_cannot_be_written_stops_the_bridge(tmp_path: Path) -> None:
    journal = Journal(url_of(tmp_path), ManualClock(), "boot_1")
    await journal.open()
    with pytest.raises(JournalError, match="cannot be written down"):
        journal.append([InteractionEnded(3.0, ID, "half a pair: \ud800", "customer")], lambda _: None)
    with pytest.raises(JournalError):
        await journal.run()
    await journal.aclose()


def test_every_event_of_a_whole_story_survives_the_row() -> None:
    definitions = Definitions()
    written = serialize_events(story(), definitions)
    assert list(parse_events(written, definitions)) == story()


def test_what_names_an_interaction_is_about_it() -> None:
    about = {event_type for event_type in event_types() if "interaction_id" in event_type.__annotations__}
    assert about == set(get_args(InteractionEvent))
    assert interaction_of(attached(1)) == ID
    assert interaction_of(DesktopLost(1.0, EVE)) is None


def test_a_flow_that_was_written_with_every_field_is_read() -> None:
    step = (
        '{"name":"ask","kind":"queue","branches":{"timeout":"end"},"timeout_s":30.0,"seconds":0.0,"data":{},'
        '"keep":false,"variables":{},"participant":null,"when":{},"queue":"voice","keys":{"1":"end"},'
        '"media":"video","prompt":"","user":null,"number":"","delay_s":0.0,"to":"","subject":"","text":"",'
        '"reason":""}'
    )
    body = (
        '{"at":1.0,"interaction_id":"int_1","flow_run_id":"flow_1","flow":{"flow_id":"vip","name":"VIP",'
        f'"kind":"inbound","start":"ask","steps":[{step}],"digits":""}},"by":"system","trigger":"call"}}'
    )
    (event,) = parse_events(f'[["FlowStarted",{body}]]'.encode(), Definitions())
    assert isinstance(event, FlowStarted)
    ask = FlowStep(
        "ask",
        StepKind.QUEUE,
        {Outcome.TIMEOUT: "end"},
        30.0,
        queue=QueueId("voice"),
        keys={"1": "end"},
        media=MediaType.VIDEO,
    )
    assert event.flow == Flow(FlowId("vip"), "VIP", FlowKind.INBOUND, "ask", (ask,))
    definitions = Definitions()
    written = serialize_events([event], definitions)
    assert len(written) < len(body)
    assert list(parse_events(written, definitions)) == [event]


def test_a_flow_is_stored_once_and_referred_to() -> None:
    definitions = Definitions()
    one, two = FLOW, msgspec.structs.replace(FLOW, name="another")
    events = [started(n, flow) for n, flow in enumerate((one, one, two, one))]
    written = serialize_events(events, definitions)
    assert b"first step" not in written
    new = dict(definitions.take_new())
    assert [msgspec.json.decode(body, type=Flow) for body in new.values()] == [one, two]
    assert list(definitions.take_new()) == []
    assert list(parse_events(written, Definitions(new))) == events
    equal = msgspec.json.decode(msgspec.json.encode(one), type=Flow)  # as it is read after a restart
    assert serialize_events([started(1, equal)], definitions) == serialize_events([events[1]], definitions)
    assert list(definitions.take_new()) == []
    with pytest.raises(ParseError, match="no flow definition"):
        list(parse_events(written, Definitions()))


async def test_a_definition_is_not_lost_with_a_step_that_failed(tmp_path: Path) -> None:
    def failing(_numbers: tuple[int, ...]) -> Sequence[Write]:
        raise RuntimeError("a mistake of ours")

    async with running(url_of(tmp_path)) as journal:
        with pytest.raises(RuntimeError):
            journal.append([started(1, FLOW)], lambda _: None, failing)
        await journal.append([started(2, FLOW)], lambda _: None)
    async with running(url_of(tmp_path), "boot_2") as journal:
        assert [entry.event for entry in await journal.read()] == [started(2, FLOW)]


def test_replaying_the_story_gives_the_state_back() -> None:
    house = House()
    fill(house)
    again = Desk(DeskPolicy(), IdSource(lambda size: "0" * size))
    definitions = Definitions()
    again.replay(parse_events(serialize_events(house.journal, definitions), definitions))
    assert again.interactions() == house.desk.interactions()
    assert again.experts() == house.desk.experts()
    assert again.offers() == house.desk.offers()


def test_unknown_and_broken_rows_are_named() -> None:
    with pytest.raises(ParseError, match="Flown"):
        list(parse_events(b'[["Flown",{}]]', Definitions()))
    with pytest.raises(ParseError, match="LegAttached"):
        list(parse_events(b'[["LegAttached",{"at": "now"}]]', Definitions()))
    with pytest.raises(ParseError, match="a row"):
        list(parse_events(b'{"at": 1.0}', Definitions()))


def story() -> list[DeskEvent]:
    house = House()
    fill(house)
    return house.journal


def fill(house: House) -> None:
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    house.leave(id_, EVE)
    house.call()


@pytest.mark.parametrize(("place", "says"), [("absent/journal.db", "no folder"), (".", "unable to open")])
async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, place: str, says: str) -> None:
    path = tmp_path / place
    journal = Journal(f"sqlite+aiosqlite:///{path}", ManualClock(), "boot_1")
    with pytest.raises(JournalError, match=says) as caught:
        await journal.open()
    assert str(path.parent) in caught.value.reason
    await journal.aclose()
