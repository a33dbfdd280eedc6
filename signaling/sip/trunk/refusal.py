"""What a refusal of the switchboard is in SIP, and how many calls were refused, by reason."""

from collections.abc import Iterable, Mapping

from bridge.errors import (
    BridgeError,
    CapacityError,
    ConflictError,
    ForbiddenError,
    NegotiationError,
    NotFoundError,
    PlaneLostError,
)

# 488 says that another offer may do, 503 that later may.
STATUS: dict[type[BridgeError], int] = {
    NegotiationError: 488,
    CapacityError: 503,
    PlaneLostError: 503,
    ForbiddenError: 603,
    ConflictError: 486,
    NotFoundError: 404,
}
_OTHER = "other"


def status_of(error: BridgeError) -> int:
    """The SIP status that says what `error` says; 500 for what the phone cannot understand."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status
    return 500


class Refusals:
    """Counts calls that were refused. Each of `reasons` is told of from the beginning, with 0."""

    __slots__ = ("_counts",)

    def __init__(self, reasons: Iterable[str]) -> None:
        self._counts = dict.fromkeys(reasons, 0)

    def count(self, reason: str) -> None:
        self._counts[reason] += 1

    def counters(self) -> Mapping[str, int]:
        return {f"sip_refused_{reason}": count for reason, count in self._counts.items()}


def refusals_of_the_bridge() -> Refusals:
    """By the code of the error; `late` is who thought for too long."""
    return Refusals(("late", *(error.code for error in STATUS), _OTHER))


def reason_of(error: BridgeError) -> str:
    """What `refusals_of_the_bridge` counts it under."""
    return next((kind.code for kind in STATUS if isinstance(error, kind)), _OTHER)
