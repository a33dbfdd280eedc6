"""Which address a phone really sends from (symmetric RTP, RFC 4961), without I/O."""

from bridge.transport.address import Address, is_routable

PATIENCE_S = 0.25  # how long the address in the SDP may stay silent before another one is believed
MOVING_S = (
    5.0  # how long after a re-INVITE a phone may turn up elsewhere: its first packets come with the ACK
)
MAX_GAP = 200  # packets: 4 s of sound. A stream that lost more begins to prove itself anew

Place = tuple[int, int]
"""SSRC and sequence number of an RTP packet."""


class Latch:
    """Locks to one source and stays there.

    The declared address is believed at once. Another one, as a NAT makes it, is believed when it has been
    sending one RTP stream for `PATIENCE_S` while the declared one said nothing: whoever sprays packets at our
    ports must be there before the phone, not just faster once. A locked source gives way only to another
    declared address, to a stream from the declared one itself, and for `MOVING_S` after a new exchange of
    descriptions to a source that speaks while it is silent itself. A packet that was authenticated proves its
    source at once, and needs no new exchange: a NAT may forget a phone in mid-call.
    """

    __slots__ = (
        "_candidate",
        "_candidate_place",
        "_candidate_since",
        "_declared",
        "_exchange",
        "_heard_at",
        "_locked",
        "_moving_until",
        "_routable",
    )

    def __init__(self) -> None:
        self._declared: Address | None = None
        self._exchange = 0
        self._locked: Address | None = None
        self._candidate: Address | None = None
        self._candidate_since = 0.0
        self._candidate_place: Place | None = None
        self._heard_at = 0.0
        self._moving_until = 0.0
        self._routable = False

    @property
    def declared(self) -> Address | None:
        """As the SDP has it."""
        return self._declared

    @property
    def locked(self) -> Address | None:
        """The source whose packets count; None while it is not known."""
        return self._locked

    @property
    def destination(self) -> Address | None:
        """Where to send: the proven source, before that the declared one."""
        if self._locked is not None:
            return self._locked
        return self._declared if self._routable else None

    def declare(self, remote: Address | None, exchange: int = 0, now: float = 0.0) -> None:
        """The SDP's address and the number of its exchange. The same once more changes nothing."""
        if remote != self._declared:
            self._declared = remote
            self._routable = remote is not None and is_routable(remote)
            self._locked = self._candidate = None
        elif exchange != self._exchange:
            self._candidate = None
            self._moving_until = now + MOVING_S
        self._exchange = exchange

    def unlock(self) -> None:
        """The phone turned up elsewhere by other packets: these have to be looked for, too."""
        self._locked = self._candidate = None

    def may_accept(self, source: Address, now: float, *, authentic: bool = False) -> bool:
        """False for a stranger to a locked port: not worth decrypting, where that would tell (`authentic`)."""
        if self._locked is None or source in (self._locked, self._declared):
            return True
        return self._is_silent(now) if authentic else self._is_moving(now)

    def accepts(
        self, source: Address, now: float, place: Place | None = None, *, authentic: bool = False
    ) -> bool:
        """True if a valid packet of `source` is the phone's. May lock to it."""
        if source == self._locked:
            self._heard_at = now
            if self._candidate != self._declared:
                self._candidate = None
            return True
        if self._declared is None or not self.may_accept(source, now, authentic=authentic):
            return False
        if self._locked is None:
            believed = authentic or source == self._declared or not self._routable
        else:
            believed = authentic and self._is_silent(now)
        if not believed and not self._has_proved_itself(source, now, place):
            return False
        self._locked, self._candidate, self._heard_at = source, None, now
        return True

    def _is_moving(self, now: float) -> bool:
        return now < self._moving_until and self._is_silent(now)

    def _is_silent(self, now: float) -> bool:
        return now - self._heard_at >= PATIENCE_S

    def _has_proved_itself(self, source: Address, now: float, place: Place | None) -> bool:
        if source == self._candidate and _follows(self._candidate_place, place):
            self._candidate_place = place
            return now - self._candidate_since >= PATIENCE_S
        if source == self._candidate or self._candidate is None or now - self._candidate_since >= PATIENCE_S:
            self._candidate, self._candidate_since, self._candidate_place = source, now, place
        return False


def _follows(before: Place | None, place: Place | None) -> bool:
    """Whether these are packets of one stream, in order: no chance hits of a spray."""
    if before is None or place is None:
        return before is place
    return before[0] == place[0] and 0 < (place[1] - before[1]) & 0xFFFF <= MAX_GAP
