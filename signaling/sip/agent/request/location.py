"""Where a request to a name goes: which records are asked for and the order they lead to (RFC 3263), no I/O.

`locate` is a generator: it yields the questions it has, all at once, takes their answers, and returns the ways.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from signaling.sip.wire.flow import TCP, TLS, UDP, Flow, Lookup, default_port, is_numeric

MAX_WAYS = 8  # one request is tried at; whoever has more servers is asked for the best of them
# RFC 3263 section 4.1.
_BY_SERVICE: Mapping[str, str] = {"SIP+D2U": UDP, "SIP+D2T": TCP, "SIPS+D2T": TLS}
_PREFIX: Mapping[str, str] = {UDP: "_sip._udp", TCP: "_sip._tcp", TLS: "_sips._tcp"}
NO_SUCH_NAME = "does not exist"

Chance = Callable[[int], int]
"""Of `n` any number from 0 to n - 1, as `secrets.randbelow`."""


class Kind(StrEnum):
    NAPTR = "NAPTR"
    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"


class Question(msgspec.Struct, frozen=True, gc=False):
    name: str
    kind: Kind


class Pointer(msgspec.Struct, frozen=True, gc=False):
    """A NAPTR record: by which transport a domain wants to be reached, and where that is said."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Service(msgspec.Struct, frozen=True, gc=False):
    """An SRV record."""

    priority: int
    weight: int
    port: int
    target: str


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Records of the kind that was asked for: addresses are text. Without any, `reason` says why."""

    pointers: tuple[Pointer, ...] = ()
    services: tuple[Service, ...] = ()
    addresses: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.pointers or self.services or self.addresses)


class Location(msgspec.Struct, frozen=True):
    """The ways to a name, the best first, all with numeric addresses. None: `reason` says why."""

    ways: tuple[Flow, ...] = ()
    reason: str = ""


Questions = tuple[Question, ...]
Search = Generator[Questions, tuple[Answer, ...], Location]
_Servers = list[tuple[str, str, int]]  # transport, name, port


def locate(flow: Flow, transports: Sequence[str], version: int, chance: Chance) -> Search:
    """The ways to `flow`, whose host is a name, by `transports` and over this version of IP."""
    servers: _Servers = []
    if flow.lookup is Lookup.ANY:
        servers = yield from _by_pointers(flow, transports, chance)
    if not servers and flow.lookup is not Lookup.ADDRESS and "." in flow.host:
        servers = yield from _by_services(_prefixes(flow, transports), chance)
        if servers == [_NOBODY]:
            return Location(reason=f"{flow.host} says that it takes no calls")
    servers = servers or [(flow.transport, flow.host, flow.port)]
    kind = Kind.A if version == 4 else Kind.AAAA
    names = list(dict.fromkeys(name for _, name, _ in servers if not is_numeric(name)))
    answers = yield tuple(Question(name, kind) for name in names)
    addresses = {name: answer.addresses for name, answer in zip(names, answers, strict=True)}
    ways = [
        Flow(transport, address, port, name=(flow.name or flow.host) if transport == TLS else "")
        for transport, name, port in servers
        for address in addresses.get(name, (name,))
    ]
    if ways:
        return Location(tuple(dict.fromkeys(ways))[:MAX_WAYS])
    reasons = [f"{name} {answer.reason}" for name, answer in zip(names, answers, strict=True)]
    return Location(reason="; ".join(reasons[:3]))


_NOBODY = ("", ".", 0)


def _by_pointers(
    flow: Flow, transports: Sequence[str], chance: Chance
) -> Generator[Questions, tuple[Answer, ...], _Servers]:
    """Section 4.1: by the transport the domain likes best among ours."""
    if "." not in flow.host:
        return []
    (answer,) = yield (Question(flow.host, Kind.NAPTR),)
    wanted = [
        (_BY_SERVICE[pointer.service.upper()], pointer)
        for pointer in sorted(answer.pointers, key=lambda p: (p.order, p.preference))
        if pointer.service.upper() in _BY_SERVICE
    ]
    usable = [(transport, p) for transport, p in wanted if _may(flow, transport, transports)][:MAX_WAYS]
    servers = [(transport, p.replacement, default_port(transport)) for transport, p in usable if _is_final(p)]
    if servers:
        return servers
    return (yield from _by_services([(t, p.replacement) for t, p in usable], chance))


def _is_final(pointer: Pointer) -> bool:
    """It names a host and not a service."""
    return pointer.flags.lower() == "a"


def _prefixes(flow: Flow, transports: Sequence[str]) -> list[tuple[str, str]]:
    asked = [flow.transport] if flow.lookup is Lookup.SERVICE else [UDP, TCP, TLS]
    return [(t, f"{_PREFIX[t]}.{flow.host}") for t in asked if _may(flow, t, transports)]


def _may(flow: Flow, transport: str, transports: Sequence[str]) -> bool:
    """Whoever is called as sips is reached over TLS only; `flow_to` says so by its transport."""
    return transport in transports and (transport == TLS or flow.transport != TLS)


def _by_services(
    asked: list[tuple[str, str]], chance: Chance
) -> Generator[Questions, tuple[Answer, ...], _Servers]:
    """Section 4.2. `[_NOBODY]` if all there is says that there is no such service (RFC 2782)."""
    if not asked:
        return []
    answers = yield tuple(Question(name, Kind.SRV) for _, name in asked)
    found: _Servers = []
    for (transport, _), answer in zip(asked, answers, strict=True):
        found += [(transport, s.target, s.port) for s in order_services(answer.services, chance)]
    there = [server for server in found if server[1] != "."]
    return there[:MAX_WAYS] or ([_NOBODY] if found else [])


def order_services(services: Iterable[Service], chance: Chance) -> list[Service]:
    """By priority, and within one by lot: who has twice the weight comes first twice as often (RFC 2782)."""
    ordered: list[Service] = []
    # Those without weight stand first, so that they have the small chance that the RFC leaves them.
    waiting = sorted(services, key=lambda s: (s.priority, s.weight > 0))
    while waiting:
        rivals = [s for s in waiting if s.priority == waiting[0].priority]
        lot = chance(sum(s.weight for s in rivals) + 1)
        for service in rivals:
            lot -= service.weight
            if lot <= 0:
                ordered.append(service)
                waiting.remove(service)
                break
    return ordered
