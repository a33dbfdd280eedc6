"""Requests to names: they wait for the addresses, and go on to the next one (RFC 3263 section 4.3)."""

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.request.location import Location
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallAnswered, CallKey, CallProgressed, CallRefused
from signaling.sip.transaction.transaction import Timing
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import TCP, UDP, Flow
from signaling.sip.wire.message import Request, parse_message, serialize_message
from signaling.sip.wire.response import make_response
from tests.unit.sip.line import ALICE, ANSWER, OFFER, make_agent, name_of

TARGET = "sip:112@carrier.example"
FIRST, SECOND = Flow(UDP, "192.0.2.11", 5060), Flow(TCP, "192.0.2.12", 5062)
PATIENCE_S = Timing().patience_s


class Caller:
    """An agent whose requests are read as they leave."""

    def __init__(self) -> None:
        self.agent = make_agent(ALICE)
        self.now = 0.0

    def sent(self) -> list[tuple[Request, Flow]]:
        found = [(parse_message(data), flow) for data, flow in self.agent.messages_to_send()]
        return [(message, flow) for message, flow in found if isinstance(message, Request)]

    def names(self) -> list[tuple[str, Flow]]:
        return [(name_of(message), flow) for message, flow in self.sent()]

    def locate(self, *ways: Flow, reason: str = "") -> None:
        (asked,) = self.agent.lookups()
        assert (asked.host, asked.port) == ("carrier.example", 5060)
        self.agent.receive_location(asked, Location(ways, reason), self.now)

    def answer(self, request: Request, status: int, flow: Flow, contact: str = "", body: str = "") -> None:
        headers = [("Contact", contact)] if contact else []
        headers += [("Content-Type", "application/sdp")] if body else []
        data = make_response(request, status, to_tag="t1", headers=tuple(headers), body=body.encode())
        self.agent.receive_message(data, flow, self.now)

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while (at := self.agent.timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.agent.handle_timer(self.now)
        self.now = until


def test_an_invite_to_a_name_waits_for_its_addresses() -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    assert caller.sent() == []
    assert caller.agent.call_id(call)
    caller.locate(SECOND, FIRST)
    ((invite, flow),) = caller.sent()
    assert flow == SECOND
    assert invite.first("Via").startswith("SIP/2.0/TCP ")
    assert "transport=tcp" in invite.first("Contact")
    assert invite.first("Call-ID") == caller.agent.call_id(call)
    assert caller.agent.lookups() == []


def test_two_calls_to_a_name_ask_once() -> None:
    caller = Caller()
    caller.agent.invite(TARGET, OFFER, 0.0)
    caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST)
    assert caller.names() == [("INVITE", FIRST)] * 2


def test_a_name_without_address_fails_the_call_and_says_why() -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(reason="carrier.example does not exist")
    assert caller.agent.events() == [CallRefused(call, 503, "carrier.example does not exist")]
    assert caller.agent.calls() == ()
    assert caller.sent() == []


@pytest.mark.parametrize("trouble", ["transport", "503", "silence"])
def test_the_next_address_takes_the_call(trouble: str) -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST, SECOND)
    ((first, _),) = caller.sent()
    if trouble == "transport":
        caller.agent.fail_flow(FIRST, caller.now)
    elif trouble == "503":
        caller.answer(first, 503, FIRST)
    else:
        caller.run(PATIENCE_S)
    sent = caller.sent()
    invite, flow = sent[-1]
    assert flow == SECOND
    assert invite.first("CSeq") == first.first("CSeq")
    assert invite.first("Call-ID") == first.first("Call-ID")
    assert invite.first("From") == first.first("From")
    assert invite.first("Via") != first.first("Via")
    assert caller.agent.events() == []
    assert caller.agent.counters()["sip_failovers"] == 1
    caller.answer(invite, 200, SECOND, "<sip:bob@192.0.2.12:5062;transport=tcp>", ANSWER)
    assert caller.agent.events() == [CallAnswered(call, ANSWER)]


def test_when_all_addresses_failed_so_has_the_call() -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST, SECOND)
    caller.agent.fail_flow(FIRST, 0.0)
    caller.agent.fail_flow(SECOND, 0.0)
    assert caller.agent.events() == [CallRefused(call, 503, "cannot be reached")]
    assert caller.agent.calls() == ()


def test_a_phone_that_rang_is_not_called_by_another_way() -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST, SECOND)
    ((invite, _),) = caller.sent()
    caller.answer(invite, 180, FIRST)
    caller.answer(invite, 503, FIRST)
    assert caller.agent.events() == [
        CallProgressed(call, 180, "", binding=False),
        CallRefused(call, 503, "Service Unavailable"),
    ]


def test_an_address_that_failed_is_tried_last_for_a_while() -> None:
    caller = Caller()
    caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST, SECOND)
    caller.agent.fail_flow(FIRST, 0.0)
    caller.sent()
    caller.agent.invite(TARGET, OFFER, caller.now)
    caller.locate(FIRST, SECOND)
    assert caller.names() == [("INVITE", SECOND)]
    caller.now = 61.0
    caller.agent.invite(TARGET, OFFER, caller.now)
    caller.locate(FIRST, SECOND)
    assert caller.names() == [("INVITE", FIRST)]


def test_who_hangs_up_while_the_name_is_looked_up_calls_nobody() -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.agent.cancel(call, 0.0)
    caller.locate(FIRST)
    assert caller.sent() == []
    assert caller.agent.calls() == ()


def test_a_cancel_waits_until_the_second_server_has_answered() -> None:
    """Section 9.1: what the first one said does not count."""
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST, SECOND)
    ((first, _),) = caller.sent()
    caller.answer(first, 100, FIRST)
    caller.answer(first, 503, FIRST)
    caller.agent.cancel(call, 0.0)
    sent = caller.sent()
    assert [name_of(message) for message, _ in sent] == ["ACK", "INVITE"]
    caller.answer(sent[-1][0], 100, SECOND)
    assert caller.names() == [("CANCEL", SECOND)]


def test_the_ack_goes_to_the_name_that_the_answer_gave() -> None:
    caller = Caller()
    caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST)
    ((invite, _),) = caller.sent()
    caller.answer(invite, 200, FIRST, "<sip:bob@carrier.example>", ANSWER)
    assert caller.sent() == []
    caller.locate(SECOND)
    ((ack, flow),) = caller.sent()
    assert (ack.method, ack.uri, flow) == ("ACK", "sip:bob@carrier.example", SECOND)
    assert ack.first("Via").startswith("SIP/2.0/TCP ")
    assert serialize_message(ack)


TRUNK = Trunk(TrunkId("carrier"), (), "sip:carrier.example", username="anna", password="correct horse")


class AskedCaller(Caller):
    """Its trunk has two servers, each with nonces of its own, and knows its calls by name and password."""

    def __init__(self) -> None:
        super().__init__()
        self.agent = make_agent(ALICE, AgentSettings(trunks=Trunks([TRUNK])))

    def call(self) -> CallKey:
        call = self.agent.invite(TARGET, OFFER, self.now, trunk_id=TRUNK.trunk_id)
        self.locate(FIRST, SECOND)
        return call

    def challenge(
        self, request: Request, flow: Flow, nonce: str, status: int = 407, realm: str = "carrier"
    ) -> None:
        name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
        header = (name, f'Digest realm="{realm}", nonce="{nonce}", qop="auth"')
        self.agent.receive_message(make_response(request, status, headers=(header,)), flow, self.now)

    def invite(self) -> tuple[Request, Flow]:
        ((invite, flow),) = [(sent, flow) for sent, flow in self.sent() if sent.method == "INVITE"]
        return invite, flow


@pytest.mark.parametrize("known", [False, True])
def test_the_next_address_may_ask_who_calls_though_the_first_did(*, known: bool) -> None:
    caller = AskedCaller()
    call = caller.call()
    invite, _ = caller.invite()
    caller.challenge(invite, FIRST, "of the first")
    invite, _ = caller.invite()
    if known:  # an earlier call was asked
        caller.answer(invite, 486, FIRST)
        call = caller.call()
        caller.agent.events()
        invite, _ = caller.invite()
    assert 'nonce="of the first"' in invite.first("Proxy-Authorization")
    caller.answer(invite, 503, FIRST)
    invite, flow = caller.invite()
    assert flow == SECOND
    caller.challenge(invite, SECOND, "of the second")
    invite, flow = caller.invite()
    assert flow == SECOND
    assert 'nonce="of the second"' in invite.first("Proxy-Authorization")
    caller.answer(invite, 200, SECOND, "<sip:bob@192.0.2.12:5062;transport=tcp>", ANSWER)
    assert caller.agent.events() == [CallAnswered(call, ANSWER)]


def test_a_call_is_proved_to_the_proxy_and_to_what_stands_behind_it() -> None:
    caller = AskedCaller()
    call = caller.call()
    invite, _ = caller.invite()
    caller.challenge(invite, FIRST, "of the proxy")
    invite, _ = caller.invite()
    caller.challenge(invite, FIRST, "of the switch", 401, "switch")
    invite, _ = caller.invite()
    assert 'nonce="of the proxy"' in invite.first("Proxy-Authorization")
    assert 'nonce="of the switch"' in invite.first("Authorization")
    caller.answer(invite, 200, FIRST, "<sip:bob@192.0.2.11:5060>", ANSWER)
    assert caller.agent.events() == [CallAnswered(call, ANSWER)]
    caller.sent()
    caller.call()
    invite, _ = caller.invite()
    assert [name for name, _ in invite.headers if name.endswith("uthorization")] == [
        "Proxy-Authorization",
        "Authorization",
    ]


def test_both_may_have_forgotten_their_nonces_when_the_next_call_comes() -> None:
    caller = AskedCaller()
    for time in ("first", "second"):
        call = caller.call()
        invite, _ = caller.invite()
        caller.challenge(invite, FIRST, f"{time} of the proxy")
        invite, _ = caller.invite()
        caller.challenge(invite, FIRST, f"{time} of the switch", 401, "switch")
        invite, _ = caller.invite()
        assert f'nonce="{time} of the switch"' in invite.first("Authorization")
        caller.answer(invite, 200, FIRST, "<sip:bob@192.0.2.11:5060>", ANSWER)
        assert caller.agent.events() == [CallAnswered(call, ANSWER)]
        caller.sent()


def test_servers_of_a_trunk_may_have_a_realm_each() -> None:
    caller = AskedCaller()
    for number in range(8):
        call = caller.call()
        invite, _ = caller.invite()
        caller.challenge(invite, FIRST, f"n{number}", realm=f"server {number}")
        invite, _ = caller.invite()
        caller.answer(invite, 200, FIRST, "<sip:bob@192.0.2.11:5060>", ANSWER)
        assert caller.agent.events() == [CallAnswered(call, ANSWER)]
        caller.sent()


def test_two_proxies_that_ask_at_once_are_both_answered() -> None:
    caller = AskedCaller()
    caller.call()
    invite, _ = caller.invite()
    headers = tuple(("Proxy-Authenticate", f'Digest realm="{r}", nonce="n{r}", qop="auth"') for r in "ab")
    caller.agent.receive_message(make_response(invite, 407, headers=headers), FIRST, caller.now)
    invite, _ = caller.invite()
    answers = [value for name, value in invite.headers if name == "Proxy-Authorization"]
    assert [f'realm="{realm}"' in answer for realm, answer in zip("ab", answers, strict=True)] == [True, True]


def test_a_trunk_whose_realm_is_another_each_time_is_not_answered_for_ever() -> None:
    caller = AskedCaller()
    call = caller.call()
    for number in range(20):
        invites = [request for request, _ in caller.sent() if request.method == "INVITE"]
        if not invites:
            break
        caller.challenge(invites[0], FIRST, f"n{number}", realm=f"r{number}")
    assert caller.agent.events() == [CallRefused(call, 407, "Unknown")]
    assert number <= 5


def test_a_call_that_was_refused_is_not_made_again_when_its_way_breaks_afterwards() -> None:
    caller = Caller()
    call = caller.agent.invite(TARGET, OFFER, 0.0)
    caller.locate(FIRST, SECOND)
    ((invite, _),) = caller.sent()
    caller.answer(invite, 486, FIRST)
    caller.sent()
    caller.agent.fail_flow(FIRST, 1.0)
    assert caller.sent() == []
    assert caller.agent.events() == [CallRefused(call, 486, "Busy Here")]
