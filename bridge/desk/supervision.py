"""Supervisors: they hear a conversation, and are heard by nobody or by one of ours, never by the customer."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.ids import ParticipantId


class SupervisionMode(StrEnum):
    MONITOR = "monitor"  # heard and seen by nobody
    WHISPER = "whisper"  # heard by the coached one only
    COACH = "coach"  # heard and seen by the coached one only


@dataclass(frozen=True)
class Supervision:
    """`coached_id` is who hears a whisper; if that one leaves, nobody does."""

    mode: SupervisionMode
    coached_id: ParticipantId | None = None

    def is_heard_by(self, participant_id: ParticipantId) -> bool:
        return self.mode is not SupervisionMode.MONITOR and self.coached_id == participant_id

    def is_seen_by(self, participant_id: ParticipantId) -> bool:
        return self.mode is SupervisionMode.COACH and self.coached_id == participant_id
