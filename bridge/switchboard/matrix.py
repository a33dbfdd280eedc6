"""Who hears and who sees whom, from the desk's states alone."""

from bridge.desk.interaction import Interaction
from bridge.desk.participant import Participant, ParticipantState
from bridge.plane.messages import Hearing


def hearings(interaction: Interaction) -> tuple[Hearing, ...]:
    """One row for each participant in the session: all others in it who are not muted."""
    present = tuple(p for p in interaction.participants if p.state is ParticipantState.IN_SESSION)
    return tuple(
        Hearing(
            listener.participant_id,
            tuple(
                talker.participant_id
                for talker in present
                if talker.participant_id != listener.participant_id and not talker.muted
            ),
        )
        for listener in present
    )


def may_see(viewer: Participant, shown: Participant) -> bool:
    """Held participants neither see nor are seen."""
    in_session = ParticipantState.IN_SESSION
    return viewer.state is in_session and shown.state is in_session
