"""Whether a Contact leads to its phone, or only the way does that its message came by."""

import pytest

from signaling.sip.session.dialog import Dialog, accept_dialog
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, parse_essentials, parse_message
from signaling.sip.wire.via import parse_via, response_flow
from tests.unit.sip.line import ALICE, OFFER, make_agent

CAME_BY = Flow("tcp", "203.0.113.9", 41000, 7)


def called_by(sent_by: str, contact: str, flow: Flow = CAME_BY, routes: str = "") -> Dialog:
    data = (
        f"INVITE sip:bridge@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/TCP {sent_by};branch=z9hG4bK1\r\n{routes}"
        "Max-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=a\r\nTo: <sip:b@example.net>\r\n"
        f"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <{contact}>\r\nContent-Length: 0\r\n\r\n"
    )
    request = parse_message(data.encode())
    assert isinstance(request, Request)
    return accept_dialog(request, parse_essentials(request), flow, "tag")


@pytest.mark.parametrize(
    ("sent_by", "contact"),
    [
        ("10.0.0.5", "sip:a@10.0.0.5"),
        ("desk.local", "sip:a@10.0.0.5"),
        ("desk", "sip:a@desk"),
        ("x7f2.invalid", "sip:a@x7f2.invalid;transport=ws"),
        ("203.0.113.9", "sip:a@192.168.178.20:5060"),
        ("pbx.example.org", "sip:a@[fd00::5]"),
    ],
)
def test_a_contact_of_another_network_is_not_followed(sent_by: str, contact: str) -> None:
    assert called_by(sent_by, contact).next_hop() == CAME_BY


def test_a_pbx_that_calls_itself_by_its_name_is_found_by_it_when_its_connection_is_gone() -> None:
    hop = called_by("pbx.example.org", "sip:a@pbx.example.org:5060").next_hop()
    assert (hop.host, hop.port, hop.connection) == ("pbx.example.org", 5060, 7)


def test_a_name_that_may_be_unknown_here_is_not_asked_for_over_udp() -> None:
    way = Flow("udp", "203.0.113.9", 5060)
    assert called_by("pbx.example.org", "sip:a@pbx.example.org", way).next_hop() == way


def test_a_private_contact_is_followed_within_its_network() -> None:
    hop = called_by("10.0.0.5", "sip:a@10.0.0.6:5062", Flow("udp", "10.0.0.5", 5060)).next_hop()
    assert (hop.host, hop.port) == ("10.0.0.6", 5062)


def test_a_proxy_that_stays_on_the_way_leads_to_a_private_contact() -> None:
    routes = "Record-Route: <sip:203.0.113.9;transport=tcp;lr>\r\n"
    hop = called_by("203.0.113.9", "sip:a@10.0.0.5", routes=routes).next_hop()
    assert (hop.host, hop.port) == ("203.0.113.9", 5060)


def test_a_called_pbx_behind_nat_gets_its_ack_and_bye_where_its_answer_came_from() -> None:
    """With an ACK to its private address it would hang up after 32 s."""
    agent = make_agent(ALICE)
    call = agent.invite("sip:bob@203.0.113.9", OFFER, 0.0)
    ((data, _),) = agent.messages_to_send()
    invite = parse_message(data)
    text = "SIP/2.0 200 OK\r\n" + "".join(
        f"{name}: {invite.first(name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq")
    )
    text += (
        f"To: {invite.first('To')};tag=b\r\nContact: <sip:bob@192.168.1.9:5060>\r\nContent-Length: 0\r\n\r\n"
    )
    way = Flow("udp", "203.0.113.9", 5060)
    agent.receive_message(text.encode(), way, 0.0)
    agent.hang_up(call, "", 0.0)
    sent = [(parse_message(data), flow) for data, flow in agent.messages_to_send()]
    assert [(message.method, message.uri) for message, _ in sent if isinstance(message, Request)] == [
        ("ACK", "sip:bob@192.168.1.9:5060"),
        ("BYE", "sip:bob@192.168.1.9:5060"),
    ]
    assert [flow for _, flow in sent] == [way, way]


@pytest.mark.parametrize(
    ("sent_by", "port"), [("10.0.0.5:5062", 41000), ("203.0.113.9:5062", 5062), ("203.0.113.7", 5060)]
)
def test_a_phone_behind_nat_that_asks_for_no_rport_is_answered_where_it_came_from(
    sent_by: str, port: int
) -> None:
    via = parse_via(f"SIP/2.0/UDP {sent_by};branch=z9hG4bK1")
    assert response_flow(via, Flow("udp", "203.0.113.9", 41000)) == Flow("udp", "203.0.113.9", port)
