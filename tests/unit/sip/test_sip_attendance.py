"""The task of one call: what the corridor says reaches the phone, what the phone says reaches the corridor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from bridge.errors import (
    BridgeError,
    CallFailedError,
    CapacityError,
    ConflictError,
    ForbiddenError,
    GlareError,
    NegotiationError,
    NotAllowedError,
    NotFoundError,
    PlaneLostError,
)
from bridge.ids import LegId
from bridge.journal.schema import Write
from bridge.switchboard.door.doors import ArrivingCall, Referrer
from signaling.sip.door import attendance
from signaling.sip.door.attendance import Attendance, Lobby
from signaling.sip.door.call_leg import CallLeg, CallLegs
from signaling.sip.session.event import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallProgressed,
    CallRefused,
    DigitPressed,
    PictureWanted,
    ReferralArrived,
    RefreshDue,
    ReofferAnswered,
    ReofferRefused,
)
from signaling.sip.session.memory import Phase, parse_memory
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line
from tests.unit.sip.test_sip_calls import TARGET

if TYPE_CHECKING:
    from bridge.switchboard.door.doors import LegKeeper
    from signaling.sip.shell.endpoint import SipEndpoint

LEG, OTHER = LegId("leg_1"), LegId("leg_2")
NEW_OFFER, NEW_ANSWER = "v=0\r\no=new offer\r\n", "v=0\r\no=new answer\r\n"
Told = tuple[str | int, ...]


class Shell:
    """The endpoint without sockets: Bob is the bridge, Alice its phone, and what is flushed arrives at once."""

    def __init__(self) -> None:
        self.line = Line()
        self.agent = self.line.bob
        self.leg: CallLeg | None = None

    def now(self) -> float:
        return self.line.now

    def flush(self) -> None:
        self.line.settle()
        for event in self.line.take(BOB):
            if self.leg is not None and not isinstance(event, CallArrived):
                self.leg.inbox.put_nowait(event)


class Switchboard:
    """A corridor that says what it is told to say: `thinks` happens first, then `error` is raised if there is one."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.error: Exception | None = None
        self.thinks: Callable[[], Awaitable[None]] | None = None
        self.error_at_the_end: Exception | None = None
        self.has_commit = False  # before its answer, where the door may put something
        self.committed: list[Write] = []

    async def _think(self) -> None:
        if self.thinks is not None:
            await self.thinks()
        if self.error is not None:
            raise self.error

    async def arrive(self, call: ArrivingCall) -> str:
        self.told.append(("arrive", call.leg_id, call.called, call.offer))
        await self._think()
        if self.has_commit:
            self.committed += call.beside(ANSWER)
        return ANSWER

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        self.told.append(("reoffer", leg_id, offer))
        await self._think()
        return NEW_ANSWER

    def answer_lost(self, leg_id: LegId, offer: str) -> None:
        self.told.append(("answer lost", leg_id, offer))

    async def progressed(self, leg_id: LegId, status: int, answer: str) -> None:
        self.told.append(("progressed", leg_id, status, answer))
        await self._think()

    async def late_answer(self, leg_id: LegId, answer: str) -> None:
        self.told.append(("late answer", leg_id, answer))
        await self._think()

    def refresh(self, leg_id: LegId) -> None:
        self.told.append(("refresh", leg_id))

    def pressed(self, leg_id: LegId, digit: str, duration_ms: int) -> None:
        self.told.append(("pressed", leg_id, digit, duration_ms))

    def picture_wanted(self, leg_id: LegId) -> None:
        self.told.append(("picture wanted", leg_id))

    async def refer(self, leg_id: LegId, target: str, referrer: Referrer) -> int:
        raise AssertionError("the attendance hands a referral to who was given to it")

    def expects(self, leg_id: LegId) -> bool:
        raise AssertionError("nobody asks after a restart here")

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        self.told.append(("hung up", leg_id, reason))
        if self.error_at_the_end is not None:
            raise self.error_at_the_end


class Stage:
    """Alice has called; nobody attends to her yet."""

    def __init__(self, offer: str = OFFER) -> None:
        self.shell = Shell()
        self.line = self.shell.line
        self.switchboard = Switchboard()
        self.lobby = Lobby(1)
        self.referred: list[tuple[str, str]] = []
        self.kept_before: list[list[str]] = []  # what was on the wire when the call was written down
        legs = CallLegs(lambda _call: b"")
        legs.keeper = cast("LegKeeper", self)
        self.ours = self.line.alice.invite(TARGET, offer, self.line.now)
        self.line.run(0.3)  # until 100 Trying: before that nobody may take a call back
        (arrived,) = self.line.take(BOB)
        assert isinstance(arrived, CallArrived)
        self.arrived = arrived
        self.leg = self.shell.leg = CallLeg(LEG, arrived.call, arrived.call_id)
        self.attendance = Attendance(
            self.leg,
            cast("SipEndpoint", self.shell),
            self.switchboard,
            legs,
            lambda _leg, target, referrer: self.referred.append((target, referrer)),
            self.lobby,
        )

    @property
    def call(self) -> CallKey:
        return self.arrived.call

    async def keep(self, leg_id: LegId, body: bytes) -> None:
        """As the disk does for a switchboard that has no commit of its own."""
        assert (leg_id, bool(body)) == (LEG, True)
        self.kept_before.append(self.line.take_log())

    def keeping(self, leg_id: LegId, body: bytes) -> Sequence[Write]:
        return (Write(text(""), {"leg_id": leg_id, "body": body}),)

    def refusals(self) -> dict[str, int]:
        return {reason: count for reason, count in self.lobby.refused.counters().items() if count}

    async def run(self) -> None:
        await self.attendance.run(self.arrived, None)

    @contextlib.asynccontextmanager
    async def answered(self) -> AsyncIterator[None]:
        """The call is up, and is hung up by Alice at the end of the block."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.run())
            await turns()
            assert self.line.take(ALICE) == [CallAnswered(self.ours, ANSWER)]
            self.switchboard.told.clear()
            self.line.take_log()
            yield
            await turns()
            self.alice_hangs_up()

    def alice_hangs_up(self) -> None:
        with contextlib.suppress(NotFoundError):  # the bridge was first
            self.line.alice.hang_up(self.ours, "", self.line.now)
        self.shell.flush()

    async def alice_gives_up(self) -> None:
        self.alice_hangs_up()


async def turns() -> None:
    """Everything that can go on without time goes on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def never() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "CORRIDOR_TIMEOUT_S", 0.0)


# --- a new call -------------------------------------------------------------------------------------------


async def test_a_call_is_written_down_before_its_200_leaves(stage: Stage) -> None:
    async with stage.answered():
        assert stage.kept_before == [["alice INVITE", "bob 100 INVITE"]]
        assert stage.leg.inbox.qsize() == 0, "the ACK was taken note of"
    assert stage.switchboard.told == [("hung up", LEG, "hung up")]


async def test_what_a_restart_needs_of_the_answer_may_go_into_the_switchboards_commit(stage: Stage) -> None:
    stage.switchboard.has_commit = True
    async with stage.answered():
        assert stage.kept_before == [], "no commit of the door's own"
    (write,) = stage.switchboard.committed
    assert write.parameters["leg_id"] == LEG
    memory = parse_memory(write.parameters["body"])
    assert (memory.phase, ANSWER.encode() in memory.success) == (Phase.ANSWERED, True)


async def test_of_a_caller_who_gave_up_before_the_commit_nothing_goes_in(stage: Stage) -> None:
    stage.switchboard.has_commit, stage.switchboard.thinks = True, stage.alice_gives_up
    await stage.run()
    assert stage.switchboard.committed == []
    assert "bob 200 INVITE" not in stage.line.take_log()
    assert [told[0] for told in stage.switchboard.told] == ["arrive", "hung up"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after_s", "counted"),
    [
        (NegotiationError("no codec"), 488, 0, "not_acceptable"),
        (CapacityError("full"), 503, attendance.RETRY_AFTER_S, "at_capacity"),
        (PlaneLostError("no worker"), 503, attendance.RETRY_AFTER_S, "plane_lost"),
        (ForbiddenError("blocked"), 603, 0, "forbidden"),
        (ConflictError("taken"), 486, 0, "conflict"),
        (GlareError("taken"), 486, 0, "conflict"),
        (CallFailedError("the other one", 404), 500, 0, "other"),
    ],
)
async def test_a_refusal_reaches_the_phone_with_its_status_and_is_counted_by_its_reason(
    stage: Stage, error: BridgeError, status: int, retry_after_s: int, counted: str
) -> None:
    stage.switchboard.error = error
    await stage.run()
    (refused,) = stage.line.take(ALICE)
    assert isinstance(refused, CallRefused)
    assert (refused.status, refused.retry_after_s) == (status, retry_after_s)
    assert [told[0] for told in stage.switchboard.told] == ["arrive"], "it knows of no call to end"
    assert stage.refusals() == {f"sip_refused_{counted}": 1}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("error", "replaced"),
    [
        (NotFoundError("it is over"), OTHER),
        (NotAllowedError("it rings no more"), OTHER),
        (None, None),  # no leg has the call any more: never another interaction
    ],
)
async def test_a_call_that_would_replace_what_is_over_is_told_so(
    stage: Stage, error: Exception | None, replaced: LegId | None
) -> None:
    stage.switchboard.error = error
    arrived = msgspec.structs.replace(stage.arrived, replaces=CallKey(77))
    await stage.attendance.run(arrived, replaced)
    (refused,) = stage.line.take(ALICE)
    assert isinstance(refused, CallRefused)
    assert refused.status == 481
    assert len(stage.switchboard.told) == (0 if error is None else 1)


async def test_a_switchboard_that_does_not_answer_refuses_the_call_and_hears_so(stage: Stage) -> None:
    stage.switchboard.thinks = never
    await stage.run()
    (refused,) = stage.line.take(ALICE)
    assert isinstance(refused, CallRefused)
    assert refused.status == 503
    assert stage.refusals() == {"sip_refused_late": 1}
    assert stage.switchboard.told[1:] == [("hung up", LEG, "not answered in time")]


async def test_a_caller_who_gives_up_meanwhile_is_not_answered_any_more(stage: Stage) -> None:
    stage.switchboard.thinks = stage.alice_gives_up
    await stage.run()
    assert "bob 200 INVITE" not in stage.line.take_log()
    assert [told[0] for told in stage.switchboard.told] == ["arrive", "hung up"]


async def test_a_call_waits_until_it_is_its_turn(stage: Stage) -> None:
    turn = stage.lobby.turn
    await turn.acquire()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.run())
        await turns()
        assert stage.switchboard.told == []
        turn.release()
        await turns()
        assert stage.line.take(ALICE) == [CallAnswered(stage.ours, ANSWER)]
        assert not turn.locked(), "the next one may be set up while this one goes on"
        stage.alice_hangs_up()


async def test_nothing_is_set_up_for_a_caller_who_gave_up_before_the_turn_came(stage: Stage) -> None:
    await stage.lobby.turn.acquire()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.run())
        await turns()
        stage.alice_hangs_up()
        stage.lobby.turn.release()
    assert stage.switchboard.told == [("hung up", LEG, "canceled")]


@pytest.mark.usefixtures("impatient")
async def test_a_call_whose_turn_does_not_come_is_refused(stage: Stage) -> None:
    await stage.lobby.turn.acquire()
    await stage.run()
    assert [type(event) for event in stage.line.take(ALICE)] == [CallRefused]


async def test_a_refusal_for_a_caller_who_gave_up_meanwhile_is_nobodys(stage: Stage) -> None:
    stage.switchboard.thinks, stage.switchboard.error = stage.alice_gives_up, ConflictError("taken")
    await stage.run()
    assert "bob 486 INVITE" not in stage.line.take_log()
    assert [told[0] for told in stage.switchboard.told] == ["arrive"]


# --- our own mistakes -------------------------------------------------------------------------------------


async def test_a_mistake_of_ours_ends_this_call_and_is_logged(stage: Stage) -> None:
    stage.switchboard.error = RuntimeError("a mistake")
    with capture_logs() as logged:
        await stage.run()
    (refused,) = stage.line.take(ALICE)
    assert isinstance(refused, CallRefused)
    assert stage.switchboard.told[1:] == [("hung up", LEG, "internal error")]
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["! call failed"]


async def test_a_mistake_at_the_end_of_a_mistake_is_only_logged(stage: Stage) -> None:
    stage.switchboard.error = stage.switchboard.error_at_the_end = RuntimeError("a mistake")
    with capture_logs() as logged:
        await stage.run()
    assert [line["event"] for line in logged if line["log_level"] == "error"] == [
        "! call failed",
        "! call given up",
    ]


async def test_who_waits_for_an_answer_learns_of_a_mistake(stage: Stage) -> None:
    stage.leg.dialing = asyncio.get_running_loop().create_future()
    stage.switchboard.error = RuntimeError("a mistake")
    stage.leg.inbox.put_nowait(CallProgressed(stage.call, 183, ANSWER))
    await stage.attendance.run(None, None)
    with pytest.raises(CallFailedError, match="internal error"):
        await stage.leg.dialing


# --- in the call ------------------------------------------------------------------------------------------


async def test_what_the_phone_asks_for_is_told_in_order(stage: Stage) -> None:
    async with stage.answered():
        for event in (
            DigitPressed(stage.call, "5", 120),
            PictureWanted(stage.call),
            RefreshDue(stage.call),
            ReferralArrived(stage.call, "sip:carol@192.0.2.30", "sip:bob@192.0.2.2"),
        ):
            stage.leg.inbox.put_nowait(event)
        await turns()
        assert stage.switchboard.told == [
            ("pressed", LEG, "5", 120),
            ("picture wanted", LEG),
            ("refresh", LEG),
        ]
        assert stage.referred == [("sip:carol@192.0.2.30", "sip:bob@192.0.2.2")]


async def test_the_end_of_a_call_that_the_bridge_ended_is_no_news(stage: Stage) -> None:
    stage.leg.inbox.put_nowait(CallEnded(stage.call, "local", ""))
    await stage.attendance.run(None, None)
    assert stage.switchboard.told == []


async def test_an_answer_reaches_who_dialed_behind_what_was_told_while_it_rang(stage: Stage) -> None:
    stage.leg.dialing = asyncio.get_running_loop().create_future()
    for event in (
        CallProgressed(stage.call, 183, ANSWER),
        CallAnswered(stage.call, ANSWER),
        CallAnswered(stage.call, NEW_ANSWER),  # nobody waits any more
        CallEnded(stage.call, "remote", "hung up"),
    ):
        stage.leg.inbox.put_nowait(event)
    await stage.attendance.run(None, None)
    assert await stage.leg.dialing == ANSWER
    assert stage.switchboard.told == [("progressed", LEG, 183, ANSWER), ("hung up", LEG, "hung up")]


@pytest.mark.parametrize(("binding", "hangs_up"), [(False, False), (True, True)])
async def test_sound_nobody_can_use_ends_the_call_only_if_it_is_the_answer(
    stage: Stage, binding: bool, hangs_up: bool
) -> None:
    async with stage.answered():
        stage.switchboard.error = NegotiationError("no codec")
        stage.leg.inbox.put_nowait(CallProgressed(stage.call, 183, ANSWER, binding))
        await turns()
        assert ("bob BYE" in stage.line.take_log()) is hangs_up


# --- offers and answers -----------------------------------------------------------------------------------


async def test_a_new_offer_is_answered(stage: Stage) -> None:
    async with stage.answered():
        stage.line.alice.reinvite(stage.ours, NEW_OFFER, stage.line.now)
        stage.shell.flush()
        await turns()
        assert stage.switchboard.told == [("reoffer", LEG, NEW_OFFER)]
        assert stage.line.take(ALICE) == [ReofferAnswered(stage.ours, NEW_ANSWER)]


async def test_the_answer_to_an_update_waits_for_no_ack(stage: Stage) -> None:
    async with stage.answered():
        stage.leg.acknowledged.set()
        stage.line.alice.update(stage.ours, NEW_OFFER, stage.line.now)
        stage.shell.flush()
        await turns()
        assert stage.line.take(ALICE) == [ReofferAnswered(stage.ours, NEW_ANSWER)]
        assert stage.leg.acknowledged.is_set()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ConflictError("ours is in the making"), 491), (NegotiationError("no codec"), 488)],
)
async def test_a_new_offer_that_is_refused_leaves_the_call_up(
    stage: Stage, error: BridgeError, status: int
) -> None:
    async with stage.answered():
        stage.switchboard.error = error
        stage.line.alice.reinvite(stage.ours, NEW_OFFER, stage.line.now)
        stage.shell.flush()
        await turns()
        (refused,) = stage.line.take(ALICE)
        assert isinstance(refused, ReofferRefused)
        assert refused.status == status
        assert "bob BYE" not in stage.line.take_log()


async def test_a_new_offer_that_nobody_answers_in_time_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.answered():
        monkeypatch.setattr(attendance, "CORRIDOR_TIMEOUT_S", 0.0)
        stage.switchboard.thinks = never
        stage.line.alice.reinvite(stage.ours, NEW_OFFER, stage.line.now)
        stage.shell.flush()
        await turns()
        (refused,) = stage.line.take(ALICE)
        assert isinstance(refused, ReofferRefused)
        assert refused.status == 500
        assert stage.switchboard.told[-1] == ("answer lost", LEG, NEW_OFFER)


async def test_a_new_offer_that_is_taken_back_meanwhile_gets_no_answer_and_the_switchboard_hears_so(
    stage: Stage,
) -> None:
    async with stage.answered():
        thinking = asyncio.Event()
        stage.switchboard.thinks = thinking.wait  # type: ignore[assignment]
        stage.line.alice.reinvite(stage.ours, NEW_OFFER, stage.line.now)
        stage.shell.flush()
        await turns()
        stage.line.run(40.0)  # Alice waits no longer: CANCEL
        thinking.set()
        await turns()
        assert stage.switchboard.told == [("reoffer", LEG, NEW_OFFER), ("answer lost", LEG, NEW_OFFER)]
        assert "bob BYE" not in stage.line.take_log()


async def test_a_phone_that_hangs_up_over_its_own_offer_gets_no_answer(stage: Stage) -> None:
    async with stage.answered():
        stage.switchboard.thinks = stage.alice_gives_up
        stage.line.alice.reinvite(stage.ours, NEW_OFFER, stage.line.now)
        stage.shell.flush()
        await turns()
        assert [told[0] for told in stage.switchboard.told] == ["reoffer", "hung up"]


async def test_the_answer_in_the_ack_is_told_and_one_nobody_can_use_ends_the_call() -> None:
    stage = Stage(offer="")
    stage.switchboard.error = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.run())
        await turns()
        stage.switchboard.told.clear()
        stage.switchboard.error = NegotiationError("no codec")
        stage.leg.inbox.put_nowait(CallAcknowledged(stage.call, ANSWER, owed=True))
        await turns()
        assert stage.switchboard.told == [("late answer", LEG, ANSWER), ("hung up", LEG, "no codec")]


@pytest.mark.parametrize("trouble", [PlaneLostError("no media worker"), NotFoundError("no call on the leg")])
async def test_a_late_answer_that_meets_other_trouble_ends_no_call(trouble: BridgeError) -> None:
    """A new media worker hears what was agreed; a call that is being hung up ends by itself."""
    stage = Stage(offer="")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(stage.run())
        await turns()
        stage.switchboard.told.clear()
        stage.switchboard.error = trouble
        stage.leg.inbox.put_nowait(CallAcknowledged(stage.call, ANSWER, owed=True))
        await turns()
        assert stage.switchboard.told == [("late answer", LEG, ANSWER)]
        assert not running.done()
        running.cancel()
