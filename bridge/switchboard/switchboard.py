"""The one corridor behind all doors: it builds the use cases, one part a subject, and runs what they need."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from bridge.clock import Clock
from bridge.desk import commands
from bridge.desk.commands import SYSTEM
from bridge.desk.desk import Desk
from bridge.desk.interaction.interaction import Interaction
from bridge.errors import BridgeError, NotAllowedError, NotFoundError
from bridge.ids import IdSource, InteractionId, LegId
from bridge.journal.journal import Journal
from bridge.journal.snapshots import Snapshots
from bridge.plane import messages
from bridge.switchboard.browser.browsers import Browsers
from bridge.switchboard.browser.companions import Companions
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.browser.media import BrowserMedia
from bridge.switchboard.centre.accounts import Accounts
from bridge.switchboard.centre.queues import Queues
from bridge.switchboard.centre.users import Users
from bridge.switchboard.conversation.callbacks import Callbacks
from bridge.switchboard.conversation.flows import Flows
from bridge.switchboard.conversation.interactions import Interactions
from bridge.switchboard.conversation.offers import Offers
from bridge.switchboard.conversation.participants import Participants
from bridge.switchboard.conversation.prompts import Prompts
from bridge.switchboard.conversation.transfers import Transfers
from bridge.switchboard.diagnosis.diagnostics import Diagnostics
from bridge.switchboard.diagnosis.tracing import Tracing
from bridge.switchboard.door.doors import (
    ArrivingCall,
    CompanionDoor,
    DesktopDoor,
    NoticeOutbox,
    Outbox,
    PhoneDoor,
    Plane,
    Referrer,
)
from bridge.switchboard.intake import Intake
from bridge.switchboard.ledger.aftermath import Aftermath
from bridge.switchboard.ledger.announcer import Announcer
from bridge.switchboard.ledger.conductor import Conductor
from bridge.switchboard.ledger.deadlines import Deadlines
from bridge.switchboard.ledger.ledger import Ledger
from bridge.switchboard.performance.leg import Leg, Legs, PhoneLeg
from bridge.switchboard.performance.overload import Overload
from bridge.switchboard.performance.performance import Performance
from bridge.switchboard.performance.phone_memory import PhoneMemory
from bridge.switchboard.performance.reoffers import Reoffers
from bridge.switchboard.phone.dial_outs import DialOuts
from bridge.switchboard.phone.dialer import Dialer
from bridge.switchboard.phone.phones import Phones
from bridge.switchboard.phone.referrals import Referrals
from bridge.switchboard.phone.restoration import Restoration
from bridge.switchboard.phone.trunks import Trunks
from bridge.switchboard.view.portrait import Diagnoses, Portraits
from bridge.switchboard.view.view import TrunkView
from bridge.switchboard.wiring import SwitchboardPolicy, Wiring

log = structlog.get_logger()


class Switchboard:
    """Implements `Corridor` for the SIP door; its public parts are the commands of the web door.

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
        self._journal = journal
        snapshots = Snapshots(journal, desk, clock)
        diagnoses = Diagnoses()
        portraits = Portraits(clock, diagnoses, asks_for_proofs=desk.asks_for_proofs)
        legs, announcer = Legs(), Announcer(portraits)
        conductor = Conductor(self._perform, self._crashed)
        self._aftermath = Aftermath(conductor, announcer, snapshots)
        self._wiring = wiring = Wiring(
            desk=desk,
            journal=journal,
            ledger=Ledger(
                desk, journal, clock, self._aftermath.committed, self._stepped, self._aftermath.numbered
            ),
            legs=legs,
            conductor=conductor,
            performance=Performance(plane, legs, announcer, policy.sounds, clock, self._leg_failed),
            announcer=announcer,
            portraits=portraits,
            ids=IdSource(token_hex),
            token_hex=token_hex,
            clock=clock,
            policy=policy,
            phone_memory=PhoneMemory(journal),
            overload=Overload(),
        )
        self._restoration = Restoration(wiring, snapshots)
        self._dialer = Dialer(wiring)
        self._phones = Phones(wiring, self._dialer)
        self._browsers = Browsers(wiring)
        self._dial_outs = DialOuts(wiring, self._dialer)
        self._referrals = Referrals(wiring, self._dialer, self._dial_outs)
        self.reoffers = Reoffers(clock, self._phones.fail, self._phones.agreed, self._paused)
        self.diagnostics = Diagnostics(wiring, diagnoses)
        self.desktops = desktops = Desktops(wiring, self._browsers)
        self.accounts = Accounts(wiring, desktops)
        self.callbacks = Callbacks(wiring, desktops, self._dialer)
        self.companions = Companions(wiring, self._browsers, desktops)
        self.flows = Flows(wiring, desktops)
        self.interactions = Interactions(wiring, desktops)
        self.media = BrowserMedia(self._browsers, desktops)
        self.offers = Offers(wiring, desktops)
        self.participants = Participants(wiring, desktops, self._dialer, self._phones)
        self.prompts = Prompts(wiring, desktops, self.flows)
        self.queues = Queues(wiring, desktops)
        self.tracing = Tracing(wiring)
        self.transfers = Transfers(wiring, desktops)
        self.trunks = Trunks(wiring, self._dialer)
        self.users = Users(wiring, desktops)
        self._intake = Intake(
            wiring, self._phones, self._browsers, self.flows, self.prompts, self.diagnostics
        )
        self._deadlines = Deadlines(clock, (self._browsers, self.reoffers, wiring.ledger))
        self._aftermath.follow(self.callbacks, self._dial_outs, self.prompts, self.flows)

    def attach(
        self,
        phone_door: PhoneDoor,
        desktop_door: DesktopDoor,
        outbox: Outbox | None = None,
        companion_door: CompanionDoor | None = None,
        notices: NoticeOutbox | None = None,
    ) -> None:
        """Called once by the composition root, before `run`: the doors need the switchboard first."""
        self._aftermath.attach(outbox, notices)
        self._wiring.performance.attach(phone_door, self._wiring.phone_memory, self.reoffers)
        self._wiring.announcer.attach(desktop_door)
        self.reoffers.attach(phone_door)
        self._dialer.attach(phone_door)
        self.tracing.attach(phone_door)
        if outbox is not None:
            self.trunks.attach(outbox)
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
            tasks.create_task(self.callbacks.run())
            tasks.create_task(self._dial_outs.run())
            tasks.create_task(self.reoffers.run())
            tasks.create_task(self._deadlines.run())

    def timer(self) -> float | None:
        """The next deadline of desk, browsers and phones."""
        return self._deadlines.timer()

    def handle_timer(self, now: float) -> None:
        """Ends what is due. `run` does this by itself; a simulation does it by hand."""
        self._deadlines.handle_timer(now)

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
    def open_calls(self) -> int:
        """Interactions that a shutdown would cut off: a callback that waits for its turn is none."""
        return sum(
            not (i.is_promise and i.callback is not None and i.callback.leg_id is None)
            for i in self._wiring.desk.live_interactions()
        )

    @property
    def calls_refused(self) -> int:
        """Since the start, because the media worker could not keep up."""
        return self._wiring.overload.refused

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
        """Ends every call, for a shutdown that waits no longer. What was promised is kept for the next process."""
        for interaction in self._wiring.desk.live_interactions():
            if interaction.is_promise:
                continue
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

    def answer_lost(self, leg_id: LegId, offer: str) -> None:
        self._phones.answer_lost(leg_id, offer)

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

    async def refer(self, leg_id: LegId, target: str, referrer: Referrer) -> int:
        return await self._referrals.refer(leg_id, target, referrer)

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        await self._phones.hung_up(leg_id, reason)

    def expects(self, leg_id: LegId) -> bool:
        return self._phones.expects(leg_id)

    def trunk_moved(self, status: TrunkView, reason: str) -> None:
        self.trunks.moved(status, reason)

    # --- the media plane ----------------------------------------------------------------------------------

    def plane_event(self, event: messages.Event) -> None:
        """Spontaneous events, and `WorkerReady` first; replies go to whoever asked."""
        self._intake.receive_event(event)

    def plane_lost(self, reason: str) -> None:
        """The worker died. All legs and rooms are declared again at the next `WorkerReady`."""
        log.error("! media plane lost", reason=reason)
        self._intake.receive_loss()

    # --- inside -------------------------------------------------------------------------------------------

    async def _perform(self, interaction: Interaction) -> None:
        await self._wiring.performance.perform(interaction)
        self._deadlines.notice(self._browsers.timer())  # an offer may have gone out

    def _stepped(self) -> None:
        self._deadlines.notice(self._wiring.desk.timer())

    def _paused(self) -> None:
        self._deadlines.notice(self.reoffers.timer())

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
