"""Asking a source for key frames: often enough to start a picture, seldom enough not to drown it in them."""

INTERVAL_S = 0.5  # an encoder makes at most four key frames a second (measured); two leave room for a picture
MAX_INTERVAL_S = 4.0  # a source that never answers is asked less and less often


class KeyFrameRequests:
    """The requests to one source. Many viewers asking at once are one request, asked again until answered."""

    __slots__ = ("_answered", "_interval_s", "_pending", "_sent_at", "arrived", "coalesced", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.coalesced = 0
        self.arrived = 0
        self._pending = False
        self._answered = True
        self._sent_at: float | None = None
        self._interval_s = INTERVAL_S

    @property
    def waiting(self) -> bool:
        """Somebody needs a key frame that has not come."""
        return self._pending

    def ask(self) -> None:
        """Somebody needs a key frame."""
        if self._pending:
            self.coalesced += 1
        self._pending = True

    def key_frame_arrived(self) -> None:
        """One began: whoever waited has it."""
        self.arrived += 1
        self._pending = False
        self._answered = True
        self._interval_s = INTERVAL_S

    def source_returned(self) -> None:
        """It was silent and sends again: what was asked meanwhile got lost, and the patience was with nobody."""
        self._sent_at = None
        self._answered = True
        self._interval_s = INTERVAL_S

    def timer(self) -> float | None:
        """When the next request may go; in the past if at once; None if nobody waits."""
        if not self._pending:
            return None
        return 0.0 if self._sent_at is None else self._sent_at + self._interval_s

    def take_due(self, now: float) -> bool:
        """Whether to send a request now. Counts it as sent."""
        due_at = self.timer()
        if due_at is None or now < due_at:
            return False
        self._interval_s = INTERVAL_S if self._answered else min(2 * self._interval_s, MAX_INTERVAL_S)
        self._answered = False
        self._sent_at = now
        self.sent += 1
        return True
