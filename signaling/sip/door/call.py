"""The SIP door: the agent's events become calls of the corridor, and the switchboard's wishes commands.

Each call has one task that sees its events in order, inside a guard that ends that call only.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Protocol, assert_never, runtime_checkable

import structlog

from bridge.clock import Clock
from bridge.errors import (
    BridgeError,
    CallFailedError,
    ConflictError,
    GlareError,
    NotFoundError,
)
from bridge.ids import NO_TRUNK, IdSource, LegId
from bridge.switchboard.door.doors import Corridor, LegKeeper, Route, Signal
from bridge.switchboard.view.view import TrunkView
from signaling.sip.agent.request.requester import NO_ANSWER
from signaling.sip.diagnosis.masking import mask, summary
from signaling.sip.door.attendance import Attendance, Lobby, hang_up
from signaling.sip.door.call_leg import MAX_INBOX, CallLeg, CallLegs, Forgetful
from signaling.sip.door.referring import Referrers, Referring, dialed_target
from signaling.sip.session.event import (
    AgentEvent,
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallProgressed,
    CallRefused,
    CallReoffered,
    DigitPressed,
    PictureWanted,
    ReferralArrived,
    RefreshDue,
    ReofferAnswered,
    ReofferRefused,
    TrunkMoved,
)
from signaling.sip.session.memory import arriving_call_id
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.trunk.trunk import Trunk

GLARE_PAUSE_S = 0.2
GLARE = 491
PASSING = (500, 503)  # with a Retry-After
PASSING_MAX_S = (
    4.0  # as after a 491 at most: a phone that is to follow to a new port hears nothing until then
)
# Calls on their way from INVITE to answer; those behind them wait for their turn. With four hundred at once the port
# is read so seldom that phones said everything up to four times, and a quarter fewer calls were answered (measured).
SET_UP_AT_ONCE = 32

_log = structlog.get_logger("sip")


@runtime_checkable
class TrunkWatcher(Protocol):
    """A corridor that wants to hear of trunks that go and come back."""

    def trunk_moved(self, status: TrunkView, reason: str) -> None: ...


_Response = CallAnswered | CallRefused | ReofferAnswered | ReofferRefused


class SipDoor:
    """Implements `PhoneDoor`. `open` it with the corridor, `drain` it, `close` it."""

    def __init__(
        self,
        settings: EndpointSettings,
        clock: Clock,
        ids: IdSource,
        token_hex: Callable[[int], str],
    ) -> None:
        self._ids = ids
        self._own_hosts = {settings.address, settings.advertised_address} - {""}
        self._trunks = settings.agent.trunks
        self._endpoint = SipEndpoint(settings, clock, token_hex, self._on_event)
        self._corridor: Corridor | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._legs = CallLegs(lambda call: self._endpoint.agent.remember(call))
        self._arriving_again: dict[str, LegId] = {}  # by Call-ID: their interactions are open already
        self._referrers = Referrers()
        self._lobby = Lobby(SET_UP_AT_ONCE)
        self._opened = asyncio.Event()
        self._dropped = 0

    async def open(
        self,
        tasks: asyncio.TaskGroup,
        corridor: Corridor,
        keeper: LegKeeper | None = None,
        remembered: Mapping[LegId, bytes] = MappingProxyType({}),
    ) -> None:
        """Takes calls from now on; their tasks run in `tasks`. Raises OSError if the port is taken.

        `keeper` is told what a restart needs of each call, `remembered` is what an earlier process told it.
        """
        self._tasks = tasks
        self._corridor = corridor
        self._legs.keeper = keeper or Forgetful()
        await self._endpoint.open(tasks, lambda: self._restore(remembered))
        self._opened.set()

    @property
    def port(self) -> int:
        """The port of UDP and TCP, once open."""
        return self._endpoint.port

    @property
    def tls_port(self) -> int:
        return self._endpoint.tls_port

    def drain(self) -> None:
        """No new calls: 503 to INVITE and to the OPTIONS by which a balancer asks."""
        self._endpoint.agent.drain()

    def close(self) -> None:
        """Hangs up what is left, without waiting for the phones to agree, and closes the port."""
        for leg in self._legs:
            self._hang_up(leg, "the bridge is closing")
            self._legs.forget(leg)
        self.abort()

    def abort(self) -> None:
        """Closes the port at once: what was kept of each call stays for another door to go on with."""
        self._legs.keeper = Forgetful()
        self._endpoint.close()
        for task in self._running:
            task.cancel()

    def counters(self) -> dict[str, int]:
        refused = self._lobby.refused.counters()
        return {
            **self._endpoint.counters(),
            "sip_dropped_keys_total": self._dropped,
            **{f"{name}_total": count for name, count in refused.items()},
        }

    @property
    def calls(self) -> int:
        return len(self._legs)

    def signals(self, leg_id: LegId) -> tuple[Signal, ...]:
        """What was said on the wire in this leg's call, masked; nothing once it is forgotten."""
        return tuple(
            Signal(
                message.at,
                leg_id,
                message.received,
                message.flow.transport,
                f"{message.flow.host}:{message.flow.port}",
                summary(message.data),
                mask(message.data),
            )
            for message in self._endpoint.trace.of(leg_id)
        )

    # --- what the switchboard asks ------------------------------------------------------------------------

    async def hang_up(self, leg_id: LegId, reason: str) -> None:
        """Sends BYE, CANCEL or a final refusal, as the call's state asks. An unknown leg is fine."""
        await self._opened.wait()
        leg = self._legs.get(leg_id)
        if leg is not None:
            self._hang_up(leg, reason)

    def routes(self, number: str) -> Sequence[Route]:
        """A SIP URI is dialed as it stands, a number through the trunks that have a target."""
        if number.lower().startswith(("sip:", "sips:")):
            return (Route(NO_TRUNK, number),)
        trunks = self._endpoint.agent.ways_out() if self._opened.is_set() else self._trunks.ways_out()
        return tuple(Route(trunk.trunk_id, trunk.address_of(number)) for trunk in trunks)

    def trunks(self) -> Sequence[TrunkView]:
        if not self._opened.is_set():
            return ()
        return tuple(self._status_of(trunk) for trunk in self._trunks)

    async def dial(self, leg_id: LegId, route: Route, offer: str) -> str:
        """Calls the route's target and returns the answer. Raises CallFailedError with the status.

        Cancelling it cancels the call.
        """
        await self._opened.wait()
        if self._legs.get(leg_id) is not None:
            raise ConflictError(f"leg {leg_id} has a call already")
        agent = self._endpoint.agent
        headers = self._referrers.headers(leg_id)
        now = self._endpoint.now()
        call = agent.invite(route.target, offer, now, headers=headers, trunk_id=route.trunk_id)
        leg = self._enter(leg_id, call, agent.call_id(call))
        leg.dialing = asyncio.get_running_loop().create_future()
        leg.log.info("> call", target=route.target, trunk=route.trunk_id)
        try:
            await self._legs.keep(leg, agent.remember(call))
            self._endpoint.flush()
            answer = await leg.dialing
        except asyncio.CancelledError:
            self._hang_up(leg, "")
            raise
        finally:
            leg.dialing = None
        return answer

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        """Re-INVITE, once the ACK of an earlier answer is in; returns the answer.

        Raises GlareError when the phone offered at the same moment, or says itself that it can take no offer now: it
        has been waited long enough then (RFC 3261 sections 14.1 and 14.2), and a new offer may go out at once.
        Otherwise CallFailedError.
        """
        await self._opened.wait()
        leg = self._legs.get(leg_id)
        if leg is None:
            raise NotFoundError(f"leg {leg_id} has no SIP call")
        if leg.reoffering is not None:
            raise ConflictError("another offer is on its way in this call")
        await leg.acknowledged.wait()
        await self._legs.keep(leg, self._endpoint.agent.remember(leg.call))
        try:
            self._endpoint.agent.reinvite(leg.call, offer, self._endpoint.now())
        except ConflictError as error:
            await asyncio.sleep(GLARE_PAUSE_S)  # the phone's offer is being answered
            raise GlareError(error.reason) from error
        leg.reoffering = asyncio.get_running_loop().create_future()
        self._endpoint.flush()
        try:
            outcome = await leg.reoffering
        finally:
            leg.reoffering = None
        if isinstance(outcome, ReofferAnswered):
            return outcome.answer
        pause_s = _pause_s(outcome)
        if pause_s is not None:
            await asyncio.sleep(pause_s)
            raise GlareError("the phone cannot take an offer at this moment: make a new one")
        raise CallFailedError(f"the phone refused the change: {outcome.reason}", outcome.status)

    def press(self, leg_id: LegId, keys: str) -> None:
        leg = self._legs.get(leg_id)
        if leg is None:
            raise NotFoundError(f"leg {leg_id} has no SIP call")
        self._endpoint.agent.press(leg.call, keys, self._endpoint.now())
        self._endpoint.flush()

    def ask_for_picture(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        with suppress(NotFoundError):
            self._endpoint.agent.ask_for_picture(leg.call, self._endpoint.now())
        self._endpoint.flush()

    # --- what the agent tells -----------------------------------------------------------------------------

    def _on_event(self, event: AgentEvent) -> None:
        if isinstance(event, CallArrived):
            self._arrived(event)
            return
        if isinstance(event, TrunkMoved):
            self._trunk_moved(event)
            return
        leg = self._legs.of(event.call)
        if leg is None:
            return
        match event:
            case CallAnswered() | CallRefused() | ReofferAnswered() | ReofferRefused():
                self._responded(leg, event)
            case CallReoffered() | RefreshDue() | DigitPressed() | PictureWanted() | ReferralArrived():
                self._put(leg, event)
            case CallAcknowledged():
                self._legs.keep_along(leg)
                leg.acknowledged.set()
                self._put(leg, event)
            case CallEnded():
                self._ended(leg, event)
            case CallProgressed():
                self._legs.begin_keep(leg)  # after a 3xx another INVITE rings, which a restart must cancel
                if not leg.attended:
                    self._spawn(leg, None)
                self._put(leg, event)
            case _:
                assert_never(event)

    def _trunk_moved(self, event: TrunkMoved) -> None:
        trunk = self._trunks.get(event.trunk_id)
        _log.info("= trunk", trunk=event.trunk_id, state=event.state.value, reason=event.reason)
        if trunk is not None and isinstance(self._corridor, TrunkWatcher):
            self._corridor.trunk_moved(self._status_of(trunk), event.reason)

    def _status_of(self, trunk: Trunk) -> TrunkView:
        state, calls = self._endpoint.agent.trunk_state(trunk)
        return TrunkView(
            trunk.trunk_id,
            trunk.name,
            trunk.target,
            state.value,
            calls,
            trunk.max_calls,
            trunk.priority,
        )

    def _responded(self, leg: CallLeg, event: _Response) -> None:
        match event:
            case CallAnswered():
                leg.log.info("= answered")
                self._legs.begin_keep(leg)
                if not leg.attended:
                    self._spawn(leg, None)
                self._put(leg, event)  # behind what was told while it rang
            case CallRefused():
                reason = f"{event.status} {event.reason}"
                self._refused(
                    leg,
                    CallFailedError(
                        reason, event.status, event.retry_after_s, unreached=_is_unreached(event)
                    ),
                )
            case ReofferAnswered() | ReofferRefused():
                self._legs.begin_keep(leg)  # the phone may have moved, and a number is used
                if leg.reoffering is not None and not leg.reoffering.done():
                    leg.reoffering.set_result(event)
            case _:
                assert_never(event)

    def _arrived(self, event: CallArrived) -> None:
        again = self._arriving_again.pop(event.call_id, None)
        leg = self._enter(again or self._ids.leg(), event.call, event.call_id)
        if again is not None:
            leg.acknowledged.clear()  # an offer of ours waits until this call is up
        leg.log.info("< call", again=again is not None)
        self._legs.keep_along(leg)
        self._spawn(leg, event)

    def _refused(self, leg: CallLeg, error: CallFailedError) -> None:
        leg.log.info("x call", reason=error.reason)
        self._legs.forget(leg)
        if leg.dialing is not None and not leg.dialing.done():
            leg.dialing.set_exception(error)
        if leg.attended:
            self._put(leg, CallEnded(leg.call, "local", ""))

    def _ended(self, leg: CallLeg, event: CallEnded) -> None:
        leg.end()
        if not leg.attended or (leg.dialing is not None and not leg.dialing.done()):
            self._refused(leg, CallFailedError(event.reason or "canceled", 487))
            return
        leg.log.info("x call", by=event.by, reason=event.reason)
        self._put(leg, event)

    def _put(self, leg: CallLeg, event: AgentEvent) -> None:
        """Keys that come while the call is busy with something slow may be too many; the rest never is."""
        if leg.inbox.qsize() < MAX_INBOX or (isinstance(event, CallEnded) and not leg.inbox.full()):
            leg.inbox.put_nowait(event)
        elif isinstance(event, DigitPressed | PictureWanted):
            self._dropped += 1
        elif not isinstance(event, CallEnded):
            self._hang_up(leg, "too many events")

    # --- the task of a call -------------------------------------------------------------------------------

    def _spawn(self, leg: CallLeg, arrived: CallArrived | None) -> None:
        leg.attended = True
        self._run(self._attend(leg, arrived))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("the SIP door is not open")
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _attend(self, leg: CallLeg, arrived: CallArrived | None) -> None:
        attendance = Attendance(
            leg, self._endpoint, self._through(), self._legs, self._begin_refer, self._lobby
        )
        replaced = self._legs.of(arrived.replaces) if arrived else None
        try:
            await attendance.run(arrived, None if replaced is None else replaced.leg_id)
        finally:
            self._legs.forget(leg)

    def _begin_refer(self, leg: CallLeg, target: str, referrer: str) -> None:
        referring = Referring(self._endpoint, leg, self._referrers, referrer)
        self._run(referring.run(self._through(), dialed_target(target, self._own_hosts, self.port)))

    # --- over a restart -----------------------------------------------------------------------------------

    def _restore(self, remembered: Mapping[LegId, bytes]) -> None:
        agent, now = self._endpoint.agent, self._endpoint.now()
        for leg_id, body in remembered.items():
            arriving = arriving_call_id(body)
            if arriving and self._through().expects(leg_id):
                self._arriving_again[arriving] = leg_id
            try:
                call = agent.restore(body, now)
            except BridgeError as error:
                _log.warning("! call not restored", leg=leg_id, reason=error.reason)
                call = None
            if call is None:
                self._legs.keeper.forget(leg_id)
            else:
                self._take_up(self._enter(leg_id, call, agent.call_id(call)))

    def _take_up(self, leg: CallLeg) -> None:
        leg.log.info("= call restored")
        self._legs.begin_keep(leg)
        if not self._endpoint.agent.is_confirmed(leg.call):
            leg.acknowledged.clear()
        if self._through().expects(leg.leg_id):
            self._spawn(leg, None)
        else:
            self._hang_up(leg, "the bridge restarted")

    # --- inside -------------------------------------------------------------------------------------------

    def _through(self) -> Corridor:
        if self._corridor is None:
            raise RuntimeError("the SIP door is not open")
        return self._corridor

    def _enter(self, leg_id: LegId, call: CallKey, call_id: str) -> CallLeg:
        self._endpoint.trace.name(leg_id, call_id)
        return self._legs.enter(leg_id, call, call_id)

    def _hang_up(self, leg: CallLeg, reason: str) -> None:
        hang_up(self._endpoint, leg, reason)


def _pause_s(refused: ReofferRefused) -> float | None:
    """Before the next offer, if it was not this one that was refused: another of ours, of the process before this one
    perhaps, waits for its answer (500), or a proxy has too much to do (503)."""
    if refused.status == GLARE:
        return refused.retry_after_s
    if refused.status in PASSING and refused.retry_after_s:
        return min(refused.retry_after_s, PASSING_MAX_S)
    return None


def _is_unreached(event: CallRefused) -> bool:
    """The trunk did not take the call: it was silent, or said so (RFC 3261 sections 21.5.3 to 21.5.5)."""
    return event.status in (502, 503, 504) or (event.status == 408 and event.reason == NO_ANSWER)
