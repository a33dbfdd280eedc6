"""Steps of the work after a call: done with a code and a note, or over when its time is."""

from bridge.desk import commands, events
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.participant import Participant, ParticipantState, ParticipantTrigger
from bridge.desk.settlement.queueing import queue_or_default
from bridge.desk.step import Step
from bridge.errors import CapacityError, NotAllowedError
from bridge.ids import InteractionId

NOTE_MAX_CHARACTERS = 4096


def complete_wrap_up(step: Step, command: commands.CompleteWrapUp) -> None:
    """Ends the wrap-up of `user_id`; whoever is done early is idle early."""
    interaction = step.interaction(command.interaction_id)
    participant = next(
        (
            p
            for p in interaction.participants
            if p.user_id == command.user_id and p.state is ParticipantState.WRAP_UP
        ),
        None,
    )
    if participant is None:
        raise NotAllowedError(f"{command.user_id} is not wrapping up interaction {command.interaction_id}")
    _check(step, participant, command)
    id_, by = participant.participant_id, command.user_id
    step.record(events.WrapUpCompleted(step.now, command.interaction_id, id_, command.code, command.note, by))
    step.move(command.interaction_id, id_, ParticipantTrigger.DISCONNECT, by, "wrapped up")


def expire_wrap_ups(step: Step) -> None:
    """Whose time is over is idle again, without a code."""
    for interaction_id, participant in _overdue(step):
        step.move(
            interaction_id,
            participant.participant_id,
            ParticipantTrigger.DISCONNECT,
            SYSTEM,
            "the time to wrap up is over",
        )


def _overdue(step: Step) -> list[tuple[InteractionId, Participant]]:
    return [
        (interaction_id, participant)
        for interaction_id in step.state.wrapping_up()
        for participant in step.interaction(interaction_id).participants
        if participant.state is ParticipantState.WRAP_UP
        and participant.wrap_up_by is not None
        and participant.wrap_up_by <= step.now
    ]


def _check(step: Step, participant: Participant, command: commands.CompleteWrapUp) -> None:
    if len(command.note) > NOTE_MAX_CHARACTERS:
        raise CapacityError(f"a note may have {NOTE_MAX_CHARACTERS} characters, this has {len(command.note)}")
    if participant.queue_id is None:
        return
    codes = queue_or_default(step, participant.queue_id).wrap_up_codes
    if codes and command.code not in codes:
        raise NotAllowedError(f"no wrap-up code {command.code!r} in this queue; there are {', '.join(codes)}")
