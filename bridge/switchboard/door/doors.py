"""The doors: what each asks of the switchboard, and what the switchboard asks of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from bridge.desk.events import DeskEvent
from bridge.ids import NO_TRUNK, InteractionId, LegId, LinkId, ParticipantId, TrunkId, UserId
from bridge.journal.schema import Write
from bridge.plane import messages
from bridge.switchboard.door.principal import allows
from bridge.switchboard.view.event import DesktopEvent
from bridge.switchboard.view.view import TrunkView


def _always() -> bool:
    return True


def _nothing(_answer: str) -> Sequence[Write]:
    return ()


class ArrivingCall(msgspec.Struct, frozen=True):
    """An INVITE outside a dialog. `offer` is "" when it carried no SDP; the SIP door chose `leg_id`.

    `claims_video`: the phone says of itself that it does video, whatever is left of that in the offer.
    `beside` is asked, where the call has a commit before its answer, what the door wants in there for the answer with
    this SDP; where nobody asks, the door sees to it by itself. `waits` is whether the caller has not given up so far.
    """

    leg_id: LegId
    caller: str
    called: str
    offer: str
    headers: tuple[tuple[str, str], ...] = ()
    trunk_id: TrunkId = NO_TRUNK
    ways: tuple[tuple[str, str], ...] = ()  # interaction data: by which ways the call came
    replaces: LegId | None = None  # the leg whose place it takes: the call of the same participant
    early_only: bool = False  # it does so only while that rings: whoever has answered keeps the call
    claims_video: bool = False
    beside: Callable[[str], Sequence[Write]] = _nothing
    waits: Callable[[], bool] = _always


@dataclass(frozen=True)
class Route:
    """One way to a number: the SIP URI to dial, and the trunk it goes by ("" for none)."""

    trunk_id: TrunkId
    target: str


@dataclass(frozen=True)
class Signal:
    """One message on the wire of a leg's call. `at` is monotonic, `text` masked: no keys, digits, credentials."""

    at: float
    leg_id: LegId
    received: bool
    transport: str
    remote: str
    summary: str
    text: str


class Corridor(Protocol):
    """What the SIP door calls. The switchboard implements it."""

    async def arrive(self, call: ArrivingCall) -> str:
        """Takes the call and returns the SDP answer for the 200.

        With `offer` "" (INVITE without SDP) it returns our offer; the answer in the ACK goes to `late_answer`.
        Raises NegotiationError (488), CapacityError (503 + Retry-After), ForbiddenError (603),
        ConflictError (486). After a raise the switchboard knows nothing of the leg any more.
        """
        ...

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        """Re-INVITE by the phone; returns the answer. NegotiationError (488) leaves the call as it was,
        GlareError (491) too. With `offer` "" it returns our offer, as `arrive` does."""
        ...

    def answer_lost(self, leg_id: LegId, offer: str) -> None:
        """What `reoffer` answered did not reach the phone, which took `offer` back or was refused meanwhile."""
        ...

    async def progressed(self, leg_id: LegId, status: int, answer: str) -> None:
        """A call of ours rings (180, 181, 183): `answer` is the SDP of what can be heard already, or "".

        NegotiationError for sound nobody can use; the call goes on ringing."""
        ...

    async def late_answer(self, leg_id: LegId, answer: str) -> None:
        """The ACK's SDP when the INVITE carried none, "" if it is not there. NegotiationError: hang up, nothing in
        common and nothing agreed before; otherwise that stands, and is offered again."""
        ...

    def refresh(self, leg_id: LegId) -> None:
        """The call ends if it is not offered anew: a re-INVITE with what is agreed is due (RFC 4028)."""
        ...

    def pressed(self, leg_id: LegId, digit: str, duration_ms: int) -> None:
        """A key by SIP INFO; if it came by RTP as well, it is one."""
        ...

    def picture_wanted(self, leg_id: LegId) -> None:
        """The phone asks by SIP INFO for a key frame of what it is shown."""
        ...

    async def refer(self, leg_id: LegId, target: str, referrer: "Referrer") -> int:
        """The phone sends the others to `target`, a number or SIP URI; `referrer` is told once that is tried.

        Returns the SIP status of the call that was made for it, 200 for answered. ForbiddenError (603) for who
        may not, as customers.
        """
        ...

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        """BYE, CANCEL or a dead dialog. Twice is fine, and so is an unknown leg."""
        ...

    def expects(self, leg_id: LegId) -> bool:
        """Whether the call of a leg from before a restart is to go on; otherwise the door ends it."""
        ...


class Referrer(Protocol):
    """A phone's wish to send the others elsewhere, while that is tried."""

    def dials(self, leg_id: LegId) -> None:
        """This leg will be dialed for it."""
        ...

    def accepted(self) -> None:
        """It is tried, whatever happens now."""
        ...


class LegKeeper(Protocol):
    """Where a door keeps what it must know of a leg after a restart: bytes of its own making."""

    async def keep(self, leg_id: LegId, body: bytes) -> None:
        """Returns when it is on disk, in the place of what was kept before."""
        ...

    def keeping(self, leg_id: LegId, body: bytes) -> Sequence[Write]:
        """What keeps it, for a commit that somebody waits for."""
        ...

    def begin_keep(self, leg_id: LegId, body: bytes) -> None:
        """The same without waiting; what is kept later is on disk later."""
        ...

    def keep_along(self, leg_id: LegId, body: bytes) -> None:
        """The same, where a moment does not matter."""
        ...

    def forget(self, leg_id: LegId) -> None:
        """Twice is fine, and a moment later too."""
        ...


class PhoneDoor(Protocol):
    """What the switchboard calls at the SIP door."""

    def signals(self, leg_id: LegId) -> Sequence[Signal]:
        """What was said on the wire in this leg's call; nothing if it is unknown or long ago."""
        ...

    async def hang_up(self, leg_id: LegId, reason: str) -> None:
        """Sends BYE (or CANCEL, or a final refusal). An unknown leg is fine."""
        ...

    def routes(self, number: str) -> Sequence[Route]:
        """The ways to a number or a SIP URI, the best first; none if there is no way out."""
        ...

    def trunks(self) -> Sequence[TrunkView]:
        """All of them as they are now."""
        ...

    async def dial(self, leg_id: LegId, route: Route, offer: str) -> str:
        """Outbound INVITE; returns the SDP answer, "" if what `progressed` told last is it already.

        Raises CallFailedError with the status."""
        ...

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        """Re-INVITE by us; returns the answer."""
        ...

    def press(self, leg_id: LegId, keys: str) -> None:
        """Keys for the phone by SIP INFO. Raises NotFoundError, NotAllowedError and CapacityError."""
        ...

    def ask_for_picture(self, leg_id: LegId) -> None:
        """SIP INFO that asks the phone's camera for a key frame. An unknown leg is fine."""
        ...


class Audience(msgspec.Struct, frozen=True, gc=False):
    """Who may see an event: any connection of `users`, one of `connections`, any holder of `scope`."""

    users: frozenset[UserId] = frozenset()
    connections: frozenset[str] = frozenset()
    scope: str = ""

    def includes(self, user_id: UserId, connection_id: str, scopes: frozenset[str]) -> bool:
        return (
            user_id in self.users
            or connection_id in self.connections
            or (self.scope != "" and allows(scopes, self.scope))
        )


@dataclass(frozen=True)
class SignedLink:
    """`url` carries `token` behind its #, so that no server and no scanner that opens links sees it."""

    url: str
    token: str


class CompanionDoor(Protocol):
    """Signs companion links for whoever sends them to a customer."""

    def sign_link(
        self, link_id: LinkId, interaction_id: InteractionId, participant_id: ParticipantId, expires_at: float
    ) -> SignedLink:
        """`expires_at` is wall time."""
        ...


class DesktopDoor(Protocol):
    """What the switchboard calls at the web door. Never blocks and never raises.

    What is told together, as the events of one step, mostly has one audience: the same object.
    """

    def on_events(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> None: ...


class Outbox(Protocol):
    """What must reach others even if the process dies now: webhooks."""

    def writes(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> Sequence[Write]:
        """The rows that go into the commit of the step these events tell of. Never blocks."""
        ...

    def writes_aside(self, event: DesktopEvent, audience: Audience) -> Sequence[Write]:
        """The rows of an event that belongs to no step, for a commit of their own. Never blocks."""
        ...


class NoticeOutbox(Protocol):
    """What people outside must be written, even if the process dies now."""

    def writes(self, happened: Sequence[DeskEvent]) -> Sequence[Write]:
        """The rows that go into the commit of the step in which this happened. Never blocks."""
        ...


class Plane(Protocol):
    """The media plane's door (bridge/plane/host.py)."""

    async def request(self, command: messages.Command) -> messages.Reply:
        """Carries out `command` (its request id is the plane's to choose) and returns the answering event.

        Raises the error a refusal names, or PlaneLostError.
        """
        ...


@dataclass(frozen=True)
class Sounds:
    """Paths of the WAV files, resolved by the composition root.

    `waiting` is played in turn and for ever to a caller in the waiting list, `hold` to a held participant;
    `prompts` are those a desktop may ask for by name.
    """

    waiting: tuple[str, ...] = ()
    hold: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
