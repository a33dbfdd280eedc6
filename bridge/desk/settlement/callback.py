"""The moves of a callback that other steps bring about: it begins, it dials, it goes its way."""

from dataclasses import dataclass

from bridge.desk import events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.callback import CallbackTrigger
from bridge.desk.interaction.participant import ParticipantTrigger
from bridge.desk.step import Step
from bridge.errors import NotFoundError
from bridge.ids import InteractionId, LegId, ParticipantId, QueueId


@dataclass(frozen=True)
class CallbackWish:
    number: str
    not_before: float
    queue_id: QueueId
    by: str
    reason: str


def why_not_called(policy: DeskPolicy, number: str) -> str:
    """Why a callback to `number` cannot come to anything, or ""."""
    if not number or "anonymous" in number.lower():  # RFC 3323 section 4.1.1.3
        return "the caller withheld the number"
    if not policy.dials_numbers and not number.lower().startswith(("sip:", "sips:")):
        return "the bridge knows no way out for numbers: set sip.dial_target or the target of a trunk"
    return ""


def begin_callback(step: Step, interaction_id: InteractionId, wish: CallbackWish) -> None:
    """The customer's call ends, the customer does not: whoever is called back keeps the place."""
    interaction = step.interaction(interaction_id)
    for customer in tuple(interaction.customers()):
        for leg_id in customer.leg_ids:
            step.record(
                events.LegDetached(step.now, interaction_id, customer.participant_id, leg_id, "callback")
            )
    step.record(
        events.CallbackRequested(
            step.now,
            interaction_id,
            step.ids.callback(),
            wish.number,
            wish.not_before,
            wish.queue_id,
            wish.by,
            wish.reason,
        )
    )


def dial_callback(step: Step, interaction_id: InteractionId, customer_id: ParticipantId) -> None:
    """Somebody of ours is there: the customer's phone is to ring."""
    leg_id = step.ids.leg()
    move_callback(step, interaction_id, CallbackTrigger.DIAL, leg_id=leg_id)
    step.move(interaction_id, customer_id, ParticipantTrigger.ALERT, reason="being called back")


def move_callback(  # noqa: PLR0913 - what a callback may learn when it moves
    step: Step,
    interaction_id: InteractionId,
    trigger: CallbackTrigger,
    by: str = SYSTEM,
    reason: str = "",
    *,
    not_before: float = 0.0,
    leg_id: LegId | None = None,
    failure: str = "",
) -> None:
    """Takes a transition of the callback's table. Raises NotFoundError if there is no callback."""
    callback = step.interaction(interaction_id).callback
    if callback is None:
        raise NotFoundError(f"no callback is arranged in interaction {interaction_id}")
    dials = trigger is CallbackTrigger.DIAL
    step.record(
        events.CallbackMoved(
            step.now,
            interaction_id,
            callback.callback_id,
            callback.next_state(trigger),
            reason,
            by,
            callback.attempts + int(dials),
            not_before,
            leg_id,
            step.now + step.policy.dial_s if dials else None,
            failure,
        )
    )
