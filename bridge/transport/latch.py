"""Which address a phone really sends from (symmetric RTP, RFC 4961), without I/O."""

from bridge.transport.address import Address, is_routable

PATIENCE_S = 0.25  # how long the address in the SDP may stay silent before another one is believed


class Latch:
    """Locks to one source and stays there until `declare` names another remote address.

    The declared address is believed at once. Another one, as a NAT makes it, is believed when it has been
    sending for `PATIENCE_S` while the declared one said nothing: whoever sprays packets at our ports must
    be there before the phone, not just faster once.
    """

    __slots__ = ("_candidate", "_candidate_since", "_declared", "_locked", "_routable")

    def __init__(self) -> None:
        self._declared: Address | None = None
        self._locked: Address | None = None
        self._candidate: Address | None = None
        self._candidate_since = 0.0
        self._routable = False

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

    def declare(self, remote: Address | None) -> None:
        """The SDP's address. The same once more changes nothing; another one starts over."""
        if remote != self._declared:
            self._declared = remote
            self._routable = remote is not None and is_routable(remote)
            self.release()

    def release(self) -> None:
        """Forgets the proven source: the next valid one counts."""
        self._locked = None
        self._candidate = None

    def accepts(self, source: Address, now: float) -> bool:
        """True if a valid packet of `source` is the phone's. May lock to it."""
        if self._locked is not None:
            return source == self._locked
        if self._declared is None:
            return False
        if source == self._declared or not self._routable:
            self._locked = source
            return True
        if source != self._candidate:
            if self._candidate is None or now - self._candidate_since >= PATIENCE_S:
                self._candidate, self._candidate_since = source, now
            return False
        if now - self._candidate_since < PATIENCE_S:
            return False
        self._locked = source
        return True
