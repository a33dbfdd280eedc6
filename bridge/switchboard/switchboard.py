"""The one corridor behind all doors: one method per command."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from bridge.clock import Clock
from bridge.desk import commands, events
from bridge.desk.desk import Desk
from bridge.desk.events import DeskEvent
from bridge.desk.expert import Presence
from bridge.desk.interaction import Interaction
from bridge.desk.participant import MediaType, Participant, ParticipantRole, ParticipantState
from bridge.desk.queue import Profile, Queue
from bridge.desk.step import SYSTEM
from bridge.errors import BridgeError, NotAllowedError, NotFoundError
from bridge.ids import IdSource, InteractionId, LegId, OfferId, ParticipantId, QueueId, UserId
from bridge.journal.database import JournalError
from bridge.journal.journal import Journal
from bridge.journal.schema import Write
from bridge.journal.snapshots import Snapshots
from bridge.plane import messages
from bridge.switchboard.accounts import Accounts
from bridge.switchboard.announcer import Announcer
from bridge.switchboard.browsers import Browsers
from bridge.switchboard.callbacks import Callbacks
from bridge.switchboard.companions import Companions
from bridge.switchboard.conductor import Conductor
from bridge.switchboard.desktops import Desktops
from bridge.switchboard.diagnostics import Diagnostics
from bridge.switchboard.dial_outs import DialOuts
from bridge.switchboard.dialer import Dialer
from bridge.switchboard.doors import (
    ArrivingCall,
    Audience,
    CompanionDoor,
    DesktopDoor,
    NoticeOutbox,
    Outbox,
    PhoneDoor,
    Plane,
)
from bridge.switchboard.event import TrunkUpdated
from bridge.switchboard.flows import Flows
from bridge.switchboard.intake import Intake
from bridge.switchboard.ledger import Committed, Ledger
from bridge.switchboard.leg import Leg, Legs, PhoneLeg
from bridge.switchboard.performance import Performance
from bridge.switchboard.phone_memory import PhoneMemory
from bridge.switchboard.phones import Phones
from bridge.switchboard.portrait import Diagnoses, Portraits
from bridge.switchboard.principal import (
    INTERACTION_READ,
    INTERACTION_WRITE,
    ROUTING_WRITE,
    TRUNK_ADMIN,
    VIDEO_USE,
    Principal,
)
from bridge.switchboard.queues import CallbackWish, Queues, Readiness
from bridge.switchboard.referrals import Referrals
from bridge.switchboard.reoffers import Reoffers
from bridge.switchboard.restoration import Restoration
from bridge.switchboard.search import PAGE_MAX, InteractionFilter, InteractionPage, page_of
from bridge.switchboard.tracing import Tracing
from bridge.switchboard.transfers import Transfers
from bridge.switchboard.view import (
    CallbackView,
    InteractionView,
    MediaAnswer,
    MediaProbe,
    ParticipantView,
    QueueView,
    TimelineView,
    TrunkView,
    UserView,
)
from bridge.switchboard.wiring import SwitchboardPolicy, Wiring

log = structlog.get_logger()

TIMELINE_MAX_ENTRIES = 1000


@dataclass(frozen=True)
class AddParticipant:
    """A wish for one more participant. `second_expert` allows it while another escalation is in progress."""

    user_id: UserId
    type: str = "video"  # voice | video
    role: str = "sme"  # sme | agent
    properties: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class AddFromQueue:
    """A wish for whoever serves a queue. `second_expert` as in `AddParticipant`."""

    queue_id: QueueId
    type: str = "video"  # voice | video
    properties: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class DialOut:
    """A wish for whoever answers at `address`, a number or SIP URI. `name` is shown in its place."""

    address: str
    role: str = "sme"  # sme | agent
    name: str = ""
    second_expert: bool = False


@dataclass(frozen=True)
class Added:
    """What a wish came to. `created` is False when the user took part or was asked already."""

    participant: ParticipantView
    created: bool


class Switchboard:
    """Implements `Corridor` for the SIP door and these commands for the web door.

    Every command raises a `BridgeError` (code and reason) when it cannot be carried out and then has changed
    nothing; when it returns, its events are on disk and on their way to the desktops.
    """

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        plane: Plane,
        clock: Clock,
        token_hex: Callable[[int], str],
        policy: SwitchboardPolicy,
    ) -> None:
        """`journal` is open. `token_hex` is `secrets.token_hex`: it also makes ICE passwords."""
        self._clock = clock
        self._journal = journal
        self._wake = asyncio.Event()
        self._outbox: Outbox | None = None
        diagnoses = Diagnoses()
        portraits = Portraits(clock, diagnoses)
        self._notices: NoticeOutbox | None = None
        legs, announcer = Legs(), Announcer(portraits)
        self._wiring = Wiring(
            desk=desk,
            journal=journal,
            ledger=Ledger(desk, journal, clock, self._committed, self._wake.set, self._numbered),
            legs=legs,
            conductor=Conductor(self._perform, self._crashed),
            performance=Performance(plane, legs, announcer, policy.sounds, clock, self._leg_failed),
            announcer=announcer,
            portraits=portraits,
            ids=IdSource(token_hex),
            token_hex=token_hex,
            clock=clock,
            policy=policy,
            phone_memory=PhoneMemory(journal),
        )
        self._snapshots = Snapshots(journal, desk, clock)
        self._restoration = Restoration(self._wiring, self._snapshots, self._wiring.phone_memory)
        self._dialer = Dialer(self._wiring)
        self._phones = Phones(self._wiring, self._dialer)
        self.reoffers = Reoffers(clock, self._phones.fail, self._phones.agreed, self._wake.set)
        self._browsers = Browsers(self._wiring)
        self._callbacks = Callbacks(self._wiring, self._dialer)
        self._dial_outs = DialOuts(self._wiring, self._dialer)
        self._referrals = Referrals(self._wiring, self._dialer, self._dial_outs)
        self._queues = Queues(self._wiring, self._dialer)
        self._desktops = Desktops(self._wiring, self._browsers)
        self.accounts = Accounts(self._wiring, self._desktops)
        self.flows = Flows(self._wiring, self._desktops)
        self.tracing = Tracing(self._wiring, journal)
        self.transfers = Transfers(self._wiring, self._desktops)
        self.companions = Companions(self._wiring, self._browsers, self._desktops)
        self._intake = Intake(
            self._wiring, self._phones, self._browsers, self.flows, Diagnostics(self._wiring, diagnoses)
        )

    def attach(
        self,
        phone_door: PhoneDoor,
        desktop_door: DesktopDoor,
        outbox: Outbox | None = None,
        companion_door: CompanionDoor | None = None,
        notices: NoticeOutbox | None = None,
    ) -> None:
        """Called once by the composition root, before `run`: the doors need the switchboard first."""
        self._outbox = outbox
        self._notices = notices
        self._wiring.performance.attach(phone_door, self._wiring.phone_memory, self.reoffers)
        self.reoffers.attach(phone_door)
        self._dialer.attach(phone_door)
        self.tracing.attach(phone_door)
        self._wiring.announcer.attach(desktop_door)
        if companion_door is not None:
            self.companions.attach(companion_door)

    async def restore(self) -> float:
        """Brings the desk to where the journal ends, before anything else. Returns the last instant there."""
        return await self._restoration.restore()

    async def restart(self, returning: frozenset[LegId]) -> None:
        """Ends what did not survive the process before this one; `returning` legs may go on. After `restore`."""
        await self._restoration.restart(returning)

    async def run(self) -> None:
        """Keeps deadlines, writes the journal, brings effects out. Ends by cancellation or a JournalError."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._journal.run())
            tasks.create_task(self._wiring.conductor.run())
            tasks.create_task(self._callbacks.run())
            tasks.create_task(self._dial_outs.run())
            tasks.create_task(self.reoffers.run())
            tasks.create_task(self._keep_deadlines())

    def timer(self) -> float | None:
        """The next deadline of desk, browsers and phones."""
        deadlines = (self._wiring.desk.timer(), self._browsers.timer(), self.reoffers.timer())
        return min((at for at in deadlines if at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Ends what is due. `run` does this by itself; a simulation does it by hand."""
        self._browsers.handle_timer(now)
        self.reoffers.handle_timer(now)
        at = self._wiring.desk.timer()
        if at is not None and at <= now:
            self._wiring.ledger.begin(commands.ExpireDeadlines())

    async def settled(self) -> None:
        """Returns when all that was asked for is on disk and performed."""
        while self._journal.pending or self._wiring.conductor.busy or self.reoffers.busy:
            await self._wiring.read()
            await self._wiring.conductor.all_settled()
            await self.reoffers.settled()

    @property
    def boot_id(self) -> str:
        """Of this process: a client that sees another one has to build its media anew."""
        return self._journal.boot_id

    @property
    def last_number(self) -> int:
        """Of the newest event."""
        return self._journal.last_number

    # --- going down ---------------------------------------------------------------------------------------

    @property
    def open_interactions(self) -> int:
        return len(self._wiring.desk.live_interactions())

    @property
    def calls_refused(self) -> int:
        """Since the start, because the media worker could not keep up."""
        return self._phones.overload.refused

    def live_interaction_ids(self) -> frozenset[InteractionId]:
        return frozenset(i.interaction_id for i in self._wiring.desk.live_interactions())

    @property
    def legs(self) -> int:
        """Legs known here, of all kinds; 0 when every call is over."""
        return len(self._wiring.legs)

    def drain(self) -> None:
        """Takes no new calls from now on; those there are go on."""
        self._phones.drain()

    async def end_all(self, reason: str) -> None:
        """Ends every interaction, for a shutdown that waits no longer."""
        for interaction in self._wiring.desk.live_interactions():
            with contextlib.suppress(NotAllowedError, NotFoundError):
                await self._wiring.ledger.carry_out(
                    commands.EndInteraction(interaction.interaction_id, SYSTEM, reason)
                )
        await self._wiring.conductor.all_settled()

    # --- the SIP door -------------------------------------------------------------------------------------

    async def arrive(self, call: ArrivingCall) -> str:
        return await self._phones.arrive(call)

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        return await self._phones.reoffer(leg_id, offer)

    async def progressed(self, leg_id: LegId, status: int, answer: str) -> None:
        await self._dialer.progressed(leg_id, status, answer)

    async def late_answer(self, leg_id: LegId, answer: str) -> None:
        await self._phones.late_answer(leg_id, answer)

    def refresh(self, leg_id: LegId) -> None:
        self._phones.refresh(leg_id)

    def pressed(self, leg_id: LegId, digit: str, duration_ms: int) -> None:
        self._intake.pressed(leg_id, digit, duration_ms)

    def picture_wanted(self, leg_id: LegId) -> None:
        self._phones.picture_wanted(leg_id)

    async def refer(self, leg_id: LegId, target: str, accepted: Callable[[], None]) -> int:
        return await self._referrals.refer(leg_id, target, accepted)

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        await self._phones.hung_up(leg_id, reason)

    def expects(self, leg_id: LegId) -> bool:
        return self._phones.expects(leg_id)

    def trunk_moved(self, status: TrunkView, reason: str) -> None:
        """Not journaled: how a trunk is can be asked any time. Webhooks are told by a commit of its own."""
        event, audience = TrunkUpdated(status, reason), Audience(scope=TRUNK_ADMIN)
        writes = self._outbox.writes_aside(event, audience) if self._outbox is not None else ()
        if writes:
            try:
                self._journal.begin_write(*writes)
            except JournalError as error:
                log.error("! trunk", trunk=status.trunk_id, reason=error.reason)  # the webhook's copy is lost
        self._wiring.announcer.tell(event, audience)

    # --- the media plane ----------------------------------------------------------------------------------

    def plane_event(self, event: messages.Event) -> None:
        """Spontaneous events, and `WorkerReady` first; replies go to whoever asked."""
        self._intake.receive_event(event)

    def plane_lost(self, reason: str) -> None:
        """The worker died. All legs and rooms are declared again at the next `WorkerReady`."""
        log.error("! media plane lost", reason=reason)
        self._intake.receive_loss()

    # --- desktops: presence and offers --------------------------------------------------------------------

    async def set_presence(self, principal: Principal, presence: str, role: str) -> UserView:
        """`presence`: ready | away | offline; `role`: agent | sme. Scope routing:write."""
        principal.require(ROUTING_WRITE)
        if presence not in ("ready", "away", "offline") or role not in ("agent", "sme"):
            raise NotAllowedError(f"no presence {presence!r} as {role!r}: ready, away, offline as agent, sme")
        self._desktops.seen(principal)
        await self._wiring.ledger.carry_out(
            commands.SetPresence(principal.user_id, principal.name, ParticipantRole(role), Presence(presence))
        )
        return self._user_view(principal.user_id)

    async def accept_offer(self, principal: Principal, offer_id: OfferId) -> InteractionView:
        """Joins; the desktop now sends `offer_media`. NotFoundError if the offer is over."""
        principal.require(ROUTING_WRITE)
        self._desktops.seen(principal)
        interaction_id = self._wiring.desk.offer(offer_id).interaction_id
        await self._wiring.do(interaction_id, commands.AcceptOffer(offer_id, principal.user_id))
        return self._interaction_view(interaction_id)

    async def reject_offer(self, principal: Principal, offer_id: OfferId, reason: str) -> None:
        principal.require(ROUTING_WRITE)
        self._desktops.seen(principal)
        await self._wiring.ledger.carry_out(commands.RejectOffer(offer_id, principal.user_id, reason))

    async def connection_closed(self, principal: Principal) -> None:
        """The websocket is gone. Presence and media survive a grace period for a reconnect."""
        await self._desktops.closed(principal)

    # --- desktops: the interaction ------------------------------------------------------------------------

    async def add_participant(
        self, principal: Principal, interaction_id: InteractionId, wish: AddParticipant
    ) -> ParticipantView:
        """The same user again gives the participant there is. Another one while an escalation is in
        progress raises `ParticipantConflictError` (a ConflictError) with `.participant`."""
        return (await self.seek(principal, interaction_id, wish)).participant

    async def seek(self, principal: Principal, interaction_id: InteractionId, wish: AddParticipant) -> Added:
        """`add_participant`, and whether it changed anything."""
        self._invite(principal, interaction_id)
        kind, role = MediaType(wish.type), ParticipantRole(wish.role)
        if kind is MediaType.VIDEO:
            principal.require(VIDEO_USE)
        if role not in (ParticipantRole.SME, ParticipantRole.AGENT):
            raise NotAllowedError(f"a participant is added as sme or agent, not as {wish.role}")
        happened = await self._wiring.do(
            interaction_id,
            commands.SeekParticipant(
                interaction_id,
                wish.user_id,
                role,
                kind,
                principal.user_id,
                wish.properties,
                wish.second_expert,
            ),
        )
        return Added(self.peek_participant(interaction_id, wish.user_id), created=bool(happened))

    async def dial(self, principal: Principal, interaction_id: InteractionId, wish: DialOut) -> Added:
        """The participant is `alerting` while the phone rings. The same address again gives the one there is."""
        self._invite(principal, interaction_id)
        role = ParticipantRole(wish.role)
        if role not in (ParticipantRole.SME, ParticipantRole.AGENT):
            raise NotAllowedError(f"a participant is added as sme or agent, not as {wish.role}")
        self._dialer.routes(wish.address)  # no way out is said now, not by a phone that never rings
        command = commands.DialParticipant(
            interaction_id, wish.address, role, principal.user_id, wish.name, wish.second_expert
        )
        happened = await self._wiring.do(interaction_id, command)
        return Added(self.peek_dialed(interaction_id, wish.address), created=bool(happened))

    def peek_dialed(self, interaction_id: InteractionId, address: str) -> ParticipantView:
        """Whoever was called last at `address`."""
        interaction = self._wiring.desk.interaction(interaction_id)
        found = [p for p in interaction.participants if p.dialed_leg_id and p.address == address]
        return self.describe(found[-1])

    async def add_from_queue(
        self, principal: Principal, interaction_id: InteractionId, wish: AddFromQueue
    ) -> Added:
        """The participant stands for whoever the queue sends, and has a `user_id` once somebody accepts.

        The same queue again gives the participant there is; another one while an escalation is in progress
        raises `ParticipantConflictError`. A queue without video makes voice of it: `downgrade_reason` says so.
        """
        self._invite(principal, interaction_id)
        command = commands.SeekFromQueue(
            interaction_id,
            wish.queue_id,
            MediaType(wish.type),
            principal.user_id,
            wish.properties,
            wish.second_expert,
        )
        created = await self._queues.seek(principal, command)
        sought = self._wiring.desk.interaction(interaction_id).sought_in(wish.queue_id)
        if sought is None:
            raise NotFoundError(f"nobody is sought in {wish.queue_id} any more")
        return Added(self.describe(sought), created=created)

    # --- desktops: queues, callbacks, the work after a call -----------------------------------------------

    async def prove_ready(self, principal: Principal, readiness: Readiness) -> UserView:
        """The desktop's report about itself, to be repeated before it expires. After `set_presence`."""
        self._desktops.seen(principal)
        await self._queues.prove_ready(principal, readiness)
        return self._user_view(principal.user_id)

    def media_probe(self, principal: Principal) -> MediaProbe:
        """What the desktop checks its way to the media port with, for `prove_ready`."""
        principal.require(ROUTING_WRITE)
        return self._browsers.probe()

    async def complete_wrap_up(
        self, principal: Principal, interaction_id: InteractionId, code: str, note: str
    ) -> UserView:
        """The work after the principal's own part in a call is done."""
        self._desktops.seen(principal)
        await self._queues.complete_wrap_up(principal, interaction_id, code, note)
        return self._user_view(principal.user_id)

    async def queue_interaction(
        self, principal: Principal, interaction_id: InteractionId, queue_id: QueueId
    ) -> InteractionView:
        """Sends a waiting customer to another queue; place and clock go along."""
        self._write(principal, interaction_id)
        await self._queues.queue_interaction(principal, interaction_id, queue_id)
        return self._interaction_view(interaction_id)

    async def request_callback(
        self, principal: Principal, interaction_id: InteractionId, wish: CallbackWish
    ) -> CallbackView:
        """The call ends and is made again in the same place of the queue. Asked again: scheduled anew."""
        self._write(principal, interaction_id)
        return await self._queues.request_callback(principal, interaction_id, wish)

    async def cancel_callback(self, principal: Principal, interaction_id: InteractionId, reason: str) -> None:
        """Nobody is called back, and the interaction ends."""
        self._write(principal, interaction_id)
        await self._queues.cancel_callback(principal, interaction_id, reason)

    async def list_callbacks(self, principal: Principal) -> tuple[CallbackView, ...]:
        self._desktops.seen(principal)
        return await self._queues.list_callbacks(principal)

    async def list_queues(self, principal: Principal) -> tuple[QueueView, ...]:
        """All queues with their figures."""
        self._desktops.seen(principal)
        return await self._queues.list_queues(principal)

    async def get_queue(self, principal: Principal, queue_id: QueueId) -> QueueView:
        self._desktops.seen(principal)
        return await self._queues.get_queue(principal, queue_id)

    async def declare_queue(self, principal: Principal, queue: Queue) -> QueueView:
        """Makes or changes a queue, also one of the configuration. Scope queue:write."""
        self._desktops.seen(principal)
        return await self._queues.declare_queue(principal, queue)

    async def remove_queue(self, principal: Principal, queue_id: QueueId) -> None:
        """Only one in which nobody waits. Scope queue:write."""
        self._desktops.seen(principal)
        await self._queues.remove_queue(principal, queue_id)

    async def set_profile(self, principal: Principal, profile: Profile) -> None:
        """Skills, entitlements and capacity of a user. Scope user:write."""
        self._desktops.seen(principal)
        await self._queues.set_profile(principal, profile)

    # --- desktops: more of the interaction ----------------------------------------------------------------

    async def remove_participant(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id,
            commands.DisconnectParticipant(interaction_id, participant_id, principal.user_id, "removed"),
        )

    async def leave(self, principal: Principal, interaction_id: InteractionId) -> None:
        self._desktops.seen(principal)
        principal.require(INTERACTION_WRITE)
        participant = self._wiring.own_participant(principal, interaction_id)
        command = commands.DisconnectParticipant(
            interaction_id, participant.participant_id, principal.user_id, "left"
        )
        await self._wiring.do(interaction_id, command)

    async def end_interaction(self, principal: Principal, interaction_id: InteractionId) -> None:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id, commands.EndInteraction(interaction_id, principal.user_id, "ended")
        )

    async def mute(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id, commands.MuteParticipant(interaction_id, participant_id, principal.user_id)
        )

    async def unmute(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id, commands.UnmuteParticipant(interaction_id, participant_id, principal.user_id)
        )

    async def hold(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id, commands.HoldParticipant(interaction_id, participant_id, principal.user_id)
        )

    async def resume(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id, commands.ResumeParticipant(interaction_id, participant_id, principal.user_id)
        )

    async def set_attributes(
        self, principal: Principal, interaction_id: InteractionId, attributes: Mapping[str, str]
    ) -> InteractionView:
        self._write(principal, interaction_id)
        await self._wiring.do(
            interaction_id, commands.SetAttributes(interaction_id, attributes, principal.user_id)
        )
        return self._interaction_view(interaction_id)

    async def play_prompt(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        participant_id: ParticipantId | None,
        prompt: str,
    ) -> None:
        """Into one participant's ear, or into the whole room. Returns when it is told to play."""
        self._write(principal, interaction_id)
        await self._intake.play_prompt(interaction_id, participant_id, prompt)

    async def send_digits(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId, digits: str
    ) -> None:
        """Presses keys towards a participant's phone, for a menu at the other end. Returns when they are on
        their way; they take 200 ms each."""
        self._write(principal, interaction_id)
        await self._phones.send_digits(interaction_id, participant_id, digits)

    # --- desktops: reading --------------------------------------------------------------------------------

    async def get_interaction(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        self._desktops.seen(principal)
        await self._wiring.read()
        return self._wiring.portraits.interaction(self._wiring.readable(principal, interaction_id))

    async def list_interactions(self, principal: Principal) -> tuple[InteractionView, ...]:
        """The live ones the principal may see."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        live = self._wiring.desk.live_interactions()
        return tuple(
            self._wiring.portraits.interaction(interaction)
            for interaction in live
            if self._wiring.may_read(principal, interaction)
        )

    async def find_interactions(
        self, principal: Principal, wanted: InteractionFilter, cursor: str = "", limit: int = PAGE_MAX
    ) -> InteractionPage:
        """Those the principal may see, newest first, ended ones too while the desk remembers them."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        may_read = self._wiring.may_read
        found = (i for i in self._wiring.desk.interactions() if wanted.matches(i) and may_read(principal, i))
        page, next_cursor = page_of(found, cursor, limit)
        return InteractionPage(tuple(map(self._wiring.portraits.interaction, page)), next_cursor)

    def peek(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        """The interaction at this very moment, perhaps not on disk yet: to compare with, not to tell."""
        return self._wiring.portraits.interaction(self._wiring.readable(principal, interaction_id))

    def snapshot(self, interaction_id: InteractionId) -> InteractionView:
        """As `peek`, for the answer to a command that was allowed."""
        return self._interaction_view(interaction_id)

    def user_snapshot(self, user_id: UserId) -> UserView:
        return self._user_view(user_id)

    def interaction_of_offer(self, offer_id: OfferId) -> InteractionId:
        """Raises NotFoundError if the offer is over."""
        return self._wiring.desk.offer(offer_id).interaction_id

    def user_named(self, name: str) -> UserId:
        """The user whose id this is, ours or another system's."""
        return self._wiring.desk.user_named(name)

    def peek_participant(self, interaction_id: InteractionId, user_id: UserId) -> ParticipantView:
        """The live part of a user, at this very moment. Raises NotFoundError."""
        participant = self._wiring.desk.interaction(interaction_id).participant_of(user_id)
        if participant is None:
            raise NotFoundError(f"{user_id} left again")
        return self.describe(participant)

    def describe(self, participant: Participant) -> ParticipantView:
        """The view of one that an error carries."""
        return self._wiring.portraits.participant(participant)

    async def get_user(self, principal: Principal, user_id: UserId) -> UserView:
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        return self._user_view(user_id)

    async def list_prompts(self, principal: Principal) -> tuple[str, ...]:
        """The names `play_prompt` knows."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        return tuple(sorted(self._wiring.policy.sounds.prompts))

    async def timeline(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        after: int = 0,
        limit: int = TIMELINE_MAX_ENTRIES,
    ) -> tuple[TimelineView, ...]:
        """The audit trail above the number `after`, oldest first, at most TIMELINE_MAX_ENTRIES."""
        self._desktops.seen(principal)
        self._wiring.readable(principal, interaction_id)
        await self._wiring.read()
        limit = min(limit, TIMELINE_MAX_ENTRIES)
        entries = await self._journal.read(after, interaction_id, limit)
        return tuple(self._wiring.portraits.timeline(entry) for entry in entries)

    def list_trunks(self, principal: Principal) -> tuple[TrunkView, ...]:
        principal.require(TRUNK_ADMIN)
        return tuple(self._dialer.trunks())

    async def list_users(self, principal: Principal) -> tuple[UserView, ...]:
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        return tuple(self._user_view(expert.user_id) for expert in self._wiring.desk.experts())

    # --- desktops: media ----------------------------------------------------------------------------------

    async def offer_media(self, principal: Principal, interaction_id: InteractionId, sdp: str) -> MediaAnswer:
        """First and later offers of the caller's own browser leg. GlareError while ours is unanswered."""
        self._desktops.seen(principal)
        return await self._browsers.offer_media(principal, interaction_id, sdp)

    async def answer_media(self, principal: Principal, leg_id: LegId, sdp: str) -> None:
        """The answer to the offer that went out as `MediaOffered`."""
        self._desktops.seen(principal)
        await self._browsers.answer_media(principal, leg_id, sdp)

    async def trickle(self, principal: Principal, leg_id: LegId, candidate: str) -> None:  # noqa: ARG002
        """Checks that the leg is the caller's own; ICE-lite needs no remote candidates."""
        self._desktops.seen(principal)
        self._browsers.check_own(principal, leg_id)

    # --- inside -------------------------------------------------------------------------------------------

    def _write(self, principal: Principal, interaction_id: InteractionId) -> None:
        self._desktops.seen(principal)
        self._wiring.writable(principal, interaction_id)

    def _invite(self, principal: Principal, interaction_id: InteractionId) -> None:
        """Seeking somebody for it is routing, too."""
        principal.require(ROUTING_WRITE)
        self._write(principal, interaction_id)

    def _interaction_view(self, interaction_id: InteractionId) -> InteractionView:
        return self._wiring.portraits.interaction(self._wiring.desk.interaction(interaction_id))

    def _user_view(self, user_id: UserId) -> UserView:
        desk = self._wiring.desk
        return self._wiring.portraits.user(
            desk.expert(user_id), busy=desk.is_busy(user_id), wrapping_up=desk.is_wrapping_up(user_id)
        )

    def _committed(self, committed: Committed) -> None:
        for interaction in committed.interactions.values():
            self._wiring.conductor.touch(interaction)
        for event in committed.events:
            self._follow(event, committed)
        try:
            self._wiring.announcer.announce()
        except Exception:
            # The journal's writer stands behind this call: a view that fails must not stop every call.
            log.exception("! announcement", numbers=committed.numbers)

    def _follow(self, event: DeskEvent, committed: Committed) -> None:
        """What a committed event asks for beyond the state that is performed."""
        if isinstance(event, events.CallbackMoved):
            self._callbacks.receive(event, committed.interactions[event.interaction_id])
        elif isinstance(event, events.ParticipantDialed | events.ParticipantMoved):
            self._dial_outs.receive(event, committed.interactions[event.interaction_id])
            if isinstance(event, events.ParticipantMoved) and event.state is ParticipantState.IN_SESSION:
                self._intake.answered(event.interaction_id, event.participant_id)
        elif isinstance(event, events.PositionAnnounced) and event.prompt:
            self._intake.announce(event)
        elif isinstance(event, events.PromptStarted | events.PromptStopped):
            self.flows.receive(event, committed.interactions[event.interaction_id])

    def _numbered(self, committed: Committed) -> Sequence[Write]:
        """What goes to disk with a step: the copies that the outbox has to bring to others."""
        try:
            composed = self._wiring.announcer.compose(committed)
            copies = self._outbox.writes(composed) if self._outbox is not None else ()
            notices = self._notices.writes(committed.events) if self._notices is not None else ()
            return (*copies, *notices, *self._snapshots.writes(committed.numbers[-1]))
        except Exception:
            # The step has happened; a view that fails must not undo half of it.
            log.exception("! announcement", numbers=committed.numbers)
            return ()

    async def _perform(self, interaction: Interaction) -> None:
        await self._wiring.performance.perform(interaction)
        self._wake.set()  # an offer may have gone out that has to be answered in time

    def _leg_failed(self, leg: Leg, reason: str) -> None:
        if isinstance(leg, PhoneLeg):
            self._phones.fail(leg, reason)
        else:
            self._browsers.end(leg, "internal_error", reason)

    def _crashed(self, interaction_id: InteractionId) -> None:
        with contextlib.suppress(BridgeError):
            self._wiring.ledger.begin(
                commands.EndInteraction(interaction_id, SYSTEM, "internal error; the log says which")
            )

    async def _keep_deadlines(self) -> None:
        while True:
            at = self.timer()
            delay_s = None if at is None else max(0.0, at - self._clock.now())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            self._wake.clear()
            self.handle_timer(self._clock.now())
