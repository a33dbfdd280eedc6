"""Who hears and who sees whom, from the desk's states alone."""

from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.plane.messages import Hearing

_SOUNDING = (ParticipantState.IN_SESSION, ParticipantState.ALERTING)


def hearings(interaction: Interaction) -> tuple[Hearing, ...]:
    """One row for each participant in the session: all others in it whom `may_hear` lets through.

    Held participants are not in the session: a customer whom a consultation put on hold hears music only. Rows
    are of participants, not of legs, so two legs of one participant never hear each other.
    """
    present = tuple(p for p in interaction.participants if p.state is ParticipantState.IN_SESSION)
    # Whoever is being called is heard ringing, and hears nobody; others who are alerting have no leg.
    sounding = tuple(p for p in interaction.participants if p.state in _SOUNDING)
    return tuple(
        Hearing(
            listener.participant_id,
            tuple(talker.participant_id for talker in sounding if may_hear(listener, talker)),
        )
        for listener in present
    )


def may_hear(listener: Participant, talker: Participant) -> bool:
    """Of two in the session. A supervisor hears all, and is heard by nobody or by the coached one only."""
    if listener.participant_id == talker.participant_id or talker.muted:
        return False
    return talker.supervision is None or talker.supervision.is_heard_by(listener.participant_id)


def may_see(viewer: Participant, shown: Participant) -> bool:
    """Held participants neither see nor are seen; a supervisor is seen by the coached one only."""
    in_session = ParticipantState.IN_SESSION
    if viewer.state is not in_session or shown.state is not in_session:
        return False
    return shown.supervision is None or shown.supervision.is_seen_by(viewer.participant_id)
