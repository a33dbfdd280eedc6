"""Asks name servers, and the system's own table of hosts, where names are (RFC 3263)."""

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.resolver
import structlog

from bridge.clock import Clock
from bridge.settings.section import split_server
from signaling.sip.agent.request.location import (
    NO_SUCH_NAME,
    Answer,
    Chance,
    Kind,
    Location,
    Pointer,
    Question,
    Service,
    locate,
)
from signaling.sip.shell.answer_cache import AnswerCache
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.wire.flow import Flow

QUESTION_TIMEOUT_S = 1.5
TRY_S = 0.5  # a datagram that is lost is sent again within that time
LOCATE_TIMEOUT_S = 6.0  # three rounds of questions and the system's own
MAX_SEARCHES = 256  # names looked up at the same time
SYSTEM_TTL_S = 60.0  # what /etc/hosts and its like say holds this long
DNS_PORT = 53

_log = structlog.get_logger("sip")


class TaskOwner(Protocol):
    """Who runs the few tasks an endpoint needs to reach others: a TaskGroup, or the loop itself."""

    def create_task(self, coro: Coroutine[None, None, None], /) -> asyncio.Task[None]: ...


class Locator:
    """`seek` tells `on_location`, at once if it is known; `locate` is waited for. Neither raises."""

    def __init__(
        self,
        settings: EndpointSettings,
        clock: Clock,
        on_location: Callable[[Flow, Location], None],
        chance: Chance = secrets.randbelow,
    ) -> None:
        self._version = ipaddress.ip_address(settings.address).version
        self._transports = settings.transports
        self._trunks = settings.agent.trunks
        self._clock = clock
        self._on_location = on_location
        self._chance = chance
        self._resolver = _make_resolver(settings.nameservers)
        self._answers = AnswerCache()
        self._tasks: TaskOwner | None = None
        self._running: set[asyncio.Task[None]] = set()
        self.refused = 0

    def open(self, tasks: TaskOwner) -> None:
        self._tasks = tasks

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    def seek(self, flow: Flow) -> None:
        known = self._recall(flow)
        if known is not None:
            self._on_location(flow, known)
        elif self._tasks is None or len(self._running) >= MAX_SEARCHES:
            self.refused += 1
            self._on_location(flow, Location(reason=f"{flow.host}: too many names are looked up"))
        else:
            task = self._tasks.create_task(self._seek(flow))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def locate(self, flow: Flow) -> Location:
        known = self._recall(flow)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(LOCATE_TIMEOUT_S):
                location = await self._search(flow)
        except TimeoutError:
            location = Location(reason=f"{flow.host}: no name server answered in time")
        if not location.ways:
            _log.info("x no address", name=flow.host, reason=location.reason)
        for way in location.ways:
            self._trunks.learn(flow.host, way.host)
        return location

    async def _seek(self, flow: Flow) -> None:
        self._on_location(flow, await self.locate(flow))

    def _recall(self, flow: Flow) -> Location | None:
        """By what is known of all names on the way; None if something must be asked."""
        search = locate(flow, self._transports, self._version, self._chance)
        now = self._clock.now()
        try:
            questions = next(search)
            while True:
                answers = [self._answers.get(question, now) for question in questions]
                known = tuple(answer for answer in answers if answer is not None)
                if len(known) < len(answers):
                    return None
                questions = search.send(known)
        except StopIteration as end:
            location: Location = end.value
            return location

    async def _search(self, flow: Flow) -> Location:
        search = locate(flow, self._transports, self._version, self._chance)
        try:
            questions = next(search)
            while True:
                answers = await asyncio.gather(*(self._answer(question) for question in questions))
                questions = search.send(tuple(answers))
        except StopIteration as end:
            location: Location = end.value
            return location

    async def _answer(self, question: Question) -> Answer:
        known = self._answers.get(question, self._clock.now())
        if known is not None:
            return known
        answer, ttl_s = await self._ask(question)
        if answer.is_empty and question.kind in (Kind.A, Kind.AAAA):
            addresses = await self._ask_system(question)
            if addresses:
                answer, ttl_s = Answer(addresses=addresses), SYSTEM_TTL_S
        if ttl_s is not None:
            self._answers.put(question, answer, ttl_s, self._clock.now())
        return answer

    async def _ask(self, question: Question) -> tuple[Answer, float | None]:
        """And how long that holds; None where no server said so: the next call asks again."""
        if self._resolver is None or _is_local(question.name):
            return Answer(reason="has no address"), 0.0
        try:
            name = dns.name.from_text(question.name)
            found = await self._resolver.resolve(
                name, question.kind.value, raise_on_no_answer=False, lifetime=QUESTION_TIMEOUT_S, search=False
            )
        except dns.resolver.NXDOMAIN:
            return Answer(reason=NO_SUCH_NAME), 0.0
        except dns.exception.Timeout:
            return Answer(reason="is not known: no name server answered"), None
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            _log.info("! name server", name=question.name, kind=question.kind.value, error=str(error))
            return Answer(reason="is not known: the name servers failed"), None
        if found.rrset is None:
            return Answer(reason=f"has no {question.kind.value} record"), 0.0
        return read_records(found.rrset), float(found.rrset.ttl)

    async def _ask_system(self, question: Question) -> tuple[str, ...]:
        """/etc/hosts, localhost, and whatever else the system knows names by."""
        with suppress(OSError, UnicodeError):
            found = await asyncio.get_running_loop().getaddrinfo(question.name, None)
            addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
            return tuple(a for a in addresses if ipaddress.ip_address(a).version == self._version)
        return ()


def _is_local(name: str) -> bool:
    """Names without a dot, and those of this machine (RFC 6761 section 6.3), are the system's to know."""
    plain = name.rstrip(".").lower()
    return "." not in plain or plain.endswith(".localhost")


def _make_resolver(nameservers: Sequence[str]) -> dns.asyncresolver.Resolver | None:
    """None where the system names no server: then only its own table is asked."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    except dns.resolver.NoResolverConfiguration:
        return None
    if nameservers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(*split_server(text, DNS_PORT)) for text in nameservers
        ]
    resolver.timeout = TRY_S
    return resolver


def read_records(records: object) -> Answer:
    """What a set of records says, those of other kinds left out."""
    pointers: list[Pointer] = []
    services: list[Service] = []
    addresses: list[str] = []
    for record in records:  # type: ignore[attr-defined]
        match record:
            case dns.rdtypes.IN.NAPTR.NAPTR():
                flags, service = (
                    record.flags.decode("ascii", "replace"),
                    record.service.decode("ascii", "replace"),
                )
                replacement = _text(record.replacement)
                pointers.append(Pointer(record.order, record.preference, flags, service, replacement))
            case dns.rdtypes.IN.SRV.SRV():
                services.append(Service(record.priority, record.weight, record.port, _text(record.target)))
            case dns.rdtypes.IN.A.A() | dns.rdtypes.IN.AAAA.AAAA():
                addresses.append(record.address)
            case _:
                pass  # of a kind that nobody asked for
    return Answer(tuple(pointers), tuple(services), tuple(addresses))


def _text(name: dns.name.Name) -> str:
    """Without the dot at its end; the root stays one."""
    return name.to_text(omit_final_dot=True)
