"""The Via header: who sent a request, and where its responses go (RFC 3261 sections 18.2, 20.42; RFC 3581)."""

import re

import msgspec

from bridge.errors import ParseError
from signaling.sip.wire.flow import UDP, Flow, default_port, is_elsewhere
from signaling.sip.wire.uri import (
    HOST,
    LWS,
    MAX_PORT,
    TOKEN,
    Parameters,
    bracket,
    find_parameter,
    parse_parameters,
)

MAGIC_COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7

_VIA = re.compile(
    rf"{LWS}SIP{LWS}/{LWS}2\.0{LWS}/{LWS}({TOKEN})[ \t]+({HOST})(?:{LWS}:{LWS}([0-9]{{1,5}}))?{LWS}(;.*)?\Z",
    re.IGNORECASE | re.DOTALL,
)


class Via(msgspec.Struct, frozen=True, gc=False):
    """One element of a Via header. `host` and `port` are the sent-by."""

    transport: str
    host: str
    port: int | None
    parameters: Parameters
    branch: str

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" if it has none, None if it is absent."""
        return find_parameter(self.parameters, name)

    @property
    def branch_is_unique(self) -> bool:
        """False for an RFC 2543 branch, which says nothing about the transaction."""
        return self.branch.startswith(MAGIC_COOKIE) and len(self.branch) > len(MAGIC_COOKIE)


def parse_via(text: str) -> Via:
    """Raises ParseError."""
    match = _VIA.match(text)
    if match is None:
        raise ParseError("Via breaks its grammar")
    transport, host, port_text, rest = match.groups()
    port = int(port_text) if port_text else None
    if port is not None and port > MAX_PORT:
        raise ParseError("Via port out of range")
    parameters = parse_parameters(rest) if rest else ()
    branch = find_parameter(parameters, "branch") or ""
    return Via(transport.upper(), host.strip("[]"), port, parameters, branch)


def annotate_via(via: Via, flow: Flow) -> str | None:
    """The Via with `received` and `rport` as the request came; None if there is nothing to add."""
    wants_port = via.parameter("rport") is not None
    if not wants_port and via.host == flow.host:
        return None
    kept = [(name, value) for name, value in via.parameters if name not in ("received", "rport")]
    kept.append(("received", flow.host))
    if wants_port:
        kept.append(("rport", str(flow.port)))
    sent_by = bracket(via.host) + (f":{via.port}" if via.port is not None else "")
    parameters = "".join(f";{name}={value}" if value else f";{name}" for name, value in kept)
    return f"SIP/2.0/{via.transport} {sent_by}{parameters}"


def response_flow(via: Via, flow: Flow) -> Flow:
    """Where responses go. `maddr` is not followed: there is no multicast here."""
    # Who is behind NAT and does not ask for it (RFC 3581) is not reached at the port it thinks it has either.
    if flow.transport == UDP and (is_elsewhere(via.host, flow) or via.parameter("rport") is not None):
        return flow
    # Over TCP the connection is taken; the port is the fallback if it breaks (section 18.2.2). The port it came
    # from is none, whatever rport asks for: nobody listens there.
    return Flow(flow.transport, flow.host, via.port or default_port(flow.transport), flow.connection)
