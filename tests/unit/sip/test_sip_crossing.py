"""What crosses on the wire, or comes when it is of no use any more."""

import pytest

from signaling.sip.session.event import (
    CallAnswered,
    CallArrived,
    ReofferAnswered,
    ReofferRefused,
)
from signaling.sip.wire.flow import TCP, UDP, Flow
from signaling.sip.wire.message import Request, parse_message
from signaling.sip.wire.response import make_response
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line, RawPhone, make_agent, name_of, names
from tests.unit.sip.test_sip_calls import connect
from tests.unit.sip.test_sip_reference import Ringing


def test_a_way_that_breaks_after_a_refused_offer_ends_no_other_offer() -> None:
    """Over UDP the ACK of the refusal may be wanted for 32 s more: the kernel says then that there is no route."""
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, OFFER, line.now)
    line.settle()
    line.bob.reject_reinvite(theirs, 488, line.now)
    line.settle()
    (refused,) = [event for event in line.take(ALICE) if isinstance(event, ReofferRefused)]
    assert refused.status == 488
    line.run(1)
    line.alice.fail_flow(Flow(UDP, BOB, 5060), line.now)
    line.settle()
    assert line.take(ALICE) == []
    line.alice.reinvite(ours, OFFER, line.now)
    line.settle()
    line.bob.answer_reinvite(theirs, ANSWER, line.now)
    line.settle()
    assert line.take(ALICE) == [ReofferAnswered(ours, ANSWER)]


def test_a_bye_in_an_early_dialog_takes_nothing_from_the_others() -> None:
    """One of several phones that ring says BYE, which it must not: another one may answer, however late."""
    phones = Ringing()
    sender = phones.invite.first("From").partition("tag=")[2]
    bye = (
        f"BYE sip:bridge@{BOB} SIP/2.0\r\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n"
        f"From: <sip:team@{ALICE}>;tag=r1\r\nTo: <sip:bridge@{BOB}>;tag={sender}\r\n"
        f"Call-ID: {phones.invite.first('Call-ID')}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
    )
    phones.raw.agent.receive_message(bye.encode(), phones.raw.flow, 0.0)
    assert names(phones.raw.heard()) == ["200 BYE"]
    phones.raw.wait(40)
    headers = (("Contact", f"<sip:phone@{ALICE}>"), ("Content-Type", "application/sdp"))
    ok = make_response(phones.invite, 200, to_tag="r2", headers=headers, body=ANSWER.encode())
    phones.raw.agent.receive_message(ok, phones.raw.flow, 40.0)
    assert names(phones.raw.heard()) == ["ACK"]
    assert phones.raw.agent.events() == [CallAnswered(phones.call, ANSWER)]


def test_a_response_over_a_broken_connection_goes_to_the_port_of_its_via() -> None:
    """RFC 3261 section 18.2.2: rport is for datagrams, and the port a connection came from listens to nobody."""
    agent = make_agent(BOB)
    flow = Flow(TCP, ALICE, 49_152, 7)
    agent.receive_message(
        (
            f"OPTIONS sip:{BOB} SIP/2.0\r\nVia: SIP/2.0/TCP {ALICE}:5070;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
            f"From: <sip:a@{ALICE}>;tag=1\r\nTo: <sip:{BOB}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode(),
        flow,
        0.0,
    )
    ((data, way),) = agent.messages_to_send()
    assert "rport=49152" in parse_message(data).first("Via")
    assert way == Flow(TCP, ALICE, 5070, 7)


@pytest.mark.parametrize("to", ["<sip:bridge@h;tag=x>", '";tag=" <sip:bridge@h>', "<sip:bridge@h>\t;x=1"])
def test_what_looks_like_a_tag_is_none(to: str) -> None:
    request = Request(method="INVITE", uri="sip:h", headers=(("Via", "v"), ("Call-ID", "1"), ("To", to)))
    assert parse_message(make_response(request, 200, to_tag="ours")).first("To") == f"{to};tag=ours"


@pytest.mark.parametrize(
    "to", ["<sip:bridge@h>;tag=x", "<sip:bridge@h>\t;\tTAG\t=\tx", "sip:bridge@h ; tag=x"]
)
def test_a_tag_is_found_however_it_is_written(to: str) -> None:
    request = Request(method="BYE", uri="sip:h", headers=(("Via", "v"), ("Call-ID", "1"), ("To", to)))
    assert parse_message(make_response(request, 200, to_tag="ours")).first("To") == to


@pytest.mark.parametrize("answered", [True, False])
def test_the_answer_to_a_cancel_has_the_tag_of_the_answer_to_its_invite(*, answered: bool) -> None:
    """RFC 3261 section 9.2: a phone whose CANCEL crossed our 200 hangs up with the tag that it read last."""
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, branch="z9hG4bKx", body=OFFER)
    (arrived,) = raw.agent.events()
    assert isinstance(arrived, CallArrived)
    if answered:
        raw.agent.accept(arrived.call, ANSWER, raw.now)
    said = [*raw.heard(), *raw.send("CANCEL", 1, branch="z9hG4bKx")]
    tags = {name_of(one): one.first("To").partition(";tag=")[2] for one in said}
    final = "200 INVITE" if answered else "487 INVITE"
    assert tags["200 CANCEL"] == tags[final] != ""
