"""The commands of transfers, supervisors and companion links, carried out."""

from typing import assert_never

from bridge.ids import InteractionId, ParticipantId, QueueId
from bridge.switchboard.conversation.transfers import TransferWish
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from signaling.web.protocol import reply, transfer_message, wire_view
from signaling.web.protocol.transfer_message import HandingOver


async def carry_out_handing_over(
    board: Switchboard, principal: Principal, command: HandingOver
) -> reply.Result:
    interaction_id = InteractionId(command.interaction_id)
    transfers = board.transfers
    match command:
        case transfer_message.ConsultParticipant():
            target = await transfers.consult(principal, interaction_id, _wish(board, command))
            return _participant(target)
        case transfer_message.TransferBlind():
            wish = _wish(board, command)
            return _interaction(await transfers.transfer_blind(principal, interaction_id, wish))
        case transfer_message.CompleteTransfer():
            return _interaction(await transfers.complete_transfer(principal, interaction_id))
        case transfer_message.MergeConsult():
            return _interaction(await transfers.merge_consult(principal, interaction_id))
        case transfer_message.CancelTransfer():
            return _interaction(await transfers.cancel_transfer(principal, interaction_id, command.reason))
        case transfer_message.SuperviseInteraction():
            coached = ParticipantId(command.participant_id) if command.participant_id else None
            return _participant(await transfers.supervise(principal, interaction_id, command.mode, coached))
        case transfer_message.CreateCompanionLink():
            customer = ParticipantId(command.participant_id) if command.participant_id else None
            link = await board.companions.create_companion_link(principal, interaction_id, customer)
            return reply.CompanionLinkResult(link=wire_view.CompanionLink.of(link))
        case _:
            assert_never(command)


def _wish(board: Switchboard, command: transfer_message.Handover) -> TransferWish:
    return TransferWish(
        user_id=board.users.named(command.user_id) if command.user_id else None,
        queue_id=QueueId(command.queue_id) if command.queue_id else None,
        type=command.type,
        role=command.role,
        properties=command.properties,
        second_expert=command.second_expert,
    )


def _participant(view: object) -> reply.ParticipantResult:
    return reply.ParticipantResult(participant=wire_view.Participant.of(view))


def _interaction(view: object) -> reply.InteractionResult:
    return reply.InteractionResult(interaction=wire_view.Interaction.of(view))
