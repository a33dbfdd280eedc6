"""A dialog: what both ends know of each other once an INVITE was answered (RFC 3261 section 12)."""

import msgspec

from bridge.errors import ParseError
from bridge.ids import NO_TRUNK, TrunkId
from signaling.sip.wire.flow import (
    TRANSPORTS,
    Flow,
    Lookup,
    default_port,
    flow_to,
    is_elsewhere,
    is_numeric,
    transport_of,
)
from signaling.sip.wire.message import Essentials, Headers, Request, Response
from signaling.sip.wire.uri import parse_name_address, parse_uri, request_uri

DialogKey = tuple[str, str, str]  # Call-ID, local tag, remote tag

MAX_METHODS = 32  # there are 14 in RFCs
MAX_METHOD_CHARS = 16
MAX_ROUTES = 32  # a route set longer than any real chain of proxies is an attack on every request we send


class Dialog(msgspec.Struct):
    """Changes by target refresh and CSeq only; plain fields, so that it can be written down and restored.

    `local_address` and `remote_address` are the texts of From and To with their tags, seen from us.
    `flow` is the way the peer came by last.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local_address: str
    remote_address: str
    remote_target: str
    route_set: tuple[str, ...]
    flow: Flow
    local_cseq: int
    remote_cseq: int
    behind_nat: bool = False
    allowed: tuple[str, ...] = ()  # the methods the peer says it takes, () if it does not say
    trunk_id: TrunkId = NO_TRUNK

    @property
    def key(self) -> DialogKey:
        return (self.call_id, self.local_tag, self.remote_tag)

    def take_cseq(self) -> int:
        """The number of our next request."""
        self.local_cseq += 1
        return self.local_cseq

    def receive_cseq(self, number: int) -> bool:
        """False if the request is older than one already seen (section 12.2.2)."""
        if number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def follow(self, request: Request, essentials: Essentials, flow: Flow) -> None:
        """A re-INVITE or UPDATE may move the peer (section 12.2), and it comes by the way that leads to it now.

        A phone behind NAT whose connection broke, or whose mapping was made anew, says so in no other way.
        """
        self.refresh_target(request)
        self.flow = flow
        still = self.behind_nat and not contact_uri(request)
        self.behind_nat = still or _is_behind_nat(request, essentials, flow)

    def hear(self, flow: Flow) -> None:
        """Any other request moves nobody, but tells which connection or mapping leads there now: the last one may be
        gone, and a phone behind NAT has no other."""
        if flow.transport == self.flow.transport and flow.host == self.flow.host:
            self.flow = flow

    def refresh_target(self, message: Request | Response) -> None:
        """Of a 2xx to a re-INVITE of ours, the same. A Contact without sense moves nothing."""
        self.remote_target = contact_uri(message) or self.remote_target
        self.allowed = _allowed(message) or self.allowed

    def allows(self, method: str) -> bool:
        """Whether the peer said that it takes `method`."""
        return method in self.allowed

    def target(self) -> tuple[str, Headers]:
        """Request-URI and Route headers of a request within the dialog (section 12.2.1.1)."""
        if self.route_set and not _is_loose(self.route_set[0]):
            # An RFC 2543 proxy wants itself in the Request-URI and the target last.
            routes = (*self.route_set[1:], f"<{self.remote_target}>")
            return request_uri(parse_name_address(self.route_set[0]).uri), _route_headers(routes)
        return request_uri(self.remote_target), _route_headers(self.route_set)

    def next_hop(self) -> Flow:
        """Where a request within the dialog goes."""
        text = parse_name_address(self.route_set[0]).uri if self.route_set else self.remote_target
        try:
            uri = parse_uri(text)
        except ParseError:
            return self.flow
        hop = flow_to(uri)
        # A Contact behind NAT is an address of another network: only the way it came by leads back.
        if hop.transport not in TRANSPORTS or (self.behind_nat and not self.route_set):
            return self.flow
        if not self.route_set and not transport_of(uri) and uri.scheme == "sip":
            # Phones on TCP often leave the transport out of their Contact, and do not listen on UDP.
            transport = self.flow.transport
            lookup = Lookup.ADDRESS if hop.lookup is Lookup.ADDRESS else Lookup.SERVICE
            port = uri.port or default_port(transport)
            hop = Flow(transport, hop.host, port, name=hop.name, lookup=lookup)
        if hop.transport == self.flow.transport and hop.host == self.flow.host and not hop.name:
            # The Contact of who was found by a domain is often an address: over TLS it is still that domain's.
            hop = msgspec.structs.replace(hop, name=self.flow.name)
        if hop.transport == self.flow.transport and self.flow.connection:
            # Over TCP and TLS the connection the call came by is taken again (section 18.1.1 allows it).
            return msgspec.structs.replace(hop, connection=self.flow.connection)
        return hop


def accept_dialog(request: Request, essentials: Essentials, flow: Flow, local_tag: str) -> Dialog:
    """The dialog we make by answering an INVITE (section 12.1.1). Raises ParseError for bad routes."""
    contact = contact_uri(request)  # RFC 2543 asked for none: then only the way it came by leads back
    return Dialog(
        call_id=essentials.call_id,
        local_tag=local_tag,
        remote_tag=essentials.from_tag,
        local_address=f"{request.first('To')};tag={local_tag}",
        remote_address=request.first("From"),
        remote_target=contact or essentials.from_address.uri,
        route_set=_route_set(request),
        flow=flow,
        local_cseq=0,
        remote_cseq=essentials.cseq_number,
        behind_nat=not contact or _is_behind_nat(request, essentials, flow),
        allowed=_allowed(request),
    )


def established_dialog(request: Request, response: Response, essentials: Essentials, flow: Flow) -> Dialog:
    """The dialog a 2xx to our INVITE makes (section 12.1.2). Raises ParseError for bad routes."""
    return Dialog(
        call_id=essentials.call_id,
        local_tag=essentials.from_tag,
        remote_tag=essentials.to_tag,
        local_address=request.first("From"),
        remote_address=response.first("To"),
        remote_target=contact_uri(response) or request.uri,
        route_set=_route_set(response)[::-1],
        flow=flow,
        local_cseq=essentials.cseq_number,
        remote_cseq=-1,
        behind_nat=is_elsewhere(_contact_host(response), flow),
        allowed=_allowed(response),
    )


def _is_behind_nat(request: Request, essentials: Essentials, flow: Flow) -> bool:
    host = _contact_host(request)
    if is_elsewhere(host, flow):
        return True
    if len(request.every("Via")) != 1:
        return False
    sent_by = essentials.via.host
    if is_numeric(sent_by) or _is_private_name(host) or not flow.reliable:
        return sent_by != flow.host
    # Who calls itself by a name may have a Contact that leads there, when the connection it came by is gone. Over
    # UDP where it came from is where it listens, and its name may be known to its own network only.
    return is_numeric(host) and host != flow.host


def _is_private_name(host: str) -> bool:
    """No name server knows it (RFC 2606, RFC 6762)."""
    return not is_numeric(host) and ("." not in host or host.lower().endswith((".invalid", ".local")))


def _contact_host(message: Request | Response) -> str:
    contact = contact_uri(message)
    return parse_uri(contact).host if contact else ""


def contact_uri(message: Request | Response) -> str:
    """The URI of the first Contact, "" if there is none that a request could go to."""
    contacts = message.every("Contact")
    if not contacts:
        return ""
    try:
        uri = parse_name_address(contacts[0]).uri
        parse_uri(uri)
    except ParseError:
        return ""
    return uri


def _allowed(message: Request | Response) -> tuple[str, ...]:
    methods = (method.strip().upper()[:MAX_METHOD_CHARS] for method in message.every("Allow"))
    return tuple(methods)[:MAX_METHODS]


def _route_set(message: Request | Response) -> tuple[str, ...]:
    routes = message.every("Record-Route")
    if len(routes) > MAX_ROUTES:
        raise ParseError("too many Record-Route headers")
    for route in routes:
        parse_uri(parse_name_address(route).uri)
    return routes


def _route_headers(routes: tuple[str, ...]) -> Headers:
    return tuple(("Route", route) for route in routes)


def _is_loose(route: str) -> bool:
    return parse_uri(parse_name_address(route).uri).parameter("lr") is not None
