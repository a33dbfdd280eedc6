"""Session descriptions (RFC 8866): text to values and back. Meaning (RFC 3264) lives in bridge.negotiation."""

from enum import StrEnum


class Direction(StrEnum):
    """RFC 8866 section 6.7, seen from whoever wrote the line."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"
