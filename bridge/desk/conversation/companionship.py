"""Steps of companion links: made, used up by pressing join, bound to that browser, expired."""

from dataclasses import dataclass

from bridge.desk import commands, events
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.companion import Companion, LinkState, LinkTrigger
from bridge.desk.interaction.participant import Participant
from bridge.desk.step import Step
from bridge.errors import ConflictError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LinkId, ParticipantId

UNUSED = "nobody pressed join in time"
NEWER = "a newer link was used"


@dataclass(frozen=True)
class _Note:
    """What an event of a link says beside its state."""

    by: str = SYSTEM
    reason: str = ""
    binding: str = ""


def create_link(step: Step, command: commands.CreateCompanionLink) -> None:
    """An open link that was not used dies by this one; a browser that is bound stays until this one is used."""
    id_, participant_id = command.interaction_id, command.participant_id
    participant = _customer(step, id_, participant_id)
    for link in participant.companions:
        if link.state is LinkState.OPEN:
            _move(step, id_, participant_id, link, LinkTrigger.REPLACE, _Note(command.by))
    step.record(
        events.CompanionLinkCreated(
            step.now, id_, participant_id, command.link_id, command.expires_at, command.by
        )
    )


def join_companion(step: Step, command: commands.JoinCompanion) -> None:
    """Uses the link up. The browser that did so may say it again, also after the link's time: it reloads."""
    id_, participant_id = command.interaction_id, command.participant_id
    participant = _customer(step, id_, participant_id)
    link = find_link(participant, command.link_id)
    if link.state is LinkState.BOUND:
        if link.binding != command.binding:
            raise ConflictError("this link was used in another browser: ask for a new one")
        return
    if link.state is LinkState.OPEN and link.expires_at <= step.now:
        raise NotAllowedError("this link has expired: ask for a new one")
    link.next_state(LinkTrigger.JOIN)
    for other in participant.companions:
        if other.state is LinkState.BOUND:
            _move(step, id_, participant_id, other, LinkTrigger.REPLACE, _Note(reason=NEWER))
    _move(step, id_, participant_id, link, LinkTrigger.JOIN, _Note(binding=command.binding))


def expire_links(step: Step) -> None:
    for interaction_id in tuple(step.state.linked):
        for participant in step.interaction(interaction_id).participants:
            for link in participant.companions:
                if link.state is LinkState.OPEN and link.expires_at <= step.now:
                    id_ = participant.participant_id
                    _move(step, interaction_id, id_, link, LinkTrigger.EXPIRE, _Note(reason=UNUSED))


def find_link(participant: Participant, link_id: LinkId) -> Companion:
    """Raises NotFoundError for one that was replaced or has expired long ago."""
    for link in participant.companions:
        if link.link_id == link_id:
            return link
    raise NotFoundError("this link is not valid any more: ask for a new one")


def _move(
    step: Step,
    interaction_id: InteractionId,
    participant_id: ParticipantId,
    link: Companion,
    trigger: LinkTrigger,
    note: _Note = _Note(),
) -> None:
    state = link.next_state(trigger)
    step.record(
        events.CompanionLinkMoved(
            step.now,
            interaction_id,
            participant_id,
            link.link_id,
            state,
            note.reason,
            note.by,
            note.binding,
        )
    )


def _customer(step: Step, interaction_id: InteractionId, participant_id: ParticipantId) -> Participant:
    interaction = step.live_interaction(interaction_id)
    participant = interaction.live_participant(participant_id)
    if not participant.is_customer:
        raise NotAllowedError(f"participant {participant_id} is one of ours: only a customer has a companion")
    return participant
