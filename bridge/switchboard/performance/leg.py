"""What the switchboard knows of one leg: whose it is, its session of offer and answer, what was declared."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from bridge.ids import InteractionId, LegId, ParticipantId, RoomId, TrackId, TrunkId, UserId
from bridge.negotiation import BrowserSession, PhoneSession
from bridge.switchboard.performance.keypress import Keypresses
from bridge.switchboard.performance.sound import LegSounds

if TYPE_CHECKING:
    from bridge.plane.messages import RtpLegSpec, WebRtcLegSpec


class Place(msgspec.Struct, frozen=True, gc=False):
    """Whose leg it is, and where."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    room_id: RoomId


class PhoneLeg:
    """A SIP leg. `lock` keeps its declarations in turn.

    `committed` is False until its interaction is opened; states of it before version `since` know nothing of a
    leg that took the place of another, which knows it as its `heir` as long as that is not decided. `closing`
    is True once the call is over: the phone hung up or was told to, and no BYE is owed any more. `restored` is
    True from a restart until the phone has agreed to go on. `ringing` is the session as it was when our INVITE
    left, until the call is answered: every phone that rings answers the same offer; `rang` once one has said that
    it does. `shown` is the one video
    the phone is sent, `paths` says how each is made, and why. `moved` is True while the phone does not know the
    port of the leg, `stale` when it is to be told once more what it knows; `refuses_hold` once it refused to be
    held, as long as that is wanted; `refusals` counts what it refused in a row.
    """

    __slots__ = (
        "asked",
        "closing",
        "committed",
        "connected",
        "declared",
        "heir",
        "interaction_id",
        "key_frames_wanted",
        "keys",
        "leg_id",
        "local",
        "lock",
        "moved",
        "participant_id",
        "paths",
        "rang",
        "refusals",
        "refuses_hold",
        "restored",
        "ringing",
        "room_id",
        "session",
        "shown",
        "since",
        "sounds",
        "stale",
        "trunk_id",
    )

    def __init__(self, leg_id: LegId, place: Place, session: PhoneSession, trunk_id: TrunkId) -> None:
        self.leg_id = leg_id
        self.interaction_id = place.interaction_id
        self.participant_id = place.participant_id
        self.room_id = place.room_id
        self.session = session
        self.trunk_id = trunk_id
        self.sounds = LegSounds(leg_id)
        self.declared: RtpLegSpec | None = None
        self.asked = False  # the media plane was asked for it, and may have it
        self.local: tuple[str, int] | None = None
        self.shown: TrackId | None = None
        self.paths: dict[TrackId, tuple[str, str]] = {}
        self.restored = False
        self.moved = False
        self.stale = False
        self.refuses_hold = False
        self.keys = Keypresses()
        self.key_frames_wanted = 0  # by the phone, with SIP INFO
        self.refusals = 0
        self.ringing: PhoneSession | None = None
        self.rang = False
        self.connected = False
        self.heir: PhoneLeg | None = None
        self.committed = False
        self.since = 0
        self.closing = False
        self.lock = asyncio.Lock()


class BrowserLeg:
    """A WebRTC leg and the connection it speaks over. `lock` keeps its offers and answers in turn.

    `committed` is False until the desk knows the leg, `closing` is True once it is over. `sources` are the
    videos this browser is to receive, and who shows them; `paths` says how each is made, and why. A companion
    is a customer's second leg, beside the phone: video only.
    """

    __slots__ = (
        "asked",
        "closing",
        "committed",
        "connected",
        "connection_id",
        "declared",
        "interaction_id",
        "is_companion",
        "leg_id",
        "lock",
        "offered_at",
        "participant_id",
        "paths",
        "room_id",
        "session",
        "sounds",
        "sources",
        "takes_video",
        "user_id",
    )

    def __init__(
        self, leg_id: LegId, place: Place, user_id: UserId, connection_id: str, session: BrowserSession
    ) -> None:
        self.leg_id = leg_id
        self.interaction_id = place.interaction_id
        self.participant_id = place.participant_id
        self.room_id = place.room_id
        self.user_id = user_id
        self.connection_id = connection_id
        self.session = session
        self.sounds = LegSounds(leg_id)
        self.takes_video = True
        self.is_companion = False
        self.paths: dict[TrackId, tuple[str, str]] = {}
        self.sources: dict[TrackId, ParticipantId] = {}
        self.declared: WebRtcLegSpec | None = None
        self.asked = False  # the media plane was asked for it, and may have it
        self.connected = False
        self.committed = False
        self.closing = False
        self.offered_at: float | None = None
        self.lock = asyncio.Lock()


Leg = PhoneLeg | BrowserLeg


class Legs:
    """All legs by id, and by interaction in the order they came."""

    __slots__ = ("_browsers", "_by_id", "_by_interaction")

    def __init__(self) -> None:
        self._by_id: dict[LegId, Leg] = {}
        self._browsers: dict[LegId, BrowserLeg] = {}
        self._by_interaction: dict[InteractionId, dict[LegId, Leg]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Leg]:
        return iter(tuple(self._by_id.values()))

    def add(self, leg: Leg) -> None:
        self._by_id[leg.leg_id] = leg
        if isinstance(leg, BrowserLeg):
            self._browsers[leg.leg_id] = leg
        self._by_interaction.setdefault(leg.interaction_id, {})[leg.leg_id] = leg

    def remove(self, leg: Leg) -> None:
        """Twice is fine."""
        self._by_id.pop(leg.leg_id, None)
        self._browsers.pop(leg.leg_id, None)
        siblings = self._by_interaction.get(leg.interaction_id, {})
        siblings.pop(leg.leg_id, None)
        if not siblings:
            self._by_interaction.pop(leg.interaction_id, None)

    def get(self, leg_id: LegId) -> Leg | None:
        return self._by_id.get(leg_id)

    def browsers(self) -> tuple[BrowserLeg, ...]:
        """Asked at each step of the desk: a thousand callers who wait are not in the way."""
        return tuple(self._browsers.values())

    def of(self, interaction_id: InteractionId) -> tuple[Leg, ...]:
        return tuple(self._by_interaction.get(interaction_id, {}).values())

    def browser_of(self, participant_id: ParticipantId, interaction_id: InteractionId) -> BrowserLeg | None:
        """The living browser leg of a participant; there is at most one."""
        for leg in self.of(interaction_id):
            if isinstance(leg, BrowserLeg) and leg.participant_id == participant_id and not leg.closing:
                return leg
        return None
