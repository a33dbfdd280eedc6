"""A switchboard with its real desk, journal and negotiation.

Its doors and its plane are seams: here they write down what they are told and answer as they should.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import ManualClock
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.desk import Desk
from bridge.errors import BridgeError, CallFailedError
from bridge.ids import IdSource, InteractionId, LegId, ParticipantId, TrunkId, UserId
from bridge.journal.journal import Journal
from bridge.negotiation import PhonePreferences
from bridge.plane import messages
from bridge.switchboard.conversation.participants import AddParticipant
from bridge.switchboard.door.doors import ArrivingCall, Audience, Route, Signal, Sounds
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.view.event import DesktopEvent, MediaOffered, OfferMade
from bridge.switchboard.view.sidebar import Sidebar
from bridge.switchboard.view.view import InteractionView, MediaAnswer, OfferView, ParticipantView, TrunkView
from bridge.switchboard.wiring import SwitchboardPolicy

DATA = Path(__file__).parents[2] / "data" / "sdp"
ALL_SCOPES = frozenset({"interaction:read", "interaction:write", "routing:write", "telephony:video:use"})
SOUNDS = Sounds(
    ("waiting.wav", "music.wav"),
    "music.wav",
    {name: f"{name}.wav" for name in ("greeting", "place", "place-1", "place-2")},
)
INFO_TRUNK = TrunkId("keys by info")
PHONES = {INFO_TRUNK: PhonePreferences(info_dtmf=True)}
PHONE_OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 40000 RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
"""
NO_VIDEO = "m=video 0 RTP/AVP 96\n"
PHONE_VIDEO = "m=video 40002 RTP/AVP 97\na=rtpmap:97 VP8/90000\n"
READY = messages.WorkerReady(
    messages.Fingerprint("sha-256", ":".join(["AB"] * 32)),
    ("1 1 udp 2130706431 127.0.0.1 26000 typ host",),
    "test",
)


class WrittenPlane:
    """Answers every command as a worker would and keeps what stands declared."""

    def __init__(self) -> None:
        self.commands: list[messages.Command] = []
        self.legs: dict[LegId, messages.RtpLegSpec | messages.WebRtcLegSpec] = {}
        self.rooms: dict[str, messages.RoomSpec] = {}
        self.refuse: dict[type[messages.Command], BridgeError] = {}
        self.crash_on: type[messages.Command] | None = None  # the next of these meets a mistake of ours
        self.slow_on: type[messages.Command] | None = (
            None  # it does the next of these, and its answer never comes
        )
        self.answers = asyncio.Event()  # cleared: it does what it is asked, and says so later
        self.answers.set()
        self.first_port = 30_000

    async def request(self, command: messages.Command) -> messages.Reply:
        await asyncio.sleep(0)  # a worker's answer never comes at once
        reply = self._carry_out(command)
        await self.answers.wait()
        if self.slow_on is type(command):
            self.slow_on = None
            await asyncio.Event().wait()
        return reply

    def _carry_out(self, command: messages.Command) -> messages.Reply:
        self.commands.append(command)
        if self.crash_on is type(command):
            self.crash_on = None
            raise ZeroDivisionError
        error = self.refuse.get(type(command))
        if error is not None:
            raise error
        match command:
            case messages.DeclareRtpLeg():
                self.legs[command.leg.leg_id] = command.leg
                leg = command.leg
                port = self.first_port + 2 * list(self.legs).index(leg.leg_id)
                video_port = port + 500 if leg.video is not None or leg.video_port else None
                return messages.RtpLegDeclared(0, leg.leg_id, "127.0.0.1", port, video_port)
            case messages.DeclareWebRtcLeg():
                self.legs[command.leg.leg_id] = command.leg
                return messages.WebRtcLegDeclared(0, command.leg.leg_id)
            case messages.RemoveLeg():
                self.legs.pop(command.leg_id, None)
                return messages.LegRemoved(0, command.leg_id)
            case messages.DeclareRoom():
                self.rooms[command.room.room_id] = command.room
                return messages.RoomDeclared(0, command.room.room_id)
            case messages.RemoveRoom():
                self.rooms.pop(command.room_id, None)
                return messages.RoomRemoved(0, command.room_id)
            case messages.SendDigits():
                return messages.DigitsTaken(0, command.leg_id)

    def die(self, first_port: int) -> None:
        """Forgets everything; the next worker gives other ports."""
        self.legs.clear()
        self.rooms.clear()
        self.first_port = first_port


class WrittenDoors:
    """Both doors: what phones and desktops are told."""

    def __init__(self) -> None:
        self.ways_out: tuple[str, ...] = ("carrier",)
        self.dialed_by: list[str] = []
        self.said: list[Signal] = []
        self.hung_up: list[tuple[LegId, str]] = []
        self.pictures_wanted: list[LegId] = []
        self.pressed: list[tuple[LegId, str]] = []
        self.reoffers: list[tuple[LegId, str]] = []
        self.reoffer_outcomes: list[str | BridgeError] = []
        self.phones_answer = asyncio.Event()  # cleared: they think about every re-INVITE
        self.phones_answer.set()
        self.phone_was_asked = asyncio.Event()
        self.dialed: list[tuple[LegId, str]] = []
        self.dial_offers: list[str] = []
        self.dial_outcomes: list[str | BridgeError] = []
        self.ringing: dict[LegId, asyncio.Future[str]] = {}  # those without an outcome, for a test to decide
        self.answers_cancel = True
        self.events: list[tuple[DesktopEvent, Audience]] = []

    def signals(self, leg_id: LegId) -> tuple[Signal, ...]:
        return tuple(signal for signal in self.said if signal.leg_id == leg_id)

    async def hang_up(self, leg_id: LegId, reason: str) -> None:
        self.hung_up.append((leg_id, reason))
        if self.answers_cancel and leg_id in self.ringing and not self.ringing[leg_id].done():
            self.ringing[leg_id].set_exception(CallFailedError("canceled", 487))

    def routes(self, number: str) -> Sequence[Route]:
        target = number if number.startswith("sip:") else f"sip:{number}@trunk.example"
        return tuple(Route(TrunkId(trunk_id), target) for trunk_id in self.ways_out)

    def trunks(self) -> Sequence[TrunkView]:
        return (TrunkView(TrunkId("carrier"), "Carrier", "sip:trunk.example", "up", 2, 10, 0),)

    async def dial(self, leg_id: LegId, route: Route, offer: str) -> str:
        self.dialed.append((leg_id, route.target))
        self.dialed_by.append(route.trunk_id)
        self.dial_offers.append(offer)
        outcome = self.dial_outcomes.pop(0) if self.dial_outcomes else None
        if outcome is None:
            self.ringing[leg_id] = asyncio.get_running_loop().create_future()
            return await self.ringing[leg_id]
        if isinstance(outcome, BridgeError):
            raise outcome
        return outcome or ""

    def press(self, leg_id: LegId, keys: str) -> None:
        self.pressed.append((leg_id, keys))

    def ask_for_picture(self, leg_id: LegId) -> None:
        self.pictures_wanted.append(leg_id)

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        self.reoffers.append((leg_id, offer))
        self.phone_was_asked.set()
        await self.phones_answer.wait()
        outcome: str | BridgeError = PHONE_OFFER + (NO_VIDEO if "m=video" in offer else "")
        if self.reoffer_outcomes:
            outcome = self.reoffer_outcomes.pop(0)
        if isinstance(outcome, BridgeError):
            raise outcome
        return outcome

    def on_events(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> None:
        self.events += told

    def seen_by(self, principal: Principal) -> list[DesktopEvent]:
        identity = (principal.user_id, principal.connection_id, principal.scopes)
        return [event for event, audience in self.events if audience.includes(*identity)]


def who(name: str, connection: str = "", scopes: frozenset[str] = ALL_SCOPES) -> Principal:
    return Principal(UserId(name), name.title(), scopes, connection or f"con_{name}")


ALICE, BOB, EVE = who("alice"), who("bob"), who("eve")


class Theatre:
    """The parts, and the steps most stories begin with."""

    def __init__(
        self, switchboard: Switchboard, plane: WrittenPlane, clock: ManualClock, journal: Journal
    ) -> None:
        self.board = switchboard
        self.plane = plane
        self.journal = journal
        self.doors = WrittenDoors()
        self.clock = clock
        switchboard.attach(self.doors, self.doors)

    async def call(self, name: str = "leg_phone", offer: str = PHONE_OFFER) -> str:
        answer = await self.board.arrive(ArrivingCall(LegId(name), "+4930123", "sip:desk", offer))
        await self.board.settled()
        return answer

    def offer_to(self, principal: Principal) -> OfferView:
        offers = [event.offer for event in self.doors.seen_by(principal) if isinstance(event, OfferMade)]
        return offers[-1]

    async def accept(self, principal: Principal) -> InteractionView:
        return await self.board.offers.accept(principal, self.offer_to(principal).offer_id)

    async def join(self, principal: Principal, id_: InteractionId, sdp: str | None = None) -> MediaAnswer:
        """Offers media and lets it connect."""
        answer = await self.board.media.offer(principal, id_, sdp or browser_offer(principal.user_id))
        self.board.plane_event(messages.LegConnected(answer.leg_id))
        await self.board.settled()
        return answer

    async def answered_call(self, offer: str = PHONE_OFFER) -> InteractionId:
        """The customer and Alice in session."""
        await self.board.users.set_presence(ALICE, "ready", "agent")
        await self.call(offer=offer)
        interaction = await self.accept(ALICE)
        await self.join(ALICE, interaction.interaction_id)
        return interaction.interaction_id

    async def conference(self, offer: str = PHONE_OFFER) -> InteractionId:
        """The customer, Alice and Eve in session, and every offer of the bridge answered."""
        id_ = await self.answered_call(offer)
        await self.board.users.set_presence(EVE, "ready", "sme")
        await self.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        await self.accept(EVE)
        await self.join(EVE, id_)
        await self.answer_offers(ALICE)
        await self.answer_offers(EVE)
        return id_

    async def answer_offers(self, principal: Principal, name: str = "") -> None:
        """`name` makes the certificate, as in `browser_offer`."""
        answered = ""
        while offered := [e for e in self.doors.seen_by(principal) if isinstance(e, MediaOffered)]:
            if offered[-1].sdp == answered:
                return
            answered = offered[-1].sdp
            answer = browser_answer(answered, name or principal.user_id)
            await self.board.media.answer(principal, offered[-1].leg_id, answer)
            await self.board.settled()

    async def view(self, id_: InteractionId) -> InteractionView:
        return await self.board.interactions.get(who("auditor", scopes=ALL_SCOPES | {"interaction:all"}), id_)

    async def participant(self, id_: InteractionId, role: str) -> ParticipantView:
        view = await self.view(id_)
        return [p for p in view.participants if p.role == role][-1]

    def hears(self, id_: InteractionId) -> dict[ParticipantId, set[ParticipantId]]:
        """The declared matrix of the only room."""
        (room,) = self.plane.rooms.values()
        return {row.listener: set(row.talkers) for row in room.hears}

    def browser_leg(self, leg_id: LegId) -> messages.WebRtcLegSpec:
        spec = self.plane.legs[leg_id]
        assert isinstance(spec, messages.WebRtcLegSpec)
        return spec

    def phone_leg(self, name: str = "leg_phone") -> messages.RtpLegSpec:
        spec = self.plane.legs[LegId(name)]
        assert isinstance(spec, messages.RtpLegSpec)
        return spec

    async def pass_time(self, seconds: float) -> None:
        """Moves time on in small steps, meeting each deadline."""
        until = self.clock.now() + seconds
        while (at := self.board.timer()) is not None and at <= until:
            self.clock.advance(max(0.0, at - self.clock.now()))
            self.board.handle_timer(self.clock.now())
            await self.board.settled()
        self.clock.advance(until - self.clock.now())


@dataclass(frozen=True)
class Life:
    """Which of a switchboard's lives is played: on which journal, when, and whose legs their door still has."""

    url: str = "sqlite+aiosqlite://"
    boot_id: str = "boot_test"
    begins_at: float = 1000.0
    returning: frozenset[LegId] = frozenset()


@asynccontextmanager
async def theatre(
    policy: DeskPolicy | None = None,
    answer_s: float = 10.0,
    life: Life | None = None,
    sidebar: Sidebar | None = None,
) -> AsyncIterator[Theatre]:
    """A running switchboard on a journal in memory, if `life` says no other; the plane is ready."""
    life = life or Life()
    numbers = itertools.count(round(life.begins_at) - 999)

    def token_hex(size: int) -> str:
        return f"{next(numbers):0{2 * size}x}"[-2 * size :]

    clock, plane = ManualClock(life.begins_at, 1_700_000_000.0 + life.begins_at), WrittenPlane()
    journal = Journal(life.url, clock, life.boot_id)
    await journal.open()
    desk = Desk(policy or DeskPolicy(), IdSource(token_hex))
    board = Switchboard(
        desk,
        journal,
        plane,
        clock,
        token_hex,
        SwitchboardPolicy(PHONES, sounds=SOUNDS, answer_s=answer_s, sidebar=sidebar or Sidebar()),
    )
    stage = Theatre(board, plane, clock, journal)
    await board.restore()
    await board.restart(life.returning)
    board.plane_event(READY)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(board.run())
        await asyncio.sleep(0)
        try:
            yield stage
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await journal.aclose()


async def until(holds: Callable[[], object]) -> None:
    """Lets the others go on, turn by turn, up to the first moment at which this holds."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("that moment did not come")


def fingerprint_of(name: str) -> str:
    return ":".join(f"{byte:02X}" for byte in (name.encode() * 32)[:32])


def browser_offer(name: str, template: str = "chromium_camera_offer.sdp") -> str:
    """A browser's first offer with a certificate and ICE credentials of its own."""
    return _personal((DATA / template).read_text(), name)


def browser_answer(offer: str, name: str) -> str:
    """What a browser that agrees to everything answers to an offer of the bridge."""
    mirrored = {"a=sendonly": "a=recvonly", "a=recvonly": "a=sendonly", "a=setup:actpass": "a=setup:active"}
    dropped = ("a=ssrc", "a=candidate", "a=ice-lite", "a=end-of-candidates", "a=msid:")
    lines = [line for line in offer.splitlines() if not line.startswith(dropped)]
    return _personal("\r\n".join(mirrored.get(line, line) for line in lines) + "\r\n", name)


def _personal(text: str, name: str) -> str:
    replaced = []
    for line in text.splitlines():
        if line.startswith("a=ice-ufrag:"):
            line = f"a=ice-ufrag:{name}x"
        elif line.startswith("a=ice-pwd:"):
            line = f"a=ice-pwd:{(name * 24)[:24]}"
        elif line.startswith("a=fingerprint:"):
            line = f"a=fingerprint:sha-256 {fingerprint_of(name)}"
        replaced.append(line)
    return "\r\n".join(replaced) + "\r\n"
