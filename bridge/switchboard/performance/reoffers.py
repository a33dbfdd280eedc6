"""Re-INVITEs of the bridge: a phone is told where its leg receives now, and whether it is on hold."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from bridge.clock import Clock
from bridge.errors import BridgeError, CallFailedError, GlareError, NegotiationError, NotFoundError
from bridge.switchboard.door.doors import PhoneDoor
from bridge.switchboard.performance.leg import PhoneLeg
from bridge.wire.sdp_section import Direction

if TYPE_CHECKING:
    from bridge.ids import LegId

log = structlog.get_logger()

MOVE_TIMEOUT_S = (
    12.0  # a phone whose media moved hears nothing until it answers: one that is there does at once
)
ATTEMPTS = 3  # re-INVITEs in a row that cross the phone's own
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # before a phone that refuses to be resumed is asked again
UNANSWERED = 408
CALL_GONE = 481  # the door ends such a call by itself


class Reoffers:
    """At most one re-INVITE on its way to each phone; no command waits for it, and the newest wish wins.

    A phone that does not follow to a new port is given up. One that refuses to be held keeps its call and
    hears the music all the same; one that refuses to be resumed is asked again, as long as that is wanted.
    """

    __slots__ = (
        "_clock",
        "_counters",
        "_door",
        "_due",
        "_on_agreed",
        "_on_failed",
        "_on_paused",
        "_retries",
        "_running",
        "_wake",
    )

    def __init__(
        self,
        clock: Clock,
        on_failed: Callable[[PhoneLeg, str], None],
        on_agreed: Callable[[PhoneLeg], Awaitable[None]],
        on_paused: Callable[[], None],
    ) -> None:
        """`on_failed` is told of a leg that has to go, `on_agreed` of one whose session changed.

        After `on_paused` there is a `timer`.
        """
        self._clock = clock
        self._on_failed = on_failed
        self._on_agreed = on_agreed
        self._on_paused = on_paused
        self._door: PhoneDoor | None = None
        self._due: list[PhoneLeg] = []
        self._running: dict[LegId, asyncio.Event] = {}
        self._retries: dict[LegId, tuple[float, PhoneLeg]] = {}
        self._wake = asyncio.Event()
        self._counters = dict.fromkeys(
            ("agreed_total", "refused_total", "unanswered_total", "crossed_total"), 0
        )

    def attach(self, door: PhoneDoor) -> None:
        self._door = door

    @property
    def busy(self) -> bool:
        """A phone has still to say what it thinks."""
        return bool(self._running)

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    async def settled(self) -> None:
        """Returns when every phone has answered; one that is asked again later does not count."""
        while self._running:
            await next(iter(self._running.values())).wait()

    def direct(self, leg: PhoneLeg, *, held: bool) -> None:
        """Called whenever the leg was declared; saying the same again changes nothing."""
        if not held:
            leg.refuses_hold = False  # the next hold is another one
        wish = Direction.SENDONLY if held and not leg.refuses_hold else Direction.SENDRECV
        if leg.moved or leg.session.held is wish.receives:
            leg.refusals = 0
            self._retries.pop(leg.leg_id, None)
        leg.session.want(wish)
        self._begin(leg)

    def timer(self) -> float | None:
        return min((at for at, _ in self._retries.values()), default=None)

    def handle_timer(self, now: float) -> None:
        """Asks those again whose pause is over."""
        for leg_id, (at, leg) in tuple(self._retries.items()):
            if at <= now:
                del self._retries[leg_id]
                self._begin(leg)

    async def run(self) -> None:
        """Makes the re-INVITEs until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    due, self._due = self._due, []
                    for leg in due:
                        tasks.create_task(self._guard(leg))
        finally:
            for done in self._running.values():
                done.set()

    def _begin(self, leg: PhoneLeg) -> None:
        if _is_due(leg) and leg.leg_id not in self._running and leg.leg_id not in self._retries:
            self._running[leg.leg_id] = asyncio.Event()
            self._due.append(leg)
            self._wake.set()

    async def _guard(self, leg: PhoneLeg) -> None:
        """A mistake of ours ends this call and no other."""
        try:
            await self._persuade(leg)
        except Exception:
            log.exception("! reoffer", leg=leg.leg_id)
            self._on_failed(leg, "internal error; the log says which")
        finally:
            self._running.pop(leg.leg_id).set()

    async def _persuade(self, leg: PhoneLeg) -> None:
        """Until the phone was told what is wanted, or will not hear of it."""
        crossed = 0
        while _is_due(leg) and crossed < ATTEMPTS:
            moves, held = leg.moved, leg.session.held
            refreshes = leg.stale and not moves and not leg.session.needs_offer
            try:
                await self._ask(leg)
            except GlareError as error:
                leg.session.withdraw_offer()
                leg.moved = leg.moved or moves
                leg.stale = leg.stale or refreshes
                crossed += 1
                self._counters["crossed_total"] += 1
                if crossed == ATTEMPTS:
                    self._give_way(leg, error, moves=False)  # it is there, and will be told
            except BridgeError as error:
                if refreshes:  # it was to learn nothing new: what was agreed stands
                    self._refused(leg, error, moves=False, held=False)
                    return
                if self._declines_video(leg, error, moves=moves):
                    await self._on_agreed(leg)
                elif not self._refused(leg, error, moves=moves, held=held):
                    return
            else:
                crossed = leg.refusals = 0
                self._counters["agreed_total"] += 1
                await self._on_agreed(leg)

    async def _ask(self, leg: PhoneLeg) -> None:
        """One re-INVITE. Raises GlareError, and CallFailedError or NegotiationError for a refusal.

        Not under the leg's lock: if the phone offers at the same time, its offer has to be answered first.
        """
        if self._door is None:
            raise NotFoundError("there is no SIP door")
        moves, leg.moved = leg.moved, False  # it may move once more meanwhile
        leg.stale = False
        try:
            async with asyncio.timeout(MOVE_TIMEOUT_S if moves else None):
                answer = await self._door.reoffer(leg.leg_id, leg.session.offer())
        except TimeoutError:
            raise CallFailedError("the phone did not answer the new offer in time", UNANSWERED) from None
        if not leg.session.offer_pending:
            raise GlareError("the phone's own offer went before this one")
        leg.session.receive_answer(answer)
        if moves:
            leg.restored = False

    def _declines_video(self, leg: PhoneLeg, error: BridgeError, *, moves: bool) -> bool:
        """A phone that will not hear of video is asked again without it, if there is more to say."""
        status = error.status if isinstance(error, CallFailedError) else 0
        if not leg.session.offers_video or status == CALL_GONE or isinstance(error, NotFoundError):
            return False
        log.info("x video", leg=leg.leg_id, status=status, reason=error.reason)
        self._counters["refused_total"] += 1
        leg.session.decline_video(
            f"the phone, or a trunk before it, refused the offer of video: {error.reason}"
        )
        leg.moved = leg.moved or moves
        return True

    def _refused(self, leg: PhoneLeg, error: BridgeError, *, moves: bool, held: bool) -> bool:
        """True if there is something else to try at once."""
        status = error.status if isinstance(error, CallFailedError) else 0
        log.warning("x reoffer", leg=leg.leg_id, held=held, moves=moves, status=status, reason=error.reason)
        if status == UNANSWERED or isinstance(error, NegotiationError):
            self._counters["unanswered_total"] += 1
            leg.session.doubt_offer()
        else:
            self._counters["refused_total"] += 1
            leg.session.withdraw_offer()
        gone = status == CALL_GONE or isinstance(error, NotFoundError)
        if gone and not moves:
            return False  # the door says so itself when a call is over
        if gone or not held:
            self._give_way(leg, error, moves=moves)
            return False
        leg.refuses_hold = True
        leg.session.want(Direction.SENDRECV)
        leg.moved = leg.moved or moves
        return True

    def _give_way(self, leg: PhoneLeg, error: BridgeError, *, moves: bool) -> None:
        """Without its new port the leg is of no use; anything else can wait."""
        if moves:
            self._on_failed(leg, f"{error.code}: {error.reason}")
            return
        pause_s = PAUSES_S[min(leg.refusals, len(PAUSES_S) - 1)]
        leg.refusals += 1
        if not leg.closing:
            self._retries[leg.leg_id] = (self._clock.now() + pause_s, leg)
            self._on_paused()


def _is_due(leg: PhoneLeg) -> bool:
    if leg.closing or leg.session.offer_pending:
        return False  # a late offer of ours waits for its ACK: its answer is a reason to look again
    return leg.moved or leg.stale or leg.session.needs_offer
