"""Where a datagram comes from or goes to."""

Address = tuple[str, int]
"""Numeric host (IPv4 or IPv6 text) and port."""

UNSPECIFIED_HOSTS = frozenset({"", "0.0.0.0", "::"})  # RFC 3264 section 8.4: "hold", not an address


def is_routable(address: Address) -> bool:
    """False for the placeholders SDP uses where there is no address yet."""
    return address[0] not in UNSPECIFIED_HOSTS and address[1] > 0
