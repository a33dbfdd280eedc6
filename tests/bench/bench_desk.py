"""Commands of the desk: how many a second, and how long from the wish for somebody until it rings there.

1,000 callers wait and 200 people serve them. Half of those are agents in conversation: each that ends is one more
free agent, for whom the first of the line rings. The other half are experts for video, who are free: each wish for
one rings at once. First the desk alone, then the whole switchboard (desk, ledger, journal, announcer, conductor) on
a real SQLite file and on a real PostgreSQL server; media worker and websockets are stubs that answer at once.
"""

import asyncio
import secrets
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from bridge import collector
from bridge.clock import SystemClock
from bridge.desk import commands, events
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Profile, Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.desk import Desk
from bridge.ids import IdSource, InteractionId, LegId, OfferId, QueueId, UserId
from bridge.journal.journal import Journal
from bridge.logs import configure_logs
from bridge.plane import messages
from bridge.settings.process import Log
from bridge.switchboard.conversation.participants import AddFromQueue
from bridge.switchboard.door.doors import ArrivingCall, Audience, Route, Signal
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.view.event import DesktopEvent, InteractionUpdated, OfferMade
from bridge.switchboard.view.view import OfferView, TrunkView
from bridge.switchboard.wiring import SwitchboardPolicy
from tests.bench.figure import Figure, middle
from tests.interop.journal.postgres import cluster

WAITING = 1_000
AGENTS = tuple(UserId(f"agent{number}") for number in range(100))
EXPERTS = tuple(UserId(f"expert{number}") for number in range(100))
AT_ONCE = 16  # of each kind of story
PACE = 500  # commands a second while latency is measured
WINDOWS = 3
AIM_MS = 20.0
AIM_PER_S = 1_000.0
AIM_CPU_MS = 1.0
VIDEO = QueueId("video")
SKILL = "Video_Escalation"
LONG_S = 3_600.0
STORY = 3  # commands
POLICY = DeskPolicy(
    offer_s=LONG_S,
    connect_s=LONG_S,
    max_interactions=WAITING + 500,
    queues=(Queue(VIDEO, "Escalation - Video SME", role=ParticipantRole.SME, skills={SKILL: 1}),),
)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
SCOPES = frozenset(
    {"interaction:read", "interaction:write", "interaction:all", "routing:write", "telephony:video:use"}
    | {"user:write"}
)
CRM = Principal(UserId("crm"), "CRM", SCOPES)
READY = messages.WorkerReady(messages.Fingerprint("sha-256", "AB"), (), "bench")


def run(window_s: float) -> Iterator[str | Figure]:
    configure_logs(Log(level="warning"))  # a line for each call would be most of the output
    shape = f"{WAITING} wait, {len(AGENTS) + len(EXPERTS)} serve"
    yield f"the desk alone, {shape}"
    yield from _figures(
        "desk alone", _desk_alone(window_s), f"{shape}; no journal, one command after the other"
    )
    with tempfile.TemporaryDirectory() as name:
        yield f"on SQLite, {shape}"
        note = f"{shape}; {2 * AT_ONCE} stories at once; latency at {PACE} commands/s; wall time, no log"
        url = f"sqlite+aiosqlite:///{Path(name) / 'journal.db'}"
        yield from _figures("SQLite", asyncio.run(_switchboard(url, window_s)), note)
    with cluster() as server:
        yield f"on PostgreSQL, {shape}"
        measured = asyncio.run(_switchboard(f"{server.url}/postgres", window_s))
        yield from _figures("PostgreSQL", measured, note)


@dataclass(frozen=True)
class _Measured:
    commands_per_s: float
    cpu_ms: float  # a command
    latencies_s: tuple[float, ...]


def _figures(where: str, measured: _Measured, note: str) -> Iterator[Figure]:
    ranked = sorted(measured.latencies_s)
    yield Figure(
        "desk", f"commands, {where}", measured.commands_per_s, "commands/s", at_least=AIM_PER_S, note=note
    )
    yield Figure("desk", f"CPU of a command, {where}", measured.cpu_ms, "ms", aim=AIM_CPU_MS, note=note)
    for name, share in (("median", 0.5), ("p99", 0.99)):
        value = ranked[int(share * (len(ranked) - 1))] * 1e3
        aim = AIM_MS if share > 0.5 else None
        yield Figure("desk", f"wish to offer, {where}, {name}", value, "ms", aim=aim, note=note)


# --- the desk alone -----------------------------------------------------------------------------------------


def _desk_alone(window_s: float) -> _Measured:
    """One step after the other, as fast as they go."""
    lone = _LoneDesk()
    rates, first, spent = [], lone.done, time.process_time()
    for _ in range(WINDOWS):
        done, began = lone.done, time.perf_counter()
        until = began + window_s / WINDOWS
        while time.perf_counter() < until:
            lone.escalate()
            lone.serve_next()
        rates.append((lone.done - done) / (time.perf_counter() - began))
    cpu_ms = (time.process_time() - spent) / (lone.done - first) * 1e3
    return _Measured(middle(rates), cpu_ms, tuple(lone.latencies_s))


class _LoneDesk:
    """Both stories on a desk without anything around it."""

    def __init__(self) -> None:
        self.done = 0
        self.latencies_s: list[float] = []
        self._now = 1000.0
        self._ids = IdSource(secrets.token_hex)
        self._desk = Desk(POLICY, self._ids)
        for user_id in (*AGENTS, *EXPERTS):
            self._step(commands.SetProfile(Profile(user_id, {SKILL: 3}), "bench"))
            self._step(commands.SetPresence(user_id, user_id, _role(user_id), Presence.READY))
        self._line: list[InteractionId] = []
        for _ in range(WAITING + len(AGENTS)):
            self._call()
        self._served: deque[InteractionId] = deque()
        for offer in self._desk.offers():
            self._answer(offer.interaction_id, offer.offer_id, offer.user_id)

    def escalate(self) -> None:
        id_ = self._line[-1 - self.done % (WAITING // 2)]
        offer = self._timed(commands.SeekFromQueue(id_, VIDEO, MediaType.VIDEO, "crm"))
        self._step(commands.AcceptOffer(offer.offer_id, offer.user_id))
        sought = self._desk.interaction(id_).participant_of(offer.user_id)
        assert sought is not None, "who accepted takes part"
        self._step(commands.DisconnectParticipant(id_, sought.participant_id, "crm", "removed"))

    def serve_next(self) -> None:
        offer = self._timed(commands.EndInteraction(self._served.popleft(), "crm", "ended"))
        self._answer(offer.interaction_id, offer.offer_id, offer.user_id)
        self._call()

    def _answer(self, interaction_id: InteractionId, offer_id: OfferId, user_id: UserId) -> None:
        self._line.remove(interaction_id)
        self._served.append(interaction_id)
        self._step(commands.AcceptOffer(offer_id, user_id))

    def _call(self) -> None:
        ids, interaction_id = self._ids, self._ids.interaction()
        call = (ids.room(), ids.participant(), ids.leg(), "+4930123", "sip:desk")
        self._step(commands.OpenInteraction(interaction_id, *call))
        self._line.append(interaction_id)

    def _timed(self, command: commands.DeskCommand) -> events.OfferMade:
        began = time.perf_counter()
        happened = self._step(command)
        self.latencies_s.append(time.perf_counter() - began)
        return next(event for event in happened if isinstance(event, events.OfferMade))

    def _step(self, command: commands.DeskCommand) -> tuple[events.DeskEvent, ...]:
        self.done += 1
        self._now += 0.001
        return self._desk.step(command, self._now)


# --- the whole switchboard ----------------------------------------------------------------------------------


async def _switchboard(url: str, window_s: float) -> _Measured:
    """As many as go at once for the rate; then at a steady pace for the latency."""
    async with _floor(url) as floor:
        rates, first, spent = [], floor.done, time.process_time()
        for _ in range(WINDOWS):
            done, began = floor.done, time.perf_counter()
            until = began + window_s / WINDOWS
            async with asyncio.TaskGroup() as tasks:
                for _ in range(AT_ONCE):
                    tasks.create_task(_again_and_again(floor.escalate, until))
                    tasks.create_task(_again_and_again(floor.serve_next, until))
            rates.append((floor.done - done) / (time.perf_counter() - began))
        cpu_ms = (time.process_time() - spent) / (floor.done - first) * 1e3
        floor.latencies_s.clear()
        await _at_a_pace(floor, window_s)
        return _Measured(middle(rates), cpu_ms, tuple(floor.latencies_s))


async def _again_and_again(story: Callable[[], Awaitable[None]], until: float) -> None:
    while time.perf_counter() < until:
        await story()


async def _at_a_pace(floor: "_Floor", window_s: float) -> None:
    """Stories begin at their instant whether or not those before are through: a stall delays nobody's clock."""
    began, pause_s = time.perf_counter(), STORY / PACE
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(window_s / pause_s)):
            await asyncio.sleep(began + number * pause_s - time.perf_counter())
            tasks.create_task(floor.escalate() if number % 2 else floor.serve_next())


class _Worker:
    """A media worker that has done everything at once."""

    async def request(self, command: messages.Command) -> messages.Reply:
        match command:
            case messages.DeclareRtpLeg():
                return messages.RtpLegDeclared(0, command.leg.leg_id, "127.0.0.1", 30_000)
            case messages.DeclareWebRtcLeg():
                return messages.WebRtcLegDeclared(0, command.leg.leg_id)
            case messages.RemoveLeg():
                return messages.LegRemoved(0, command.leg_id)
            case messages.DeclareRoom():
                return messages.RoomDeclared(0, command.room.room_id)
            case messages.RemoveRoom():
                return messages.RoomRemoved(0, command.room_id)
            case messages.SendDigits():
                return messages.DigitsTaken(0, command.leg_id)
            case _:
                assert_never(command)


class _Doors:
    """Phones that agree to everything; a desktop door that gives each offer to who waits for it."""

    def __init__(self) -> None:
        self.offers: dict[InteractionId | UserId, asyncio.Future[OfferView]] = {}
        self.opened: list[InteractionId] = []

    def signals(self, leg_id: LegId) -> tuple[Signal, ...]:
        """Nothing is on any wire."""
        return ()

    async def hang_up(self, leg_id: LegId, reason: str) -> None:
        """The call is over anyway."""

    def press(self, leg_id: LegId, keys: str) -> None: ...

    def ask_for_picture(self, leg_id: LegId) -> None:
        pass

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        return SDP

    def routes(self, number: str) -> tuple[Route, ...]:
        """Nobody is called back here."""
        return ()

    def trunks(self) -> tuple[TrunkView, ...]:
        return ()

    async def dial(self, leg_id: LegId, route: Route, offer: str) -> str:
        return SDP

    def on_events(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> None:
        for event, _ in told:
            self._on_event(event)

    def _on_event(self, event: DesktopEvent) -> None:
        if isinstance(event, InteractionUpdated) and event.change == "interaction_opened":
            self.opened.append(event.interaction_id)
        if isinstance(event, OfferMade):
            for key in (event.offer.interaction_id, event.offer.user_id):
                if key in self.offers:
                    self.offers.pop(key).set_result(event.offer)

    def offer(self, key: InteractionId | UserId) -> "asyncio.Future[OfferView]":
        """Done when the offer is told."""
        self.offers[key] = asyncio.get_running_loop().create_future()
        return self.offers[key]


class _Floor:
    """Both stories, command by command, as the doors would ask for them."""

    def __init__(self, board: Switchboard, doors: _Doors) -> None:
        self.done = 0
        self.latencies_s: list[float] = []
        self._asked = 0
        self._board = board
        self._doors = doors
        self._ids = IdSource(secrets.token_hex)
        self._line = doors.opened
        self._served: deque[tuple[InteractionId, UserId]] = deque()

    async def fill(self) -> None:
        for user_id in (*AGENTS, *EXPERTS):
            await self._board.users.set_profile(CRM, Profile(user_id, {SKILL: 3}))
            ringing = self._doors.offer(user_id) if user_id in AGENTS else None
            await self._board.users.set_presence(_who(user_id), "ready", _role(user_id))
            if ringing is not None:
                await self._call()
                await self._answer(await ringing)
        for _ in range(WAITING):
            await self._call()
        self.done = 0

    async def escalate(self) -> None:
        place = -1 - self._asked % (len(self._line) // 2)  # among those who are not served soon
        self._asked += 1
        id_ = self._line.pop(place)
        wish = AddFromQueue(VIDEO)
        offer = await self._timed(id_, self._board.participants.add_from_queue(CRM, id_, wish))
        view = await self._board.offers.accept(_who(offer.user_id), offer.offer_id)
        sought = next(p for p in view.participants if p.user_id == offer.user_id and not p.disconnect_reason)
        await self._board.participants.remove(CRM, id_, sought.participant_id)
        self._line.insert(place, id_)
        self.done += STORY

    async def serve_next(self) -> None:
        if not self._served:
            return  # a machine that is far behind: everybody is being served already
        id_, user_id = self._served.popleft()
        offer = await self._timed(user_id, self._board.interactions.end(CRM, id_))
        await self._answer(offer)
        await self._call()
        self.done += STORY

    async def _timed(
        self, key: InteractionId | UserId, command: Coroutine[object, object, object]
    ) -> OfferView:
        """From the command until the desktop is told; the command's own answer may come later."""
        ringing, began = self._doors.offer(key), time.perf_counter()
        ringing.add_done_callback(lambda _: self.latencies_s.append(time.perf_counter() - began))
        await command
        return await ringing

    async def _answer(self, offer: OfferView) -> None:
        if offer.interaction_id in self._line:
            self._line.remove(offer.interaction_id)
        await self._board.offers.accept(_who(offer.user_id), offer.offer_id)
        self._served.append((offer.interaction_id, offer.user_id))

    async def _call(self) -> None:
        await self._board.arrive(ArrivingCall(self._ids.leg(), "+4930123", "sip:desk", SDP))


@asynccontextmanager
async def _floor(url: str) -> AsyncIterator[_Floor]:
    clock, ids = SystemClock(), IdSource(secrets.token_hex)
    journal = Journal(url, clock, "bench")
    await journal.open()
    policy, doors = SwitchboardPolicy(), _Doors()
    board = Switchboard(Desk(POLICY, ids), journal, _Worker(), clock, secrets.token_hex, policy)
    board.attach(doors, doors)
    await board.restore()
    await board.restart(frozenset())
    board.plane_event(READY)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(board.run())
        try:
            floor = _Floor(board, doors)
            collector.settle()  # as the daemon does before anybody calls
            await floor.fill()
            yield floor
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await journal.aclose()


def _role(user_id: UserId) -> ParticipantRole:
    return ParticipantRole.SME if user_id in EXPERTS else ParticipantRole.AGENT


def _who(user_id: UserId) -> Principal:
    return Principal(user_id, user_id, SCOPES, f"con_{user_id}")
