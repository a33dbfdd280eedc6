"""Targets of the headers and bodies of SIP: what a peer writes leads to values within their bounds, or to none."""

import re
from collections.abc import Callable, Iterable
from itertools import count

import dns.exception
import dns.message
import dns.rdatatype

from bridge.errors import BridgeError, ParseError
from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.inspection.provenance import MAX_CHARS, caller_of, referrer_of, ways_of
from signaling.sip.agent.invite.replaces import parse_replaces, replacing_headers
from signaling.sip.agent.request.information import LONGEST_MS
from signaling.sip.agent.request.location import MAX_WAYS, Answer, Kind, Location, locate
from signaling.sip.agent.request.reference import referred_to
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.door.referring import dialed_target
from signaling.sip.session.event import (
    AgentEvent,
    CallArrived,
    CallEnded,
    CallKey,
    DigitPressed,
    ReferralArrived,
)
from signaling.sip.session.session_timer import MAX_INTERVAL_S, MIN_SE_S, SessionTimer, agree, is_too_short
from signaling.sip.shell.locator import read_records
from signaling.sip.trunk.authorizer import Authorizer
from signaling.sip.trunk.gate import Gate, Verdict, trunk_of
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.digest import parse_challenges, parse_credentials
from signaling.sip.wire.flow import TRANSPORTS, Flow, Lookup, is_numeric
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import (
    Headers,
    Request,
    Response,
    parse_essentials,
    parse_message,
    readable,
    serialize_message,
)
from tests.fuzz.seeds import SEEDS
from tests.fuzz.target import Target

PHONE = Flow("udp", "192.0.2.1", 5060)
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
TRUNK = Trunk(
    TrunkId("t"),
    ("192.0.2.0/24",),
    "sip:192.0.2.1",
    trusted=True,
    username="u",
    password="p",
    authenticate=True,
)
_BREAKS = re.compile(r"[\r\n]+")


def sip_text(data: bytes) -> str:
    """As headers of SIP bytes become text."""
    return data.decode("utf-8", "surrogateescape")


def header(data: bytes) -> str:
    """What the value of one header can be."""
    return _BREAKS.sub(" ", sip_text(data)).strip(" \t")


def headers(data: bytes, names: Iterable[str]) -> Headers:
    """A line of the input for each; a line that is missing or empty is a header that is."""
    values = [header(line) for line in data.split(b"\n")]
    return tuple((name, value) for name, value in zip(names, values, strict=False) if value)


def counting_hex() -> Callable[[int], str]:
    serial = count(1)
    return lambda octets: f"{next(serial):x}".rjust(2 * octets, "0")[: 2 * octets]


def identity() -> LocalIdentity:
    return LocalIdentity("192.0.2.9", 5060, counting_hex())


def message(
    method: str,
    number: int,
    extra: str = "",
    body: bytes = b"",
    *,
    tag: str = "",
    kind: str = "application/sdp",
) -> bytes:
    """A request of one phone; `extra` are whole lines."""
    lines = (
        f"{method} sip:bridge@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}\r\n"
        f"From: <sip:alice@192.0.2.1>;tag=a\r\nTo: <sip:bridge@192.0.2.9>{f';tag={tag}' if tag else ''}\r\n"
        f"Call-ID: c\r\nCSeq: {number} {method}\r\nContact: <sip:alice@192.0.2.1>\r\n{extra}"
        f"Content-Type: {kind}\r\n\r\n"
    )
    return lines.encode("utf-8", "surrogateescape") + body


class Phone:
    """A phone whose call the bridge took; everything that the bridge says to it can be read."""

    def __init__(self, extra: str = "") -> None:
        self.agent = UserAgent(AgentSettings(), identity())
        self.events: list[AgentEvent] = []
        self.heard: list[Request | Response] = []
        self.tag = ""
        self.say(message("INVITE", 1, extra, SDP.encode()))

    @property
    def call(self) -> CallKey | None:
        return next((event.call for event in self.events if isinstance(event, CallArrived)), None)

    def take_up(self) -> None:
        """The call is answered, if it is one."""
        if self.call is not None and self.call in self.agent.calls():
            self.agent.accept(self.call, SDP, 0.0)
            self.listen()
            self.say(message("ACK", 1, tag=self.tag))

    def say(self, data: bytes) -> None:
        self.agent.receive_message(data, PHONE, 0.0)
        self.listen()

    def listen(self) -> None:
        for flow in self.agent.lookups():
            self.agent.receive_location(flow, Location(reason="no such name"), 0.0)
        self.events += self.agent.events()
        self.heard += [parse_message(data) for data, _ in self.agent.messages_to_send()]
        for heard in self.heard:
            self.tag = parse_essentials(heard).to_tag if isinstance(heard, Response) else self.tag

    def end(self) -> None:
        """Nothing of the call outlives it."""
        for call in self.agent.calls():
            self.agent.hang_up(call, "over", 0.0)
        self.listen()
        while (at := self.agent.timer()) is not None:
            assert at < 1000, "a call that never ends"
            self.agent.handle_timer(at)
            self.listen()
        assert self.agent.calls() == ()


# --- who somebody is --------------------------------------------------------------------------------------


def digest_credentials(data: bytes) -> None:
    """Authorization of a caller, as right as it can be without the password."""
    gate = Gate(Trunks((TRUNK,)), counting_hex())
    asked = parse_challenges(value for _, value in gate.challenges(Verdict.ABSENT, TRUNK, 0.0))
    text = header(data).replace("{nonce}", asked[0].nonce)
    request = Request(headers=(("Authorization", text),), method="INVITE", uri="sip:b@192.0.2.9")
    verdict, _ = gate.check(request, 1.0)
    assert verdict is not Verdict.PROVED
    trunk_of(Trunks((TRUNK,)), request, Flow("udp", "198.51.100.1", 5060))
    parse_credentials(text)


def digest_challenge(data: bytes) -> None:
    """A challenge of a trunk: whatever it asks, our answer can be read and breaks out of nothing."""
    for status, name in ((401, "WWW-Authenticate"), (407, "Proxy-Authenticate")):
        authorizer = Authorizer(identity(), Trunks((TRUNK,)))
        response = Response(headers=((name, header(data)),), status=status, reason="")
        if not authorizer.take(TRUNK.trunk_id, response, {}):
            continue
        answer = authorizer.headers(TRUNK.trunk_id, "INVITE", "sip:b@192.0.2.1", {})
        ((_, value),) = answer
        assert parse_credentials(value).username == TRUNK.username
        again = parse_message(serialize_message(Request(headers=answer, method="INVITE", uri="sip:b@h")))
        assert again.headers[:1] == answer


def asserted_identity(data: bytes) -> None:
    names = ("P-Asserted-Identity", "Privacy", "Remote-Party-ID", "P-Preferred-Identity")
    said = headers(data, names)
    request = parse_message(message("INVITE", 1, "".join(f"{name}: {value}\r\n" for name, value in said)))
    assert isinstance(request, Request)
    for trusted in (False, True):
        told = caller_of(request, parse_essentials(request), trusted=trusted)
        assert readable(told) == told


def ways(data: bytes) -> None:
    """By which ways a call came, told as data of the interaction."""
    request = Request(
        headers=headers(data, ("Diversion", "History-Info", "Referred-By")), method="INVITE", uri="sip:b@h"
    )
    for _, text in ways_of(request):
        assert len(text.encode()) <= 4 * MAX_CHARS
        assert readable(text) == text


# --- where a call goes ------------------------------------------------------------------------------------


def replaces(data: bytes) -> None:
    text = header(data)
    if parse_replaces(text) is None:
        raise ParseError("names no dialog")
    Phone(f"Replaces: {text}\r\nRequire: replaces\r\n").end()


def refer(data: bytes) -> None:
    """Refer-To and Referred-By: whoever is dialed for them is dialed by an INVITE that can be read."""
    said = headers(data, ("Refer-To", "Referred-By"))
    request = Request(headers=said, method="REFER", uri="sip:b@h")
    phone = Phone()
    phone.take_up()
    phone.say(message("REFER", 2, "".join(f"{name}: {value}\r\n" for name, value in said), tag=phone.tag))
    if any(isinstance(event, ReferralArrived) for event in phone.events) and phone.call is not None:
        phone.agent.accept_referral(phone.call, 0.0)
        phone.listen()
    phone.end()
    target = referred_to(request)
    dialed_target(target, {"192.0.2.9"}, 5060)
    wanted = replacing_headers(target) if target.lower().startswith("sip") else ()
    assert all(parse_replaces(value) for name, value in wanted if name == "Replaces")
    referrer = referrer_of(request, "<sip:alice@192.0.2.1>", trusted=True)
    agent = UserAgent(AgentSettings(), identity())
    agent.invite(target, SDP, 0.0, headers=(("Referred-By", f"<{referrer}>"),))
    for sent, _ in agent.messages_to_send():
        parse_essentials(parse_message(sent))


def routes(data: bytes) -> None:
    """Via, Record-Route and Contact of a call; each request of ours within it goes by them."""
    lines = [line for line in sip_text(data).replace("\r", "").split("\n") if line]
    phone = Phone("".join(f"{line}\r\n" for line in lines[:20]))
    phone.take_up()
    phone.end()


def name_servers(data: bytes) -> None:
    """A message of a name server, the answer to each question that there is about a name."""
    answers: dict[Kind, Answer] = {}
    for rrset in dns.message.from_wire(data).answer:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        if kind in Kind.__members__:
            answers[Kind(kind)] = read_records(rrset)
    for flow in (Flow("udp", "example.org", 5060, lookup=Lookup.ANY), Flow("tls", "example.org", 5061)):
        search = locate(flow, TRANSPORTS, 4, lambda bound: bound - 1)
        try:
            questions = next(search)
            while True:
                questions = search.send(tuple(answers.get(q.kind, Answer(reason="none")) for q in questions))
        except StopIteration as end:
            found = end.value
            assert len(found.ways) <= MAX_WAYS
            assert all(is_numeric(way.host) and way.transport in TRANSPORTS for way in found.ways)


# --- within a call ----------------------------------------------------------------------------------------


def session_timer(data: bytes) -> None:
    """Session-Expires, Min-SE and Supported, in a request and in both answers to ours."""
    said = headers(data, ("Session-Expires", "Min-SE", "Supported"))
    request = Request(headers=said, method="INVITE", uri="sip:b@h")
    is_too_short(request)
    for wanted_s in (0, 1800):
        interval = agree(request, wanted_s)
        assert interval is None or MIN_SE_S <= interval.seconds <= MAX_INTERVAL_S
        timer = SessionTimer()
        timer.wanted_s = wanted_s
        timer.start(interval, 0.0)
        timer.raise_to(Response(headers=said, status=422, reason=""))
        timer.learn(Response(headers=said, status=200, reason=""), 0.0)
        at = timer.timer()
        assert at is None or at >= MIN_SE_S / 2
        if timer.interval is not None and timer.interval.we_refresh:
            assert timer.interval.seconds <= MAX_INTERVAL_S
        serialize_message(Request(headers=timer.request_headers(), method="UPDATE", uri="sip:b@h"))


def information(data: bytes) -> None:
    """INFO: the first line is the type of the body."""
    kind, _, body = data.partition(b"\n")
    phone = Phone()
    phone.take_up()
    phone.say(message("INFO", 2, body=body, tag=phone.tag, kind=header(kind)))
    for event in phone.events:
        if isinstance(event, DigitPressed):
            assert event.digit in "0123456789*#ABCD"
            assert 0 <= event.duration_ms <= LONGEST_MS
    phone.end()


def reliable(data: bytes) -> None:
    """RAck of a phone that our 18x rings, and RSeq of one that rings for us."""
    rack, rseq = (dict(headers(data, ("RAck", "RSeq"))).get(name, "") for name in ("RAck", "RSeq"))
    phone = Phone("Require: 100rel\r\n")
    phone.say(message("PRACK", 2, f"RAck: {rack}\r\n", tag=phone.tag))
    phone.take_up()
    phone.end()
    calling = UserAgent(AgentSettings(), identity())
    call = calling.invite("sip:alice@192.0.2.1", SDP, 0.0)
    ((sent, _),) = calling.messages_to_send()
    invite = parse_message(sent)
    for _ in range(2):
        ringing = Response(
            headers=(
                *((name, invite.first(name)) for name in ("Via", "From", "Call-ID", "CSeq")),
                ("To", f"{invite.first('To')};tag=b"),
                ("Require", "100rel"),
                ("RSeq", rseq),
                ("Contact", "<sip:alice@192.0.2.1>"),
            ),
            status=183,
            reason="",
        )
        calling.receive_message(serialize_message(ringing), PHONE, 0.0)
        pracks = [parse_message(prack) for prack, _ in calling.messages_to_send()]
        assert all(prack.first("RAck").split()[0] == str(int(rseq)) for prack in pracks)
    calling.hang_up(call, "over", 0.0)


def reason(data: bytes) -> None:
    """Why a phone hangs up, told as text."""
    phone = Phone()
    phone.take_up()
    phone.say(message("BYE", 2, f"Reason: {header(data)}\r\n", tag=phone.tag))
    (ended,) = (event for event in phone.events if isinstance(event, CallEnded))
    assert readable(ended.reason) == ended.reason
    phone.end()


PARSE = (ParseError,)

SIP_TARGETS = (
    Target("sip_digest_credentials", digest_credentials, PARSE, SEEDS["sip_digest_credentials"]),
    Target("sip_digest_challenge", digest_challenge, (), SEEDS["sip_digest_challenge"]),
    Target("sip_asserted_identity", asserted_identity, (), SEEDS["sip_asserted_identity"]),
    Target("sip_ways", ways, (), SEEDS["sip_ways"]),
    Target("sip_replaces", replaces, PARSE, SEEDS["sip_replaces"]),
    Target("sip_refer", refer, (BridgeError,), SEEDS["sip_refer"]),
    Target("sip_routes", routes, (), SEEDS["sip_routes"]),
    Target("sip_name_servers", name_servers, (dns.exception.DNSException,), SEEDS["sip_name_servers"]),
    Target("sip_session_timer", session_timer, (), SEEDS["sip_session_timer"]),
    Target("sip_information", information, (), SEEDS["sip_information"]),
    Target("sip_reliable", reliable, (), SEEDS["sip_reliable"]),
    Target("sip_reason", reason, (), SEEDS["sip_reason"]),
)
