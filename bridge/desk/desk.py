"""The desk: one writer over interactions, offers and experts together, in synchronous steps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bridge.desk import commands, events
from bridge.desk.centre.account import Account, Registration, Standing
from bridge.desk.centre.expert import Expert
from bridge.desk.centre.figures import QueueFigures
from bridge.desk.centre.flow import Flow
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Profile, Queue, default_queue
from bridge.desk.conversation import (
    calling_back,
    companionship,
    dialing_out,
    equipment,
    participation,
    supervising,
    transferring,
)
from bridge.desk.fact.fact import apply
from bridge.desk.flow import flowing
from bridge.desk.flow.interpreter import expire_flows, run_flows
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer
from bridge.desk.opening import open_interaction
from bridge.desk.restart import restart
from bridge.desk.state.deadline import DEADLINES, Agenda, note_deadlines
from bridge.desk.state.line import Place
from bridge.desk.state.snapshot import DeskSnapshot
from bridge.desk.state.state import DeskState
from bridge.desk.step import Step
from bridge.desk.work import account_admin, limit, presence, queue_admin, readiness, seating, wrapping_up
from bridge.desk.work.waiting import match_waiting
from bridge.errors import NotFoundError
from bridge.ids import IdSource, InteractionId, OfferId, QueueId, UserId


class Desk:
    """Holds the state and changes it one command at a time.

    An `await` between check and write would be two offers to one expert, so there is none: `step` does all
    of a command, and what follows from it, at once. `timer` says when `ExpireDeadlines` is due next.
    """

    __slots__ = ("_agenda", "_ids", "_policy", "_rang_for", "_state")

    def __init__(self, policy: DeskPolicy, ids: IdSource) -> None:
        self._policy = policy
        self._ids = ids
        self._state = DeskState(policy.ended_kept)
        self._declare_configured()
        self._agenda = Agenda(self._state.live)
        self._rang_for: Mapping[OfferId, UserId] = {}

    def step(self, command: commands.DeskCommand, now: float) -> tuple[events.DeskEvent, ...]:
        """Carries out `command`. A refusal raises a BridgeError and has changed nothing."""
        step = Step(self._state, self._ids, self._policy, now)
        if isinstance(command, commands.ExpireDeadlines):
            self._agenda.forget(now)
        _STEPS[type(command)](step, command)
        run_flows(step)
        match_waiting(step)
        self._note_deadlines(step.events)
        self._rang_for = step.rang_for
        for at in step.wakes:
            self._agenda.note(at)
        return tuple(step.events)

    def replay(self, events_: Iterable[events.DeskEvent]) -> None:
        """Takes events read back from the journal for facts."""
        for event in events_:
            apply(self._state, event)
            self._note_deadlines((event,))

    def snapshot(self) -> DeskSnapshot:
        """The state of this moment; `restore` in a new desk and `replay` of what followed give it back."""
        return replace(self._state.snapshot(), deadlines=self._agenda.instants())

    def restore(self, snapshot: DeskSnapshot) -> None:
        """Takes over a whole state. Only in a desk that has none."""
        self._state.restore(snapshot)
        self._agenda.restore(snapshot.deadlines)

    def timer(self) -> float | None:
        """The next deadline; early is harmless, for a deadline that was met is still noted."""
        return self._agenda.next()

    # --- reading ------------------------------------------------------------------------------------------

    def interaction(self, interaction_id: InteractionId) -> Interaction:
        """Raises NotFoundError."""
        return self._state.interaction(interaction_id)

    def live_interactions(self) -> tuple[Interaction, ...]:
        return tuple(self._state.interactions[id_] for id_ in self._state.live)

    def interactions(self) -> tuple[Interaction, ...]:
        """The live ones and the last that ended."""
        return tuple(self._state.interactions.values())

    def experts(self) -> tuple[Expert, ...]:
        return tuple(self._state.experts.values())

    def expert(self, user_id: UserId) -> Expert:
        """Raises NotFoundError."""
        return self._state.expert(user_id)

    def expert_or_none(self, user_id: UserId) -> Expert | None:
        return self._state.experts.get(user_id)

    def offer(self, offer_id: OfferId) -> Offer:
        """A live offer. Raises NotFoundError."""
        try:
            return self._state.offers[offer_id]
        except KeyError:
            raise NotFoundError(f"no live offer {offer_id}") from None

    def offer_to(self, user_id: UserId) -> Offer | None:
        """The live offer that rings for `user_id`."""
        return self._state.offer_to(user_id)

    def rang_for(self, offer_id: OfferId) -> UserId | None:
        """Whom an offer rang for that ended in the last step."""
        return self._rang_for.get(offer_id)

    def offers(self) -> tuple[Offer, ...]:
        """All live offers."""
        return tuple(self._state.offers.values())

    def is_busy(self, user_id: UserId) -> bool:
        return self._state.is_busy(user_id)

    @property
    def forgotten(self) -> int:
        """How many ended interactions were dropped from memory to stay within `ended_kept`."""
        return self._state.forgotten

    # --- queues -------------------------------------------------------------------------------------------

    def queues(self) -> tuple[Queue, ...]:
        return tuple(self._state.queues.values())

    def queue(self, queue_id: QueueId) -> Queue:
        """Raises NotFoundError."""
        return self._state.queue(queue_id)

    def figures(self, queue_id: QueueId) -> QueueFigures:
        return self._state.figures.get(queue_id, QueueFigures())

    def waiting(self, queue_id: QueueId) -> tuple[Place, ...]:
        """Who waits in a queue, in the order of service."""
        return self._state.lines.waiting(queue_id)

    def user_named(self, name: str) -> UserId:
        """The user whose id this is, ours or another system's; a name nobody has stands for itself."""
        user_id = UserId(name)
        state = self._state
        if user_id in state.experts or user_id in state.profiles or state.directory.find(user_id) is not None:
            return user_id
        known = (p.user_id for p in state.all_profiles() if name in p.external_ids)
        return next(known, user_id)

    def profile(self, user_id: UserId) -> Profile:
        return self._state.profile(user_id)

    def registration(self, user_id: UserId) -> Registration:
        """Raises NotFoundError for a user without an account."""
        directory = self._state.directory
        account, standing = directory.account(user_id), directory.standing(user_id)
        configured = user_id in directory.configured
        return Registration(account, self._state.profile(user_id), standing, configured)

    def standing(self, user_id: UserId) -> Standing:
        """Also of a user without an account."""
        return self._state.directory.standing(user_id)

    def accounts(self) -> tuple[Account, ...]:
        """By user id."""
        return self._state.directory.all()

    def account_with_email(self, email: str) -> Account | None:
        return self._state.directory.with_email(email)

    def is_wrapping_up(self, user_id: UserId) -> bool:
        return self._state.is_wrapping_up(user_id)

    def takes_offers(self, user_id: UserId, now: float) -> bool:
        """Would be offered something if it were idle."""
        expert = self._state.experts.get(user_id)
        return expert is not None and self._state.takes_offers(expert, self._policy.proof_s, now)

    def can_show_video(self, user_id: UserId) -> bool:
        """Has the licence and, where desktops prove themselves, a camera that works."""
        return self._state.can_show_video(user_id, self._policy.proof_s)

    def flows(self) -> tuple[Flow, ...]:
        """Those that can be run."""
        return self._policy.flows

    def _declare_configured(self) -> None:
        """The configuration's word stands from the start. Of queues the API's comes by events and over it; an
        account has one place where it is changed, so that no two words about a right can differ."""
        for queue in (default_queue(), *self._policy.queues):
            self._state.queues[queue.queue_id] = queue
        self._state.directory.configure(self._policy.accounts)

    @property
    def asks_for_proofs(self) -> bool:
        return self._policy.proof_s > 0

    def _note_deadlines(self, recorded: Iterable[events.DeskEvent]) -> None:
        for event in recorded:
            if type(event) in DEADLINES:  # most events have none
                note_deadlines(self._agenda, event, self._policy, self._state)


def _expire_deadlines(step: Step, _command: commands.ExpireDeadlines) -> None:
    seating.expire_offers(step)
    presence.expire_desktops(step)
    readiness.expire_proofs(step)
    participation.expire_connections(step)
    wrapping_up.expire_wrap_ups(step)
    transferring.expire_transfers(step)
    companionship.expire_links(step)
    calling_back.expire_callbacks(step)
    expire_flows(step)
    limit.expire_waits(step)
    limit.announce_positions(step)


# The annotation is wide because each step takes its own command; the keys keep them apart.
_STEPS: dict[type, Callable[[Step, Any], None]] = {
    commands.OpenInteraction: open_interaction,
    commands.EndInteraction: participation.end_interaction,
    commands.DisconnectParticipant: participation.disconnect_participant,
    commands.MuteParticipant: participation.mute_participant,
    commands.UnmuteParticipant: participation.unmute_participant,
    commands.HoldParticipant: participation.hold_participant,
    commands.ResumeParticipant: participation.resume_participant,
    commands.SetAttributes: participation.set_attributes,
    commands.SetRemoteHold: participation.set_remote_hold,
    commands.SetCapabilities: equipment.set_capabilities,
    commands.AttachLeg: participation.attach_leg,
    commands.DetachLeg: participation.detach_leg,
    commands.ConnectMedia: participation.connect_media,
    commands.SeekParticipant: seating.seek_participant,
    commands.AcceptOffer: seating.accept_offer,
    commands.RejectOffer: seating.reject_offer,
    commands.SetPresence: presence.set_presence,
    commands.LoseDesktop: presence.lose_desktop,
    commands.ReturnDesktop: presence.return_desktop,
    commands.StartFlow: flowing.start_flow,
    commands.StopFlow: flowing.stop_flow,
    commands.DialDigits: flowing.dial_digits,
    commands.FinishPrompt: flowing.report_prompt,
    commands.ExpireDeadlines: _expire_deadlines,
    commands.Restart: restart,
    commands.SeekFromQueue: queue_admin.seek_from_queue,
    commands.QueueInteraction: queue_admin.queue_interaction,
    commands.DeclareQueue: queue_admin.declare_queue,
    commands.RemoveQueue: queue_admin.remove_queue,
    commands.SetProfile: queue_admin.set_profile,
    commands.CreateAccount: account_admin.create_account,
    commands.ChangeAccount: account_admin.change_account,
    commands.SetPassword: account_admin.set_password,
    commands.DisableAccount: account_admin.disable_account,
    commands.EnableAccount: account_admin.enable_account,
    commands.ProveReady: readiness.prove_ready,
    commands.CompleteWrapUp: wrapping_up.complete_wrap_up,
    commands.RequestCallback: calling_back.request_callback,
    commands.CancelCallback: calling_back.cancel_callback,
    commands.DialParticipant: dialing_out.dial_participant,
    commands.AnswerDial: dialing_out.answer_dial,
    commands.FailDial: dialing_out.fail_dial,
    commands.ReplaceLeg: participation.replace_leg,
    commands.AnswerCallback: calling_back.answer_callback,
    commands.FailCallback: calling_back.fail_callback,
    commands.StartConsult: transferring.start_consult,
    commands.TransferBlind: transferring.transfer_blind,
    commands.CompleteTransfer: transferring.complete_consult,
    commands.MergeConsult: transferring.merge_consult,
    commands.CancelTransfer: transferring.cancel_transfer,
    commands.Supervise: supervising.supervise,
    commands.CreateCompanionLink: companionship.create_link,
    commands.JoinCompanion: companionship.join_companion,
}
