"""Views of the desk's values: monotonic instants become wall time, nothing inner shows."""

from dataclasses import fields

from bridge.clock import Clock
from bridge.desk.events import DeskEvent
from bridge.desk.expert import Expert
from bridge.desk.interaction import Interaction, InteractionState
from bridge.desk.participant import Participant
from bridge.journal.record import JournalEntry
from bridge.switchboard.view import InteractionView, ParticipantView, TimelineView, UserView

# Said by the entry itself, or monotonic instants that mean nothing outside.
_LEFT_OUT = frozenset({"at", "interaction_id", "expires_at", "connect_by"})


class Portraits:
    """Makes views. `clock` translates between the two kinds of time."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wall(self, at: float) -> float:
        """The wall time of a monotonic instant, by today's setting of the wall clock."""
        return round(self._clock.wall() - self._clock.now() + at, 3)

    def participant(self, participant: Participant) -> ParticipantView:
        return ParticipantView(
            participant_id=participant.participant_id,
            role=participant.role,
            type=participant.type,
            state=participant.state,
            user_id=participant.user_id,
            name=participant.name,
            address=participant.address,
            muted=participant.muted,
            held_by_remote=participant.held_by_remote,
            leg_ids=participant.leg_ids,
            joined_at=self.wall(participant.joined_at),
            disconnect_reason=participant.disconnect_reason,
            disconnected_by=participant.disconnected_by,
            sends_video=participant.sends_video,
        )

    def interaction(self, interaction: Interaction) -> InteractionView:
        waits = interaction.state is InteractionState.WAITING
        ended_at = interaction.ended_at
        return InteractionView(
            interaction_id=interaction.interaction_id,
            state=interaction.state,
            caller=interaction.caller,
            called=interaction.called,
            attributes=interaction.attributes,
            participants=tuple(self.participant(p) for p in interaction.participants),
            escalation_in_progress=interaction.escalation_in_progress,
            created_at=self.wall(interaction.created_at),
            waiting_since=self.wall(interaction.created_at) if waits else None,
            ended_at=None if ended_at is None else self.wall(ended_at),
            end_reason=interaction.end_reason,
            ended_by=interaction.ended_by,
            version=interaction.version,
        )

    def user(self, expert: Expert, *, busy: bool) -> UserView:
        return UserView(
            user_id=expert.user_id,
            name=expert.name,
            role=expert.role,
            presence=expert.presence,
            busy=busy,
            since=self.wall(expert.since),
        )

    def timeline(self, entry: JournalEntry) -> TimelineView:
        return TimelineView(entry.number, entry.wall, change_name(entry.event), _facts(entry.event))


def change_name(event: DeskEvent) -> str:
    """ParticipantMoved -> participant_moved."""
    name = type(event).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _facts(event: DeskEvent) -> dict[str, str]:
    pairs = ((field.name, getattr(event, field.name)) for field in fields(event))
    return {name: _text(value) for name, value in pairs if name not in _LEFT_OUT and value is not None}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}={text}" for name, text in value.items())
    return str(value)
