"""A refusal of the switchboard as a SIP status."""

from bridge.errors import (
    BridgeError,
    CapacityError,
    ConflictError,
    ForbiddenError,
    NegotiationError,
    NotFoundError,
    PlaneLostError,
)

# What the switchboard's refusal is in SIP. 488 says that another offer may do, 503 that later may.
STATUS: dict[type[BridgeError], int] = {
    NegotiationError: 488,
    CapacityError: 503,
    PlaneLostError: 503,
    ForbiddenError: 603,
    ConflictError: 486,
    NotFoundError: 404,
}


def status_of(error: BridgeError) -> int:
    """The SIP status that says what `error` says; 500 for what the phone cannot understand."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status
    return 500
