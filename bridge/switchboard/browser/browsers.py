"""Use cases of browser legs: offer and answer both ways, coming back after a lost connection."""

from contextlib import suppress

import msgspec
import structlog

from bridge.desk import commands
from bridge.desk.interaction.participant import Participant
from bridge.errors import (
    BridgeError,
    ForbiddenError,
    GlareError,
    NotAllowedError,
    NotFoundError,
    PlaneLostError,
)
from bridge.ids import InteractionId, LegId, UserId
from bridge.negotiation import BrowserSession, PeerReplacedError
from bridge.plane import messages
from bridge.switchboard.diagnosis.equipment import Equipment
from bridge.switchboard.door.principal import VIDEO_USE, Principal
from bridge.switchboard.performance.leg import BrowserLeg, PhoneLeg, Place
from bridge.switchboard.performance.picture import tastes_of
from bridge.switchboard.view.event import MediaConnected, MediaOffered, VideoPathChosen
from bridge.switchboard.view.view import MediaAnswer, MediaProbe
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

_REASONS = {
    "no_answer": "the bridge's offer was not answered in time",
    "replaced": "another connection of the same user took over",
    "plane_lost": "the media worker was lost",
}


class Browsers:
    """One leg for each participant who is a user; whichever connection of the user offers last has it."""

    __slots__ = ("_equipment", "_ready", "_wiring")

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._equipment = Equipment(wiring)
        self._ready: messages.WorkerReady | None = None

    def plane_ready(self, ready: messages.WorkerReady) -> None:
        self._ready = ready

    def plane_lost(self) -> None:
        """DTLS died with the worker: every browser has to come with a new connection."""
        self._ready = None
        for leg in self._wiring.legs:
            if isinstance(leg, BrowserLeg):
                self.end(leg, "plane_lost", _REASONS["plane_lost"])

    def probe(self) -> MediaProbe:
        """What a desktop checks its way to the media port with. PlaneLostError while there is no worker."""
        if self._ready is None:
            raise PlaneLostError("the media worker is not ready; try again in a moment")
        ready = self._ready
        fingerprint = f"{ready.fingerprint.algorithm} {ready.fingerprint.value}"
        return MediaProbe(
            ready.ice_candidates,
            ready.probe.ufrag,
            ready.probe.pwd,
            fingerprint,
            self._wiring.policy.prove_every_s,
            self._wiring.desk.asks_for_proofs,
        )

    # --- offer and answer ---------------------------------------------------------------------------------

    async def offer_media(self, principal: Principal, interaction_id: InteractionId, sdp: str) -> MediaAnswer:
        participant = self._wiring.own_participant(principal, interaction_id)
        if not (participant.is_present or participant.is_customer):
            raise NotAllowedError(f"participant {participant.participant_id} is {participant.state}")
        leg = self._wiring.legs.browser_of(participant.participant_id, interaction_id)
        if leg is not None:
            with suppress(PeerReplacedError):
                return await self._offer_again(leg, principal, sdp)
            # A reloaded page, or another tab: a new peer connection takes the place of the old one.
            self.end(leg, "replaced", _REASONS["replaced"], rejoin=False)
        return await self._offer_first(principal, interaction_id, participant, sdp)

    async def answer_media(self, principal: Principal, leg_id: LegId, sdp: str) -> None:
        leg = self._own_leg(principal, leg_id)
        async with leg.lock:
            leg.session.receive_answer(sdp)
            leg.offered_at = None
            await self._declare(leg)
        await self._equipment.note(leg)
        self._wiring.conductor.touch_again(leg.interaction_id)

    def check_own(self, principal: Principal, leg_id: LegId) -> None:
        self._own_leg(principal, leg_id)

    async def _offer_again(self, leg: BrowserLeg, principal: Principal, sdp: str) -> MediaAnswer:
        async with leg.lock:
            answer = leg.session.receive_offer(sdp)
            leg.connection_id = principal.connection_id
            await self._declare(leg)
        await self._equipment.note(leg)
        # Last, and without an await after it: our own offer must not overtake this answer.
        self._wiring.conductor.touch_again(leg.interaction_id)
        return MediaAnswer(leg.leg_id, answer, leg.session.refusals)

    async def _offer_first(
        self, principal: Principal, interaction_id: InteractionId, participant: Participant, sdp: str
    ) -> MediaAnswer:
        wiring = self._wiring
        leg = self._new_leg(principal, interaction_id, participant)
        phones = (other for other in wiring.legs.of(interaction_id) if isinstance(other, PhoneLeg))
        async with leg.lock:
            leg.session.serve(tastes_of(phones))  # who of all is shown is seen later; this costs nothing
            answer = leg.session.receive_offer(sdp)
            wiring.legs.add(leg)
            try:
                await wiring.performance.declare_browser(leg, participant)
                _, durable = wiring.ledger.begin(
                    commands.AttachLeg(interaction_id, participant.participant_id, leg.leg_id)
                )
                leg.committed = True
                await wiring.ledger.finish(durable)
            except BaseException:
                await self._drop(leg)
                raise
        if leg.closing:  # its end was told before anybody knew its name
            raise GlareError("the leg ended while it was set up: offer again")
        log.info("= browser leg", interaction=interaction_id, leg=leg.leg_id, user=principal.user_id)
        await self._equipment.note(leg)
        self._explain_missing_video(leg, principal, sdp)
        wiring.conductor.touch_again(interaction_id)
        return MediaAnswer(leg.leg_id, answer, leg.session.refusals)

    def _new_leg(
        self, principal: Principal, interaction_id: InteractionId, participant: Participant
    ) -> BrowserLeg:
        if self._ready is None:
            raise PlaneLostError("the media worker is not ready; try again in a moment")
        wiring = self._wiring
        preferences = wiring.policy.browser
        takes_video = VIDEO_USE in principal.scopes
        if not takes_video:
            preferences = msgspec.structs.replace(preferences, video_codecs=())
        if participant.is_customer:
            # The sound stays on the phone: two microphones in one room would be an echo.
            preferences = msgspec.structs.replace(preferences, audio_codecs=())
        session = BrowserSession(
            fingerprint=self._ready.fingerprint,
            ice_candidates=self._ready.ice_candidates,
            token_hex=wiring.token_hex,
            preferences=preferences,
        )
        room_id = wiring.desk.interaction(interaction_id).room_id
        place = Place(interaction_id, participant.participant_id, room_id)
        leg = BrowserLeg(wiring.ids.leg(), place, principal.user_id, principal.connection_id, session)
        leg.takes_video = takes_video
        leg.is_companion = participant.is_customer
        return leg

    async def _drop(self, leg: BrowserLeg) -> None:
        if leg.committed:
            self._detach(leg, "given up while it was set up")
            return
        leg.closing = True
        self._wiring.legs.remove(leg)
        await self._wiring.performance.remove_from_plane(leg)

    async def _declare(self, leg: BrowserLeg) -> None:
        interaction = self._wiring.desk.interaction(leg.interaction_id)
        participant = interaction.participant(leg.participant_id)
        hidden = self._wiring.performance.hidden_from(leg, interaction)
        await self._wiring.performance.declare_browser(leg, participant, hidden)

    def _explain_missing_video(self, leg: BrowserLeg, principal: Principal, sdp: str) -> None:
        """A downgrade to voice is said, never silent."""
        if "m=video" in sdp and VIDEO_USE not in principal.scopes:
            reason = f"the token of {principal.user_id} lacks the scope {VIDEO_USE}: voice only"
            event = VideoPathChosen(leg.interaction_id, leg.leg_id, "", "none", reason)
            self._wiring.announcer.tell_connection(event, leg.connection_id)

    def _own_leg(self, principal: Principal, leg_id: LegId) -> BrowserLeg:
        leg = self._wiring.legs.get(leg_id)
        if not isinstance(leg, BrowserLeg) or leg.user_id != principal.user_id or leg.closing:
            raise NotFoundError(f"no leg {leg_id} of {principal.user_id}")
        if leg.connection_id != principal.connection_id:
            raise ForbiddenError(f"leg {leg_id} belongs to another connection of {principal.user_id}")
        return leg

    # --- what happens to a leg ----------------------------------------------------------------------------

    def media_connected(self, leg: BrowserLeg) -> None:
        leg.connected = True
        event = MediaConnected(leg.interaction_id, leg.participant_id, leg.leg_id)
        self._wiring.announcer.tell_inside(event, leg.interaction_id)
        with suppress(NotAllowedError, NotFoundError):
            self._wiring.ledger.begin(commands.ConnectMedia(leg.interaction_id, leg.participant_id))
        self._equipment.note_soon(leg)
        self._wiring.conductor.touch_again(leg.interaction_id)

    def end(self, leg: BrowserLeg, code: str, reason: str, *, rejoin: bool = True) -> None:
        """The leg's media is gone for good; its participant may bring another in time."""
        log.info("x browser leg", leg=leg.leg_id, code=code, reason=reason)
        self._wiring.performance.end_browser(leg, code, reason, rejoin=rejoin)
        self._detach(leg, reason)

    def rebind(self, user_id: UserId, connection_id: str, open_connections: frozenset[str]) -> None:
        """A new connection inherits legs whose connection closed, and the offer that may have got lost."""
        for leg in self._wiring.legs.browsers():
            if leg.user_id != user_id or leg.connection_id in open_connections:
                continue
            leg.connection_id = connection_id
            if leg.session.offer_pending:
                leg.offered_at = self._wiring.clock.now()
                event = MediaOffered(leg.interaction_id, leg.leg_id, leg.session.offer())
                self._wiring.announcer.tell_connection(event, connection_id)

    def orphan(self, connection_id: str) -> None:
        """The connection closed. Its legs are nobody's until the next one inherits them; the media go on."""
        for leg in self._wiring.legs.browsers():
            if leg.connection_id == connection_id:
                leg.connection_id = ""

    def timer(self) -> float | None:
        """When the oldest unanswered offer has waited long enough."""
        waiting = [leg.offered_at for leg in self._offered()]
        oldest = min((at for at in waiting if at is not None), default=None)
        return None if oldest is None else oldest + self._wiring.policy.answer_s

    def handle_timer(self, now: float) -> None:
        for leg in self._offered():
            if leg.offered_at is not None and leg.offered_at + self._wiring.policy.answer_s <= now:
                self.end(leg, "no_answer", _REASONS["no_answer"])

    def _offered(self) -> list[BrowserLeg]:
        """Those whose browser can be reached, and was: the time of the others is their user's to come back."""
        legs = self._wiring.legs.browsers()
        return [leg for leg in legs if leg.offered_at is not None and leg.connection_id]

    def _detach(self, leg: BrowserLeg, reason: str) -> None:
        leg.offered_at = None
        try:
            self._wiring.ledger.begin(
                commands.DetachLeg(leg.interaction_id, leg.participant_id, leg.leg_id, reason)
            )
        except BridgeError:
            # The participant is out already; the performance that follows takes the leg away.
            self._wiring.conductor.touch_again(leg.interaction_id)
