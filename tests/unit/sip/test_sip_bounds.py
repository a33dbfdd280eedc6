"""What a user agent keeps is bounded: calls, transactions, and what one message may hold."""

import pytest

from bridge.errors import CapacityError
from signaling.sip.agent.request.requester import Requester
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.transaction.outcome import NO_ROOM, RequestArrived, TransactionEnded, TransactionFailed
from signaling.sip.transaction.transaction import Timing
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.trunk.authorizer import Authorizer
from signaling.sip.trunk.trunk import Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import (
    MAX_HEADERS,
    MAX_MESSAGE_BYTES,
    Request,
    parse_essentials,
    parse_message,
)
from tests.unit.sip.line import ALICE, BOB, OFFER, counting_hex, make_agent

PHONE = Flow("udp", ALICE, 5060)


def options(number: int, extra: str = "", body: str = "") -> bytes:
    return (
        f"OPTIONS sip:bridge@{BOB} SIP/2.0\r\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:a@{ALICE}>;tag=a\r\nTo: <sip:bridge@{BOB}>\r\nCall-ID: {number}\r\n"
        f"CSeq: 1 OPTIONS\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def invite(number: int) -> bytes:
    text = options(number, f"Contact: <sip:a@{ALICE}>\r\nContent-Type: application/sdp\r\n", OFFER)
    return text.replace(b"OPTIONS", b"INVITE")


def statuses(data: list[tuple[bytes, Flow]]) -> list[int]:
    return [int(message.split(b" ", 2)[1]) for message, _ in data]


def test_transactions_above_their_bound_hear_503_and_are_counted_and_not_kept() -> None:
    timing = Timing()
    layer = TransactionLayer(timing, max_transactions=3)
    arrived = []
    for number in range(5):
        message = parse_message(options(number))
        assert isinstance(message, Request)
        arrived += layer.receive_request(message, parse_essentials(message), PHONE, 0.0)
    assert len(arrived) == len(layer) == 3
    assert layer.overflowed == 2
    assert statuses(layer.take_messages()) == [503, 503]
    for outcome in arrived:
        assert isinstance(outcome, RequestArrived)
        layer.respond(outcome.key, 200, b"SIP/2.0 200 OK\r\n\r\n", 0.0)
    layer.handle_timer(timing.patience_s)
    assert len(layer) == 0


def of_ours(method: str, branch: str) -> Request:
    message = parse_message(
        options(1).replace(b"OPTIONS", method.encode()).replace(b"z9hG4bK1", branch.encode())
    )
    assert isinstance(message, Request)
    return message


def test_our_requests_above_their_bound_are_not_sent_and_fail_at_once() -> None:
    layer = TransactionLayer(Timing(), max_clients=1)
    layer.request(of_ours("OPTIONS", "a"), "a", PHONE, 0.0)
    left_out = layer.request(of_ours("OPTIONS", "b"), "b", PHONE, 0.0)
    layer.request(of_ours("BYE", "c"), "c", PHONE, 0.0)  # what ends a call goes
    layer.request(of_ours("BYE", "d"), "d", PHONE, 0.0)  # up to twice the bound
    assert (len(layer.take_messages()), len(layer), layer.unopened, layer.timer()) == (2, 2, 2, 0.0)
    assert layer.handle_timer(0.0) == [
        *(TransactionFailed(left_out, NO_ROOM), TransactionEnded(left_out)),
        *(TransactionFailed(("d", "BYE"), NO_ROOM), TransactionEnded(("d", "BYE"))),
    ]
    assert layer.take_messages() == []
    forgotten = layer.request(of_ours("OPTIONS", "e"), "e", PHONE, 0.0)
    layer.abandon(forgotten)
    assert layer.handle_timer(0.1) == []


def test_a_call_of_ours_without_room_is_refused_and_avoids_no_way() -> None:
    layer, heard = TransactionLayer(Timing(), max_clients=0), []
    identity = LocalIdentity(BOB, 5060, counting_hex("b"))
    requester = Requester(identity, layer, Authorizer(identity, Trunks()), ("udp",))
    requester.send(of_ours("INVITE", "a"), "a", PHONE, 0.0, lambda reply, _: heard.append(reply.status))
    for outcome in layer.handle_timer(0.0):
        if isinstance(outcome, TransactionFailed):
            requester.receive_failure(outcome, 0.0)
        elif isinstance(outcome, TransactionEnded):
            requester.forget(outcome)
    assert (heard, requester.failovers, requester.latest_request(("a", "INVITE"))) == ([NO_ROOM], 0, None)


def test_calls_above_their_bound_hear_503_with_a_time_and_ours_are_not_made() -> None:
    agent = make_agent(BOB, AgentSettings(max_calls=2))
    for number in range(3):
        agent.receive_message(invite(number), PHONE, 0.0)
    assert len([event for event in agent.events() if isinstance(event, CallArrived)]) == 2
    assert agent.counters()["sip_calls"] == 2
    ((refusal, _),) = agent.messages_to_send()
    assert refusal.startswith(b"SIP/2.0 503 ")
    assert b"\r\nRetry-After: " in refusal
    with pytest.raises(CapacityError):
        agent.invite(f"sip:a@{ALICE}", OFFER, 0.0)
    assert agent.counters()["sip_calls"] == 2


@pytest.mark.parametrize(
    ("extra", "body", "heard"),
    [
        ("X-Pad: y\r\n" * (MAX_HEADERS - 20), "", [200]),
        ("X-Pad: y\r\n" * MAX_HEADERS, "", []),
        ("X-Pad: " + "y" * 60_000 + "\r\n", "", [200]),
        ("X-Pad: " + "y" * MAX_MESSAGE_BYTES + "\r\n", "", []),
        ("", "y" * MAX_MESSAGE_BYTES, [513]),
    ],
    ids=["many headers", "too many headers", "a long line", "a line too long", "a body too long"],
)
def test_a_message_has_bounds(extra: str, body: str, heard: list[int]) -> None:
    """One whose head alone breaks them is counted and not read, not even to refuse it."""
    agent = make_agent(BOB)
    agent.receive_message(options(1, extra, body), PHONE, 0.0)
    assert statuses(agent.messages_to_send()) == heard
    assert agent.counters()["sip_malformed"] == (heard != [200])
