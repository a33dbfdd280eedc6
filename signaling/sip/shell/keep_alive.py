"""Whether the other end of a connection is still there (RFC 5626 sections 3.5.1 and 4.4.1), no I/O."""

from enum import Enum, auto

PING_AFTER_S = 95.0  # RFC 5626 section 4.4.1


class KeepAliveAction(Enum):
    NOTHING = auto()
    PING = auto()
    GIVE_UP = auto()


class KeepAlive:
    """For a connection of ours; whoever opened one pings. Looked at every 10 s: so long a ping has time.

    Who never answered a ping may not know how; who did, and answers no more, is gone.
    """

    __slots__ = ("_answers", "_heard", "_pinged", "_pinged_at")

    def __init__(self) -> None:
        self._heard = False  # anything at all since the last ping
        self._pinged = False  # a ping waits for its answer
        self._pinged_at = 0.0
        self._answers = False

    def hear(self) -> None:
        """Bytes came, whatever they are."""
        self._heard = True

    def handle_timer(self, quiet_since: float, now: float) -> KeepAliveAction:
        """`quiet_since` is when the last message came."""
        if self._pinged:
            self._pinged = False
            if self._answers and not self._heard:
                return KeepAliveAction.GIVE_UP
            self._answers = self._answers or self._heard
        if now - max(quiet_since, self._pinged_at) < PING_AFTER_S:
            return KeepAliveAction.NOTHING
        self._heard, self._pinged, self._pinged_at = False, True, now
        return KeepAliveAction.PING
