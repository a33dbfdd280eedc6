"""Where a datagram comes from or goes to."""

import ipaddress

Address = tuple[str, int]
"""Numeric host (IPv4 or IPv6 text) and port."""


def is_routable(address: Address) -> bool:
    """False for what cannot be sent to: 0.0.0.0 (RFC 3264 section 8.4: hold), port 0, a name.

    A name in SDP is legal but would make the packet path wait for DNS; so would the zone of an IPv6 address, which
    means something to its own host alone.
    """
    host, port = address
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    if "%" in host:
        return False
    return 0 < port <= 0xFFFF and not ip.is_unspecified
