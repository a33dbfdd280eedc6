"""Use cases of SIP legs: a call arrives, offers again, hangs up; its media comes and fails."""

from contextlib import suppress

import structlog
from msgspec.structs import replace

from bridge.desk import commands
from bridge.desk.commands import RESTART, SYSTEM
from bridge.desk.interaction.attributes import AttributeLimitError
from bridge.errors import (
    BridgeError,
    CapacityError,
    ConflictError,
    GlareError,
    NegotiationError,
    NotAllowedError,
    NotFoundError,
)
from bridge.ids import InteractionId, LegId, ParticipantId
from bridge.negotiation import PhoneSession
from bridge.switchboard.diagnosis.equipment import Equipment, phone_capabilities
from bridge.switchboard.door.doors import ArrivingCall
from bridge.switchboard.performance.leg import PhoneLeg, Place
from bridge.switchboard.phone.dialer import Dialer
from bridge.switchboard.view.event import MediaConnected
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

# Whatever a phone says of itself goes into views and the journal: bounded here.
MAX_ADDRESS_CHARACTERS = 256


class Phones:
    """`arrive` and its like for the SIP door. One interaction for each inbound call."""

    __slots__ = ("_dialer", "_draining", "_equipment", "_wiring")

    def __init__(self, wiring: Wiring, dialer: Dialer) -> None:
        self._wiring = wiring
        self._dialer = dialer
        self._equipment = Equipment(wiring)
        self._draining = False

    def drain(self) -> None:
        """Takes no new calls from now on."""
        self._draining = True

    async def arrive(self, call: ArrivingCall) -> str:
        if self._draining:
            raise CapacityError("the bridge is shutting down")
        known = self._wiring.legs.get(call.leg_id)
        if isinstance(known, PhoneLeg) and known.restored:
            return await self._answer_again(known, call)
        if call.replaces is None:  # otherwise one comes for one that goes
            self._wiring.overload.check()
        replaced = self._replaced(call.replaces) if call.replaces is not None else None
        leg = self._new_leg(call, replaced)
        if call.offer:
            leg.session.receive_offer(call.offer)
        self._wiring.legs.add(leg)
        try:
            if replaced is not None:
                return await self._take_over(leg, replaced, call)
            return await self._open(leg, call)
        except BaseException:
            # Refused, or the caller gave up meanwhile: nothing of the leg remains.
            await self._drop(leg)
            raise

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        known = self._wiring.legs.get(leg_id)
        if isinstance(known, PhoneLeg) and known.ringing is not None and not known.closing:
            return await self._dialer.reoffer(known, offer)
        leg = self._leg(leg_id)
        async with leg.lock:
            if not offer:
                if leg.session.offer_pending:
                    raise GlareError("an offer of the bridge's own is on its way")
                return leg.session.offer(
                    anew=True
                )  # RFC 3261 section 14.2; the answer may be another phone's
            before = leg.session.fork()
            leg.session.receive_offer(offer)
            try:
                await self._redeclare(leg)
            except BaseException:
                leg.session = before  # the phone gets no answer, and keeps to what was agreed
                raise
            answer = leg.session.answer()
            leg.moved = False  # the answer says where it is
        await self.agreed(leg)
        return answer

    def answer_lost(self, leg_id: LegId, offer: str) -> None:
        """Nobody knows what the phone made of it, so it is offered how things stand."""
        leg = self._wiring.legs.get(leg_id)
        if not isinstance(leg, PhoneLeg) or not leg.committed or leg.closing:
            return
        if not offer:
            leg.session.withdraw_offer()  # it was ours: no ACK will bring its answer
        if leg.session.offer_pending:
            leg.stale = True  # once the one on its way is answered
        else:
            leg.session.doubt_offer()
        self._wiring.conductor.touch_again(leg.interaction_id)

    async def late_answer(self, leg_id: LegId, answer: str) -> None:
        leg = self._leg(leg_id)
        if not leg.session.offer_pending:
            return  # the offer was the process's before this one, and a new one is on its way
        if not answer and leg.session.audio is not None:
            leg.session.withdraw_offer()  # the phone owes it, but the call can go on as it was
            self._wiring.conductor.touch_again(leg.interaction_id)
            return
        async with leg.lock:
            try:
                leg.session.receive_answer(answer)
            except NegotiationError as error:
                self._keep_session(leg, error.reason)
                return
            await self._redeclare(leg)
        await self.agreed(leg)

    def _keep_session(self, leg: PhoneLeg, reason: str) -> None:
        """The ACK cannot be refused, but what was agreed before it stands: the phone is offered that once more.

        Raises NegotiationError where nothing was agreed before.
        """
        if leg.session.audio is None:
            raise NegotiationError(reason)
        log.info("x late answer", interaction=leg.interaction_id, leg=leg.leg_id, reason=reason)
        leg.session.doubt_offer()
        self._wiring.conductor.touch_again(leg.interaction_id)

    async def agreed(self, leg: PhoneLeg) -> None:
        """Offer and answer came to something else: it is kept, told to the desk, and performed."""
        if self._wiring.legs.get(leg.leg_id) is not leg:
            return  # the call ended meanwhile, and what was kept of it is forgotten
        await self._wiring.phone_memory.keep(leg)
        await self._note_remote_hold(leg)
        self._wiring.conductor.touch_again(leg.interaction_id)

    def refresh(self, leg_id: LegId) -> None:
        """The phone is told once more what it knows; if it will not hear of it, the call goes on."""
        leg = self._wiring.legs.get(leg_id)
        if isinstance(leg, PhoneLeg) and leg.committed and not leg.closing:
            leg.stale = True
            self._wiring.conductor.touch_again(leg.interaction_id)

    def picture_wanted(self, leg_id: LegId) -> None:
        """Declared as one more key frame, so that saying the leg again asks for none."""
        leg = self._wiring.legs.get(leg_id)
        if isinstance(leg, PhoneLeg) and leg.committed and not leg.closing:
            leg.key_frames_wanted += 1
            self._wiring.conductor.touch_again(leg.interaction_id)

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        leg = self._wiring.legs.get(leg_id)
        if isinstance(leg, PhoneLeg):
            leg.closing = True
            if leg.committed and leg.heir is None:
                await self._disconnect(leg, leg.participant_id, reason)

    async def send_digits(
        self, interaction_id: InteractionId, participant_id: ParticipantId, digits: str
    ) -> None:
        """Keys towards a participant's phone. They are in no log: they may be a card number."""
        wiring = self._wiring
        participant = wiring.desk.interaction(interaction_id).live_participant(participant_id)
        for leg_id in participant.leg_ids:
            leg = wiring.legs.get(leg_id)
            if isinstance(leg, PhoneLeg) and leg.committed and not leg.closing:
                await wiring.performance.send_digits(leg, wiring.token_hex(8), digits)
                log.info("> digits", leg=leg_id, count=len(digits))
                return
        raise NotAllowedError(f"participant {participant_id} has no phone to send digits to")

    def expects(self, leg_id: LegId) -> bool:
        """Whether the call of this leg, known from before a restart, is to go on."""
        return self._wiring.legs.get(leg_id) is not None

    def media_connected(self, leg: PhoneLeg) -> None:
        leg.connected = True
        event = MediaConnected(leg.interaction_id, leg.participant_id, leg.leg_id)
        self._wiring.announcer.tell_inside(event, leg.interaction_id)

    def fail(self, leg: PhoneLeg, reason: str) -> None:
        """The leg's media is gone for good: the call ends, with a BYE."""
        if self._is_released(leg):
            return
        by = RESTART if leg.restored else SYSTEM
        with suppress(NotAllowedError, NotFoundError):
            self._wiring.ledger.begin(
                commands.DisconnectParticipant(leg.interaction_id, leg.participant_id, by, reason)
            )

    async def _open(self, leg: PhoneLeg, call: ArrivingCall) -> str:
        wiring = self._wiring
        async with leg.lock:
            await wiring.performance.declare_phone(leg, None)
            text = leg.session.answer() if call.offer else leg.session.offer()
        self._check_still_there(leg)
        opening = commands.OpenInteraction(
            leg.interaction_id,
            leg.room_id,
            leg.participant_id,
            leg.leg_id,
            call.caller[:MAX_ADDRESS_CHARACTERS],
            call.called[:MAX_ADDRESS_CHARACTERS],
            dict(call.ways),
            capabilities=phone_capabilities(leg),
        )
        keeping = (*wiring.phone_memory.keeping(leg), *call.beside(text))
        try:
            _, durable = wiring.ledger.begin(opening, keeping)
        except AttributeLimitError:  # no call is refused for what it says of its way
            _, durable = wiring.ledger.begin(replace(opening, attributes={}), keeping)
        leg.committed = True
        await wiring.ledger.finish(durable)
        log.info("= call arrived", interaction=leg.interaction_id, leg=leg.leg_id)
        self._check_still_there(leg)
        return text

    async def _take_over(self, leg: PhoneLeg, replaced: PhoneLeg, call: ArrivingCall) -> str:
        """The same participant by another call; the old one is hung up once the new one is on disk."""
        wiring = self._wiring
        replaced.heir = leg
        try:
            async with leg.lock:
                await wiring.performance.declare_phone(leg, None)
                text = leg.session.answer() if call.offer else leg.session.offer()
            self._check_still_there(leg)
            if call.early_only and replaced.ringing is None:
                raise ConflictError("another phone has answered already")
            _check_waits(call)
            taking = commands.ReplaceLeg(leg.interaction_id, leg.participant_id, replaced.leg_id, leg.leg_id)
            _, durable = wiring.ledger.begin(taking, wiring.phone_memory.keeping(leg))
        except BaseException:
            await self._disinherit(leg, replaced)
            raise
        leg.committed, leg.since = True, wiring.desk.interaction(leg.interaction_id).version
        replaced.heir = None
        try:
            await wiring.ledger.finish(durable)
            _check_waits(call)
        except BaseException:
            self._give_back(leg, replaced)
            raise
        log.info("= call replaced", interaction=leg.interaction_id, leg=leg.leg_id, replaced=replaced.leg_id)
        await self._dialer.drop(replaced, "replaced by another call")
        wiring.phone_memory.forget(replaced.leg_id)
        self._check_still_there(leg)
        return text

    async def _disinherit(self, leg: PhoneLeg, replaced: PhoneLeg) -> None:
        """Nobody took the old call over: if it ended meanwhile, that was its end."""
        if replaced.heir is not leg:
            return
        replaced.heir = None
        if replaced.closing and replaced.committed:
            await self._disconnect(replaced, replaced.participant_id, "hung up")

    def _give_back(self, leg: PhoneLeg, replaced: PhoneLeg) -> None:
        """The new call came to nothing before the old one was hung up: that one goes on."""
        if replaced.closing or replaced.ringing is not None:
            return
        back = commands.ReplaceLeg(leg.interaction_id, leg.participant_id, leg.leg_id, replaced.leg_id)
        with suppress(BridgeError):  # it is over
            self._wiring.ledger.begin(back)
            leg.committed = False
            self._wiring.phone_memory.forget(leg.leg_id)

    async def _answer_again(self, leg: PhoneLeg, call: ArrivingCall) -> str:
        """The bridge was killed between opening the interaction and answering: the caller keeps the place."""
        try:
            async with leg.lock:
                leg.session.withdraw_offer()  # it waited for this call
                if call.offer:
                    leg.session.receive_offer(call.offer)
                await self._redeclare(leg)
                text = leg.session.answer() if call.offer else leg.session.offer()
                leg.moved = False
            await self._wiring.phone_memory.keep(leg)
            self._check_still_there(leg)
        except BaseException:
            self.fail(leg, "the call could not be answered after the restart")
            raise
        leg.restored = False
        log.info("= call arrived again", interaction=leg.interaction_id, leg=leg.leg_id)
        return text

    async def _drop(self, leg: PhoneLeg) -> None:
        leg.closing = True
        if leg.committed:
            self.fail(leg, "the call was given up while it was set up")
            return
        self._wiring.legs.remove(leg)
        await self._wiring.performance.remove_from_plane(leg)

    async def _disconnect(self, leg: PhoneLeg, by: str, reason: str) -> None:
        command = commands.DisconnectParticipant(leg.interaction_id, leg.participant_id, by, reason)
        if self._is_released(leg):
            return
        with suppress(NotAllowedError, NotFoundError):  # the interaction ended first
            await self._wiring.ledger.carry_out(command)

    def _is_released(self, leg: PhoneLeg) -> bool:
        """The call of somebody who will be called back, or has another one: its end is not theirs."""
        with suppress(NotFoundError):
            interaction = self._wiring.desk.interaction(leg.interaction_id)
            participant = interaction.participant(leg.participant_id)
            elsewhere = interaction.callback is not None or bool(participant.leg_ids)
            return elsewhere and leg.leg_id not in participant.leg_ids
        return False

    async def _redeclare(self, leg: PhoneLeg) -> None:
        interaction = self._wiring.desk.interaction(leg.interaction_id)
        participant = interaction.participant(leg.participant_id)
        await self._wiring.performance.declare_phone(leg, participant)

    async def _note_remote_hold(self, leg: PhoneLeg) -> None:
        held = leg.session.held_by_remote
        command = commands.SetRemoteHold(leg.interaction_id, leg.participant_id, held)
        with suppress(NotAllowedError, NotFoundError):
            await self._wiring.ledger.carry_out(command)
        await self._equipment.note(leg)

    def _replaced(self, leg_id: LegId) -> PhoneLeg:
        """The call that another may take the place of: one that is up, or one of ours that rings."""
        leg = self._wiring.legs.get(leg_id)
        if isinstance(leg, PhoneLeg) and leg.ringing is not None and not leg.closing:
            return leg
        return self._leg(leg_id)

    def _leg(self, leg_id: LegId) -> PhoneLeg:
        leg = self._wiring.legs.get(leg_id)
        if not isinstance(leg, PhoneLeg) or not leg.committed or leg.closing:
            raise NotFoundError(f"no call on leg {leg_id}")
        return leg

    def _new_leg(self, call: ArrivingCall, replaced: PhoneLeg | None) -> PhoneLeg:
        wiring = self._wiring
        ids = wiring.ids
        # RFC 8866 section 5.2: numeric; below 2^62, where every phone can read it.
        session_id = int(wiring.token_hex(7), 16)
        if replaced is not None:
            place = Place(replaced.interaction_id, replaced.participant_id, replaced.room_id)
        else:
            place = Place(ids.interaction(), ids.participant(), ids.room())
        session = PhoneSession(session_id, wiring.policy.phone_of(call.trunk_id))
        session.claims_video = call.claims_video
        return PhoneLeg(call.leg_id, place, session, call.trunk_id)

    def _check_still_there(self, leg: PhoneLeg) -> None:
        if leg.closing:
            raise NotFoundError(f"the caller of {leg.leg_id} hung up while the call was set up")


def _check_waits(call: ArrivingCall) -> None:
    """While the old call is still there to go on with."""
    if not call.waits():
        raise NotFoundError(f"the caller of {call.leg_id} gave up before the call was taken over")
