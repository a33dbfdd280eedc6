"""A user who can be offered work: agent or subject-matter expert, and whether to ring."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from bridge.desk.centre.role import ParticipantRole
from bridge.errors import NotAllowedError
from bridge.ids import UserId


class Presence(StrEnum):
    OFFLINE = "offline"
    AWAY = "away"
    READY = "ready"
    NOT_RESPONDING = "not-responding"


class PresenceTrigger(StrEnum):
    GO_READY = "go ready"
    GO_AWAY = "go away"
    GO_OFFLINE = "go offline"
    MISS = "miss"  # let an offer or a connection time out
    LOSE = "lose"  # no desktop for longer than the grace period


_S = Presence
_T = PresenceTrigger

TRANSITIONS: dict[tuple[Presence, PresenceTrigger], Presence] = {
    **{(presence, _T.GO_READY): _S.READY for presence in Presence},
    **{(presence, _T.GO_AWAY): _S.AWAY for presence in Presence},
    **{(presence, _T.GO_OFFLINE): _S.OFFLINE for presence in Presence},
    **{(presence, _T.LOSE): _S.OFFLINE for presence in Presence},
    # Only who was ready can miss; who went away or offline meanwhile keeps what they chose.
    (_S.READY, _T.MISS): _S.NOT_RESPONDING,
}


class Proof(msgspec.Struct, frozen=True, gc=False):
    """A desktop showed that it works: microphone and media path, and the camera if there is one."""

    expires_at: float
    camera: bool


class Expert(msgspec.Struct, frozen=True, gc=False):
    """`idle_since` orders the longest-idle routing; `lost_at` is set while no desktop is connected.

    `missed` counts the offers let ring out since the last answer, `handled` the interactions taken part in.
    `proved` is the last word on the desktop's readiness; how long it holds is the state's to know. `served_until`
    is when this one was last ready in a role and then no longer.
    """

    user_id: UserId
    name: str
    role: ParticipantRole
    since: float
    idle_since: float
    presence: Presence = Presence.OFFLINE
    lost_at: float | None = None
    missed: int = 0
    handled: int = 0
    proved: bool = False
    fault: str = ""
    served_until: Mapping[ParticipantRole, float] = {}

    @property
    def takes_offers(self) -> bool:
        return self.presence is Presence.READY and self.lost_at is None

    def next_presence(self, trigger: PresenceTrigger) -> Presence:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.presence, trigger]
        except KeyError:
            raise NotAllowedError(f"user {self.user_id} cannot {trigger}: is {self.presence}") from None
