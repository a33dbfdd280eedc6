"""From the commands of queues and callbacks to the methods of the switchboard; `dispatch` hands them here."""

from typing import assert_never

from bridge.desk.centre.queue import Overflow, OverflowTo, Profile, Queue, SkillMatch, Strategy
from bridge.desk.centre.role import ParticipantRole
from bridge.ids import InteractionId, QueueId, UserId
from bridge.switchboard.centre.users import Readiness
from bridge.switchboard.conversation.callbacks import CallbackWish
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from signaling.web.protocol import queue_message, reply, wire_view
from signaling.web.protocol.queue_message import Administration, Calling, Queueing, Working


async def carry_out_queueing(
    board: Switchboard, principal: Principal, command: Queueing
) -> reply.Result | None:
    match command:
        case queue_message.QueueInteraction():
            interaction = await board.interactions.queue(
                principal, InteractionId(command.interaction_id), QueueId(command.queue_id)
            )
            return reply.InteractionResult(interaction=wire_view.Interaction.of(interaction))
        case queue_message.ListQueues():
            queues = await board.queues.list(principal)
            found = tuple(map(wire_view.Queue.of, queues))
            return reply.QueuesResult(queues=found)
        case queue_message.GetQueue():
            queue = await board.queues.get(principal, QueueId(command.queue_id))
            return reply.QueueResult(queue=wire_view.Queue.of(queue))
        case _:
            assert_never(command)


async def carry_out_administration(
    board: Switchboard, principal: Principal, command: Administration
) -> reply.Result | None:
    match command:
        case queue_message.DeclareQueue():
            queue = await board.queues.declare(principal, queue_of(command.queue))
            return reply.QueueResult(queue=wire_view.Queue.of(queue))
        case queue_message.RemoveQueue():
            await board.queues.remove(principal, QueueId(command.queue_id))
        case queue_message.SetProfile():
            profile = Profile(
                UserId(command.user_id),
                command.skills,
                command.video,
                command.capacity,
                external_ids=command.external_ids,
            )
            await board.users.set_profile(principal, profile)
        case _:
            assert_never(command)
    return None


async def carry_out_calling(
    board: Switchboard, principal: Principal, command: Calling
) -> reply.Result | None:
    match command:
        case queue_message.RequestCallback():
            at = command.not_before.timestamp() if command.not_before is not None else 0.0
            queue_id = QueueId(command.queue_id) if command.queue_id is not None else None
            wish = CallbackWish(command.number, at, queue_id, command.reason)
            callback = await board.callbacks.request(principal, InteractionId(command.interaction_id), wish)
            return reply.CallbackResult(callback=wire_view.Callback.of(callback))
        case queue_message.CancelCallback():
            await board.callbacks.cancel(principal, InteractionId(command.interaction_id), command.reason)
            return None
        case queue_message.ListCallbacks():
            callbacks = await board.callbacks.list(principal)
            found = tuple(map(wire_view.Callback.of, callbacks))
            return reply.CallbacksResult(callbacks=found)
        case _:
            assert_never(command)


async def carry_out_working(board: Switchboard, principal: Principal, command: Working) -> reply.Result:
    match command:
        case queue_message.ProveReady():
            readiness = Readiness(command.microphone, command.camera, command.ice, command.detail)
            user = await board.users.prove_ready(principal, readiness)
        case queue_message.CompleteWrapUp():
            interaction_id = InteractionId(command.interaction_id)
            user = await board.users.complete_wrap_up(principal, interaction_id, command.code, command.note)
        case _:
            assert_never(command)
    return reply.UserResult(user=wire_view.User.of(user))


def queue_of(settings: queue_message.QueueSettings) -> Queue:
    """The desk's value of what was declared."""
    overflow = settings.overflow
    fields = settings.model_dump(exclude={"overflow", "role", "skill_match", "strategy", "priorities"})
    if settings.priorities is not None:
        fields["priorities"] = settings.priorities
    return Queue(
        **fields,
        role=ParticipantRole(settings.role),
        skill_match=SkillMatch(settings.skill_match),
        strategy=Strategy(settings.strategy),
        overflow=None
        if overflow is None
        else Overflow(
            OverflowTo(overflow.to),
            overflow.depth,
            overflow.wait_s,
            QueueId(overflow.queue_id) if overflow.queue_id is not None else None,
        ),
    )
