"""What the switchboard knows of one leg: whose it is, its session of offer and answer, what was declared."""

import asyncio
from collections.abc import Iterator

from bridge.ids import InteractionId, LegId, ParticipantId, RoomId, UserId
from bridge.negotiation import BrowserSession, PhoneSession
from bridge.plane.messages import RtpLegSpec, WebRtcLegSpec
from bridge.switchboard.sound import LegSounds


class PhoneLeg:
    """A SIP leg. `committed` is False until its interaction is on disk."""

    __slots__ = (
        "committed",
        "connected",
        "declared",
        "gone",
        "interaction_id",
        "leg_id",
        "local",
        "participant_id",
        "room_id",
        "session",
        "sounds",
    )

    def __init__(
        self,
        leg_id: LegId,
        interaction_id: InteractionId,
        participant_id: ParticipantId,
        room_id: RoomId,
        session: PhoneSession,
    ) -> None:
        self.leg_id = leg_id
        self.interaction_id = interaction_id
        self.participant_id = participant_id
        self.room_id = room_id
        self.session = session
        self.sounds = LegSounds(leg_id)
        self.declared: RtpLegSpec | None = None
        self.local: tuple[str, int] | None = None
        self.connected = False
        self.committed = False
        self.gone = False  # the phone hung up, or was told to: no BYE is owed any more


class BrowserLeg:
    """A WebRTC leg and the connection it speaks over. `lock` keeps its offers and answers in turn.

    `negotiating` is True while a description of the browser is being answered: the bridge's own offers
    wait, so that the answer leaves first.
    """

    __slots__ = (
        "connected",
        "connection_id",
        "declared",
        "interaction_id",
        "leg_id",
        "lock",
        "negotiating",
        "offered_at",
        "participant_id",
        "room_id",
        "session",
        "sounds",
        "sources",
        "user_id",
    )

    def __init__(
        self,
        leg_id: LegId,
        interaction_id: InteractionId,
        participant_id: ParticipantId,
        room_id: RoomId,
        user_id: UserId,
        connection_id: str,
        session: BrowserSession,
    ) -> None:
        self.leg_id = leg_id
        self.interaction_id = interaction_id
        self.participant_id = participant_id
        self.room_id = room_id
        self.user_id = user_id
        self.connection_id = connection_id
        self.session = session
        self.sounds = LegSounds(leg_id)
        self.sources: frozenset[str] = frozenset()
        self.declared: WebRtcLegSpec | None = None
        self.connected = False
        self.negotiating = False
        self.offered_at: float | None = None
        self.lock = asyncio.Lock()


Leg = PhoneLeg | BrowserLeg


class Legs:
    """All legs by id, and by interaction in the order they came."""

    __slots__ = ("_by_id", "_by_interaction")

    def __init__(self) -> None:
        self._by_id: dict[LegId, Leg] = {}
        self._by_interaction: dict[InteractionId, dict[LegId, Leg]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Leg]:
        return iter(tuple(self._by_id.values()))

    def add(self, leg: Leg) -> None:
        self._by_id[leg.leg_id] = leg
        self._by_interaction.setdefault(leg.interaction_id, {})[leg.leg_id] = leg

    def remove(self, leg: Leg) -> None:
        """Twice is fine."""
        self._by_id.pop(leg.leg_id, None)
        siblings = self._by_interaction.get(leg.interaction_id, {})
        siblings.pop(leg.leg_id, None)
        if not siblings:
            self._by_interaction.pop(leg.interaction_id, None)

    def get(self, leg_id: LegId) -> Leg | None:
        return self._by_id.get(leg_id)

    def of(self, interaction_id: InteractionId) -> tuple[Leg, ...]:
        return tuple(self._by_interaction.get(interaction_id, {}).values())

    def browser_of(self, participant_id: ParticipantId, interaction_id: InteractionId) -> BrowserLeg | None:
        """The browser leg of a participant; there is at most one."""
        for leg in self.of(interaction_id):
            if isinstance(leg, BrowserLeg) and leg.participant_id == participant_id:
                return leg
        return None
