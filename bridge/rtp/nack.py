"""Which packets we ask the endpoint for again (RFC 4585 section 6.2.1), and when to give up."""

import msgspec

REORDER_WAIT_S = 0.01  # a packet that is only out of order arrives within this on any path we saw
MIN_RETRY_S = 0.02
MAX_RETRY_S = 0.5  # twice within MAX_AGE_S: a phone that does not say how late it reports seems seconds away
DEFAULT_ROUND_TRIP_S = 0.1  # until a report tells
MAX_RETRIES = 10
MAX_AGE_S = 1.0  # later the picture has been frozen so long that a key frame is the better answer
MAX_MISSING = 512  # more is no loss but an outage: ask for a key frame instead


class _Missing(msgspec.Struct, gc=False):
    since: float
    due_at: float
    retries: int = 0


class NackGenerator:
    """The missing packets of one stream. `wants_key_frame` is set when some of them are given up."""

    __slots__ = (
        "_highest",
        "_max_retries",
        "_missing",
        "_wants_key_frame",
        "given_up",
        "recovered",
        "requested",
        "round_trip_s",
    )

    def __init__(self) -> None:
        self._max_retries = MAX_RETRIES
        self.round_trip_s = DEFAULT_ROUND_TRIP_S
        self.requested = 0
        self.recovered = 0
        self.given_up = 0
        self._highest: int | None = None
        self._missing: dict[int, _Missing] = {}
        self._wants_key_frame = False

    def __len__(self) -> int:
        return len(self._missing)

    def receive(self, index: int, now: float) -> None:
        """A packet arrived, retransmitted or not."""
        highest = self._highest
        if highest is None or index == highest + 1:
            self._highest = index
            return
        if index < highest:
            if self._missing.pop(index, None) is not None:
                self.recovered += 1
            return
        if index == highest:
            return
        self._highest = index
        gap = index - highest - 1
        if gap + len(self._missing) > MAX_MISSING:
            self._give_up(gap + len(self._missing))
            self._missing.clear()
            return
        for missing in range(highest + 1, index):
            self._missing[missing] = _Missing(now, now + REORDER_WAIT_S)

    def set_repairs(self, *, possible: bool) -> None:
        """An endpoint that never sends again is not asked: what is missing is given up at once."""
        self._max_retries = MAX_RETRIES if possible else 0

    def restart(self) -> None:
        """The sender started anew: nothing from before will come."""
        self._highest = None
        self._missing.clear()

    def timer(self) -> float | None:
        """When `take_due` has something to say next."""
        return min((missing.due_at for missing in self._missing.values()), default=None)

    def take_due(self, now: float) -> tuple[int, ...]:
        """The sequence numbers to ask for now, oldest first."""
        if not self._missing:
            return ()
        due: list[int] = []
        hopeless: list[int] = []
        retry_s = min(max(MIN_RETRY_S, self.round_trip_s), MAX_RETRY_S)
        for index, missing in self._missing.items():
            if missing.due_at > now:
                continue
            if missing.retries >= self._max_retries or now - missing.since > MAX_AGE_S:
                hopeless.append(index)
                continue
            missing.retries += 1
            missing.due_at = now + retry_s
            due.append(index & 0xFFFF)
        for index in hopeless:
            del self._missing[index]
        if hopeless:
            self._give_up(len(hopeless))
        self.requested += len(due)
        return tuple(due)

    def take_wants_key_frame(self) -> bool:
        """Whether packets were given up since the last call: the picture needs a new beginning."""
        wanted, self._wants_key_frame = self._wants_key_frame, False
        return wanted

    def key_frame_began(self, index: int) -> None:
        """What is missing before a key frame is of no use any more."""
        for missing in [missing for missing in self._missing if missing < index]:
            del self._missing[missing]

    def _give_up(self, count: int) -> None:
        self.given_up += count
        self._wants_key_frame = True
