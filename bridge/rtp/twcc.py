"""Feedback for the sender's congestion control: when each packet of a transport arrived.

draft-holmer-rmcat-transport-wide-cc-extensions-01. A browser that negotiated it and gets none sinks to
30 kbit/s (measured), so silence is no option.
"""

from bridge.rtp.unwrap import Unwrap
from bridge.wire.transport_feedback import DELTA_S, DELTAS_PER_REFERENCE, REFERENCE_S, TransportFeedback

INTERVAL_S = 0.05  # Chromium sends its own every 50-250 ms; 50 ms gave 2.1 Mbit/s after one second (measured)
MAX_PACKETS = 2048  # per feedback; a transport with more in 50 ms is not slowed down by a missing report
MAX_SPAN = 4096  # sequence numbers in one feedback: a jump of the sender begins a new one
_MAX_DELTA = 0x7FFF
_REFERENCE_MASK = 0xFFFFFF


class TransportFeedbackBuilder:
    """Collects arrivals of one transport and reports them every 50 ms.

    Bounded: what does not fit is left out of the report (counted), never queued.
    """

    __slots__ = (
        "_arrivals",
        "_count",
        "_next_base",
        "_next_due_at",
        "_sender_ssrc",
        "_unwrap",
        "dropped",
        "media_ssrc",
    )

    def __init__(self, sender_ssrc: int) -> None:
        self._sender_ssrc = sender_ssrc
        self.media_ssrc = 0
        self.dropped = 0
        self._unwrap = Unwrap(16)
        self._arrivals: dict[int, float] = {}
        self._next_base: int | None = None
        self._next_due_at: float | None = None
        self._count = 0

    def receive(self, transport_sequence_number: int, now: float) -> None:
        """A packet with this number in its header extension arrived."""
        index = self._unwrap(transport_sequence_number)
        base = self._next_base
        if base is None or abs(index - base) > MAX_SPAN:
            self.dropped += len(self._arrivals)
            self._arrivals.clear()
            self._next_base = index
        elif index < base or len(self._arrivals) >= MAX_PACKETS:
            # Reported as lost already: a second report of the same number would only confuse the sender.
            self.dropped += 1
            return
        self._arrivals.setdefault(index, now)
        if self._next_due_at is None:
            self._next_due_at = now + INTERVAL_S

    def timer(self) -> float | None:
        """When `take_feedback` should be asked next; None while nothing arrived."""
        return self._next_due_at

    def take_feedback(self, now: float) -> TransportFeedback | None:
        """The report of what arrived since the last one, if it is due."""
        if self._next_due_at is None or now < self._next_due_at or self._next_base is None:
            return None
        self._next_due_at = None
        base, last = self._next_base, max(self._arrivals)
        first_at = self._arrivals[min(self._arrivals)]
        reference = int(first_at / REFERENCE_S)
        previous = reference * DELTAS_PER_REFERENCE
        deltas: list[int | None] = []
        for index in range(base, last + 1):
            arrival = self._arrivals.get(index)
            if arrival is None:
                deltas.append(None)
                continue
            ticks = int(arrival / DELTA_S)
            delta = max(-_MAX_DELTA, min(ticks - previous, _MAX_DELTA))
            previous += delta
            deltas.append(delta)
        feedback = TransportFeedback(
            sender_ssrc=self._sender_ssrc,
            media_ssrc=self.media_ssrc,
            base_sequence_number=base & 0xFFFF,
            reference_time=_signed_24(reference),
            feedback_packet_count=self._count & 0xFF,
            deltas=tuple(deltas),
        )
        self._count += 1
        self._arrivals.clear()
        self._next_base = last + 1
        return feedback


def _signed_24(value: int) -> int:
    value &= _REFERENCE_MASK
    return value - 0x1000000 if value & 0x800000 else value
