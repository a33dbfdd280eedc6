"""From a parsed command to the one method of the switchboard that carries it out."""

from typing import assert_never

from bridge.ids import InteractionId, LegId, OfferId, ParticipantId, QueueId, UserId
from bridge.switchboard.conversation.participants import AddFromQueue, AddParticipant, DialOut
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.view import view
from bridge.switchboard.view.search import STATES, InteractionFilter
from signaling.web.access.secret import SecretCheck
from signaling.web.command.enrolling import carry_out_enrolling
from signaling.web.command.flowing import carry_out_flowing
from signaling.web.command.handing_over import carry_out_handing_over
from signaling.web.command.noticing import Notices
from signaling.web.command.queueing import (
    carry_out_administration,
    carry_out_calling,
    carry_out_queueing,
    carry_out_working,
)
from signaling.web.hook.hooking import Hooks
from signaling.web.protocol import messages, reply, wire_view
from signaling.web.protocol.account_message import Enrolling
from signaling.web.protocol.flow_message import Flowing
from signaling.web.protocol.notice_message import Noticing
from signaling.web.protocol.queue_message import Administration, Calling, Queueing, Working
from signaling.web.protocol.transfer_message import HandingOver
from signaling.web.protocol.webhook_message import Hooking

Routing = messages.SetPresence | messages.AcceptOffer | messages.RejectOffer
Party = (
    messages.RemoveParticipant
    | messages.MuteParticipant
    | messages.UnmuteParticipant
    | messages.HoldParticipant
    | messages.ResumeParticipant
    | messages.SendDigits
)
Whole = (
    messages.AddParticipant
    | messages.LeaveInteraction
    | messages.EndInteraction
    | messages.SetAttributes
    | messages.PlayPrompt
)
Reading = (
    messages.GetInteraction
    | messages.GetTimeline
    | messages.GetTrace
    | messages.ListInteractions
    | messages.ListUsers
    | messages.ListTrunks
    | messages.GetUser
    | messages.ListPrompts
    | messages.GetSidebar
)
Media = messages.OfferMedia | messages.AnswerMedia | messages.TrickleCandidate | messages.GetMediaProbe
Desk = Enrolling | Queueing | Administration | Calling | Working | HandingOver | Hooking | Noticing | Flowing
# What is left of `Command` once the session has answered `authenticate` and `ping`.
Dispatched = Routing | Party | Whole | Reading | Media | Desk


class Dispatch:
    """Carries out the commands of one principal after another. Raises `BridgeError` as the switchboard does."""

    __slots__ = ("_hooks", "_notices", "_secrets", "_switchboard")

    def __init__(
        self, switchboard: Switchboard, hooks: Hooks, notices: Notices, secrets: SecretCheck
    ) -> None:
        self._switchboard = switchboard
        self._hooks = hooks
        self._notices = notices
        self._secrets = secrets

    async def carry_out(self, principal: Principal, command: Dispatched) -> reply.Result | None:
        if isinstance(command, Desk):
            return await self._desk(principal, command)
        if isinstance(command, Routing):
            return await self._routing(principal, command)
        if isinstance(command, Party):
            await self._party(principal, command)
            return None
        if isinstance(command, Whole):
            return await self._whole(principal, command)
        if isinstance(command, Reading):
            return await self._reading(principal, command)
        return await self._media(principal, command)

    async def _desk(self, principal: Principal, command: Desk) -> reply.Result | None:
        """What has a module of its own."""
        if isinstance(command, Hooking):
            return await self._hooks.carry_out(principal, command)
        if isinstance(command, Noticing):
            return await self._notices.carry_out(principal, command)
        if isinstance(command, Enrolling):
            return await carry_out_enrolling(self._switchboard, self._secrets, principal, command)
        if isinstance(command, Flowing):
            return await carry_out_flowing(self._switchboard, principal, command)
        if isinstance(command, Queueing):
            return await carry_out_queueing(self._switchboard, principal, command)
        if isinstance(command, HandingOver):
            return await carry_out_handing_over(self._switchboard, principal, command)
        if isinstance(command, Administration):
            return await carry_out_administration(self._switchboard, principal, command)
        if isinstance(command, Calling):
            return await carry_out_calling(self._switchboard, principal, command)
        return await carry_out_working(self._switchboard, principal, command)

    async def _routing(self, principal: Principal, command: Routing) -> reply.Result | None:
        board = self._switchboard
        match command:
            case messages.SetPresence():
                user = await board.users.set_presence(principal, command.presence, command.role)
                return reply.UserResult(user=wire_view.User.of(user))
            case messages.AcceptOffer():
                interaction = await board.offers.accept(principal, OfferId(command.offer_id))
                return reply.InteractionResult(interaction=wire_view.Interaction.of(interaction))
            case messages.RejectOffer():
                await board.offers.reject(principal, OfferId(command.offer_id), command.reason)
            case _:
                assert_never(command)
        return None

    async def _party(self, principal: Principal, command: Party) -> None:
        """The commands about one participant."""
        board = self._switchboard
        interaction = InteractionId(command.interaction_id)
        participant = ParticipantId(command.participant_id)
        match command:
            case messages.RemoveParticipant():
                await board.participants.remove(principal, interaction, participant)
            case messages.MuteParticipant():
                await board.participants.mute(principal, interaction, participant)
            case messages.UnmuteParticipant():
                await board.participants.unmute(principal, interaction, participant)
            case messages.HoldParticipant():
                await board.participants.hold(principal, interaction, participant)
            case messages.ResumeParticipant():
                await board.participants.resume(principal, interaction, participant)
            case messages.SendDigits():
                await board.participants.send_digits(principal, interaction, participant, command.digits)
            case _:
                assert_never(command)

    async def _whole(self, principal: Principal, command: Whole) -> reply.Result | None:
        """The commands about an interaction as a whole."""
        board = self._switchboard
        interaction_id = InteractionId(command.interaction_id)
        match command:
            case messages.AddParticipant():
                participant = await self._add(principal, interaction_id, command)
                return reply.ParticipantResult(participant=wire_view.Participant.of(participant))
            case messages.LeaveInteraction():
                await board.participants.leave(principal, interaction_id)
            case messages.EndInteraction():
                await board.interactions.end(principal, interaction_id)
            case messages.SetAttributes():
                interaction = await board.interactions.set_attributes(
                    principal, interaction_id, command.attributes
                )
                return reply.InteractionResult(interaction=wire_view.Interaction.of(interaction))
            case messages.PlayPrompt():
                listener = ParticipantId(command.participant_id) if command.participant_id else None
                await board.prompts.play(principal, interaction_id, listener, command.prompt)
            case _:
                assert_never(command)
        return None

    async def _add(
        self, principal: Principal, interaction_id: InteractionId, command: messages.AddParticipant
    ) -> view.ParticipantView:
        participants = self._switchboard.participants
        if command.address is not None:
            added = await participants.dial(principal, interaction_id, _dial_out(command))
        elif command.queue_id is not None:
            added = await participants.add_from_queue(principal, interaction_id, _from_queue(command))
        else:
            added = await participants.add(principal, interaction_id, _wish(self._switchboard, command))
        return added.participant

    async def _reading(self, principal: Principal, command: Reading) -> reply.Result:
        board = self._switchboard
        match command:
            case messages.GetInteraction():
                interaction = await board.interactions.get(principal, InteractionId(command.interaction_id))
                return reply.InteractionResult(interaction=wire_view.Interaction.of(interaction))
            case messages.GetTimeline():
                id_ = InteractionId(command.interaction_id)
                entries = await board.interactions.timeline(principal, id_, command.after, command.limit)
                return reply.TimelineResult(timeline=tuple(map(wire_view.TimelineEntry.of, entries)))
            case messages.GetTrace():
                signals = await board.tracing.trace(principal, InteractionId(command.interaction_id))
                return reply.TraceResult(signals=tuple(map(wire_view.Signal.of, signals)))
            case messages.ListInteractions():
                page = await board.interactions.find(
                    principal, _filter(command), command.cursor, command.limit
                )
                return reply.InteractionsResult(
                    interactions=tuple(map(wire_view.Interaction.of, page.interactions)),
                    next_cursor=page.next_cursor or None,
                )
            case messages.GetUser():
                user = await board.users.get(principal, UserId(command.user_id))
                return reply.UserResult(user=wire_view.User.of(user))
            case messages.ListPrompts():
                return reply.PromptsResult(prompts=await board.prompts.list(principal))
            case messages.GetSidebar():
                return reply.SidebarResult(
                    sidebar=wire_view.Sidebar.of(board.interactions.sidebar(principal))
                )
            case messages.ListTrunks():
                return reply.TrunksResult(trunks=tuple(map(wire_view.Trunk.of, board.trunks.list(principal))))
            case messages.ListUsers():
                return reply.UsersResult(
                    users=tuple(map(wire_view.User.of, await board.users.list(principal)))
                )
            case _:
                assert_never(command)

    async def _media(self, principal: Principal, command: Media) -> reply.Result | None:
        board = self._switchboard
        match command:
            case messages.OfferMedia():
                interaction_id = InteractionId(command.interaction_id)
                answer = await board.media.offer(principal, interaction_id, command.sdp)
                refused = tuple(reply.RefusedSection(mid=r.mid, reason=r.reason) for r in answer.refused)
                return reply.MediaResult(leg_id=answer.leg_id, sdp=answer.sdp, refused=refused)
            case messages.AnswerMedia():
                await board.media.answer(principal, LegId(command.leg_id), command.sdp)
            case messages.TrickleCandidate():
                candidate = command.candidate.candidate if command.candidate else ""
                await board.media.trickle(principal, LegId(command.leg_id), candidate)
            case messages.GetMediaProbe():
                return reply.MediaProbeResult.of(board.media.probe(principal))
            case _:
                assert_never(command)
        return None


def _filter(command: messages.ListInteractions) -> InteractionFilter:
    return InteractionFilter(
        STATES.get(command.state, (command.state,)),
        command.caller,
        command.called,
        command.user_id,
        command.attributes,
    )


def _dial_out(command: messages.AddParticipant) -> DialOut:
    return DialOut(command.address or "", command.role, command.name or "", command.second_expert)


def _from_queue(command: messages.AddParticipant) -> AddFromQueue:
    queue_id = QueueId(command.queue_id or "")
    return AddFromQueue(queue_id, command.type, command.properties, command.second_expert)


def _wish(board: Switchboard, command: messages.AddParticipant) -> AddParticipant:
    return AddParticipant(
        user_id=board.users.named(command.user_id or ""),
        type=command.type,
        role=command.role,
        properties=command.properties,
        second_expert=command.second_expert,
    )
