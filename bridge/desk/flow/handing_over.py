"""The steps that hand the customer over, warm and blind."""

from bridge.desk import commands, events
from bridge.desk.centre.flow import Outcome
from bridge.desk.commands import SYSTEM
from bridge.desk.conversation.transferring import cancel_transfer, start_consult, transfer_blind
from bridge.desk.flow.scene import DONE, Came, Entered, Scene
from bridge.desk.interaction.transfer import TransferState


def transfer_warm(scene: Scene) -> Entered:
    """Seeks somebody to consult; whoever asked then hands over, makes a conference of it, or takes it back."""
    flow_step = scene.flow_step
    command = commands.StartConsult(
        scene.id_, scene.by, flow_step.user, flow_step.queue, type=flow_step.media
    )
    start_consult(scene.step, command)
    return Entered(subject=_seat_of_transfer(scene), due_s=flow_step.timeout_s)


def transfer_blindly(scene: Scene) -> Entered:
    """To a queue it is done at once: the customer waits there. To a user, when that one has answered."""
    flow_step = scene.flow_step
    command = commands.TransferBlind(
        scene.id_, scene.by, flow_step.user, flow_step.queue, type=flow_step.media
    )
    transfer_blind(scene.step, command)
    seat_id = _seat_of_transfer(scene)
    return Entered(subject=seat_id, due_s=flow_step.timeout_s) if seat_id else DONE


def transfer_moved(_scene: Scene, event: events.TransferMoved) -> Came | None:
    """An interaction has one transfer at a time: it is the one that is waited for."""
    if event.state in (TransferState.COMPLETED, TransferState.MERGED):
        return Came(Outcome.SUCCESS, event.state)
    return Came(Outcome.FAILURE, event.reason) if event.state is TransferState.RETURNED else None


def is_consulting(scene: Scene) -> bool:
    transfer = scene.again().transfer
    return transfer is not None and transfer.state is TransferState.CONSULTING


def take_back_transfer(scene: Scene, reason: str) -> None:
    transfer = scene.again().transfer
    if transfer is not None and transfer.seat_id == scene.run.subject:
        cancel_transfer(scene.step, commands.CancelTransfer(scene.id_, SYSTEM, reason))


def _seat_of_transfer(scene: Scene) -> str:
    transfer = scene.again().transfer
    return transfer.seat_id if transfer is not None else ""
