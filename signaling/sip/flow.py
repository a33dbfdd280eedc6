"""Where a SIP message came from or goes to (RFC 3261 section 18, RFC 3581)."""

import msgspec

from signaling.sip.uri import SipUri

DEFAULT_PORT = 5060  # RFC 3261 section 19.1.2
UDP = "udp"
TCP = "tcp"
TRANSPORTS = (UDP, TCP)


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A transport and a remote address. `connection` is the endpoint's number of a TCP connection.

    0 means any connection to that address: the endpoint opens one if there is none. When the numbered
    connection is gone, the endpoint falls back to the address (section 18.2.2).
    """

    transport: str
    host: str
    port: int
    connection: int = 0

    @property
    def reliable(self) -> bool:
        return self.transport != UDP


def flow_to(uri: SipUri) -> Flow:
    """Where a request to `uri` goes: its host and port as they stand (no SRV records, RFC 3263 section 4)."""
    transport = (uri.parameter("transport") or UDP).lower()
    host = uri.parameter("maddr") or uri.host
    return Flow(transport, host, uri.port or DEFAULT_PORT)
