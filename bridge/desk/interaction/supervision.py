"""Supervisors: they hear a conversation, and are heard by nobody or by one of ours, never by the customer."""

from enum import StrEnum

import msgspec

from bridge.ids import ParticipantId


class SupervisionMode(StrEnum):
    MONITOR = "monitor"  # heard and seen by nobody
    WHISPER = "whisper"  # heard by the coached one only
    COACH = "coach"  # heard and seen by the coached one only


class Supervision(msgspec.Struct, frozen=True, gc=False):
    """`coached_id` is who hears a whisper; if that one leaves, nobody does."""

    mode: SupervisionMode
    coached_id: ParticipantId | None = None

    def is_heard_by(self, participant_id: ParticipantId) -> bool:
        return self.mode is not SupervisionMode.MONITOR and self.coached_id == participant_id

    def is_seen_by(self, participant_id: ParticipantId) -> bool:
        return self.mode is SupervisionMode.COACH and self.coached_id == participant_id
