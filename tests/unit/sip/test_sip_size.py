"""Requests too large for UDP go over TCP, and back if nobody listens there (RFC 3261 section 18.1.1)."""

import pytest

from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.request.requester import LARGE_BYTES
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallAnswered
from signaling.sip.wire.flow import TCP, UDP, Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Request, parse_message
from signaling.sip.wire.response import make_response
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, counting_hex, name_of

OVER_UDP, OVER_TCP = Flow(UDP, BOB, 5060), Flow(TCP, BOB, 5060)
LARGE = OFFER + "a=x-pad:" + "y" * LARGE_BYTES + "\r\n"


def make(*transports: str) -> UserAgent:
    return UserAgent(AgentSettings(), LocalIdentity(ALICE, 5060, counting_hex("a"), "a"), transports)


def sent(agent: UserAgent) -> list[tuple[Request, Flow]]:
    found = [(parse_message(data), flow) for data, flow in agent.messages_to_send()]
    return [(message, flow) for message, flow in found if isinstance(message, Request)]


def names(agent: UserAgent) -> list[tuple[str, Flow]]:
    return [(name_of(message), flow) for message, flow in sent(agent)]


def answer(agent: UserAgent, request: Request, flow: Flow, status: int = 200) -> None:
    headers = (("Contact", f"<sip:bob@{BOB}>"), ("Content-Type", "application/sdp"))
    agent.receive_message(
        make_response(request, status, to_tag="b", headers=headers, body=ANSWER.encode()), flow, 0.0
    )


@pytest.mark.parametrize(
    ("transports", "sdp", "flow"),
    [
        ((UDP, TCP), OFFER, OVER_UDP),
        ((UDP, TCP), LARGE, OVER_TCP),
        ((UDP,), LARGE, OVER_UDP),
    ],
    ids=["small", "large", "no TCP here"],
)
def test_size_decides_about_the_transport(transports: tuple[str, ...], sdp: str, flow: Flow) -> None:
    agent = make(*transports)
    agent.invite(f"sip:bob@{BOB}", sdp, 0.0)
    ((invite, way),) = sent(agent)
    assert way == flow
    assert invite.first("Via").startswith(f"SIP/2.0/{flow.transport.upper()} ")
    assert ("transport=tcp" in invite.first("Contact")) == (flow.transport == TCP)


def test_where_tcp_is_refused_it_goes_over_udp_and_the_next_one_at_once() -> None:
    agent = make(UDP, TCP)
    call = agent.invite(f"sip:bob@{BOB}", LARGE, 0.0)
    ((first, _),) = sent(agent)
    agent.fail_flow(OVER_TCP, 0.0)
    ((again, flow),) = sent(agent)
    assert flow == OVER_UDP
    assert again.first("Via").startswith("SIP/2.0/UDP ")
    assert again.first("CSeq") == first.first("CSeq")
    answer(agent, again, OVER_UDP)
    assert agent.events() == [CallAnswered(call, ANSWER)]
    agent.invite(f"sip:bob@{BOB}", LARGE, 1.0)
    assert names(agent) == [("ACK", OVER_UDP), ("INVITE", OVER_UDP)]


def test_who_refuses_over_tcp_is_not_asked_over_udp() -> None:
    agent = make(UDP, TCP)
    agent.invite(f"sip:bob@{BOB}", LARGE, 0.0)
    ((invite, _),) = sent(agent)
    answer(agent, invite, OVER_TCP, 503)
    assert names(agent) == [("ACK", OVER_TCP)]
    assert agent.calls() == ()


def test_a_cancel_goes_where_its_invite_went() -> None:
    agent = make(UDP, TCP)
    call = agent.invite(f"sip:bob@{BOB}", LARGE, 0.0)
    ((invite, _),) = sent(agent)
    agent.receive_message(make_response(invite, 180, to_tag="b"), OVER_TCP, 0.0)
    agent.cancel(call, 0.0)
    ((cancel, flow),) = sent(agent)
    assert (cancel.method, flow, cancel.first("Via")) == ("CANCEL", OVER_TCP, invite.first("Via"))


def test_within_a_dialog_each_request_is_measured() -> None:
    agent = make(UDP, TCP)
    call = agent.invite(f"sip:bob@{BOB}", OFFER, 0.0)
    ((invite, _),) = sent(agent)
    answer(agent, invite, OVER_UDP)
    agent.reinvite(call, LARGE, 0.0)
    assert names(agent) == [("ACK", OVER_UDP), ("INVITE", OVER_TCP)]
    assert agent.counters()["sip_requests_too_large_for_udp"] == 1
