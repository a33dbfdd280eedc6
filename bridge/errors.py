"""The one error tree. What a peer does wrong never raises past the transport; these are for callers.

Every error has a `code` (stable, machine-readable, snake_case) and a `reason` (one sentence for people:
the cause and, where there is one, the remedy).
"""

import errno
from typing import ClassVar


class BridgeError(Exception):
    """Root of the tree. `str(error)` is the reason."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ParseError(BridgeError):
    """Bytes or text from a peer that do not follow their grammar. Caught where the packet is counted."""

    code = "malformed"


class SettingsError(BridgeError):
    """A configuration that cannot be used; the reason names each wrong key with its line."""

    code = "bad_settings"


def cannot_listen(settings: str, address: str, port: int, error: OSError) -> SettingsError:
    """Why a port does not open, and what to do about it, in words that `settings` begin."""
    match error.errno:
        case errno.EADDRINUSE:
            why = "another program has this port, perhaps a bridge that runs already: end it, or set another port"
        case errno.EADDRNOTAVAIL:
            why = "this machine has no such address: set one that `ip address` shows, or 0.0.0.0"
        case errno.EACCES:
            why = "ports below 1024 are for root, or for whom CAP_NET_BIND_SERVICE is given to"
        case _:
            why = str(error.strerror or error)
    return SettingsError(f"{settings}: cannot listen on {address}:{port}: {why}")


class NotAllowedError(BridgeError):
    """The state machine has no such transition, or the moment forbids the command."""

    code = "not_allowed"


class ForbiddenError(BridgeError):
    """The token lacks the scope, or the object belongs to somebody else."""

    code = "forbidden"


class UnauthorizedError(BridgeError):
    """No valid token."""

    code = "unauthorized"


class NotFoundError(BridgeError):
    """No such interaction, participant, offer or leg."""

    code = "not_found"


class ConflictError(BridgeError):
    """Another command got there first."""

    code = "conflict"


class GlareError(ConflictError):
    """Both sides offered at once; the browser rolls its offer back and answers ours (PROTOCOL.md)."""

    code = "glare"


class NegotiationError(BridgeError):
    """Offer and capabilities have nothing in common, or the SDP breaks RFC 3264."""

    code = "not_acceptable"


class CapacityError(BridgeError):
    """A limit is reached: ports, legs, calls. Try later."""

    code = "at_capacity"


class CallFailedError(BridgeError):
    """An outbound call was not answered. `status` is the SIP status code (408 for no answer at all).

    `retry_after_s` is how long the other side wants to be left alone, 0 if it does not say. `unreached`: no
    phone has heard of the call, so that it may go another way.
    """

    code = "call_failed"

    def __init__(self, reason: str, status: int, retry_after_s: int = 0, *, unreached: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s
        self.unreached = unreached


class PlaneLostError(BridgeError):
    """The media worker is gone; the command was not carried out."""

    code = "plane_lost"
