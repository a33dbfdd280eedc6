"""The domain that a peer was found by stays with its dialog: over TLS it is whose certificate counts."""

import msgspec
import pytest

from signaling.sip.agent.restoration import invite_again
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.memory import CallMemory, Phase, continued
from signaling.sip.wire.flow import Flow

WAY = Flow("tls", "192.0.2.7", 5061, 9, "carrier.example")


def dialog(contact: str, *routes: str) -> Dialog:
    return Dialog(
        call_id="1",
        local_tag="a",
        remote_tag="b",
        local_address="<sip:us@bridge.example>;tag=a",
        remote_address="<sip:bob@carrier.example>;tag=b",
        remote_target=contact,
        route_set=routes,
        flow=WAY,
        local_cseq=1,
        remote_cseq=-1,
    )


@pytest.mark.parametrize(
    ("contact", "routes"),
    [
        ("sips:bob@192.0.2.7:5071", ()),
        ("sip:bob@192.0.2.7:5071;transport=tls", ()),
        ("sip:bob@192.0.2.7:5071", ()),
        ("sip:bob@198.51.100.1", ("<sips:192.0.2.7:5071;lr>",)),
    ],
)
def test_an_address_in_its_contact_or_route_is_the_domains(contact: str, routes: tuple[str, ...]) -> None:
    assert dialog(contact, *routes).next_hop() == Flow("tls", "192.0.2.7", 5071, 9, "carrier.example")


def test_another_address_stands_for_itself() -> None:
    assert dialog("sips:bob@198.51.100.1:5071").next_hop() == Flow("tls", "198.51.100.1", 5071, 9)


def test_another_name_stands_for_itself() -> None:
    assert dialog("sips:bob@edge.example:5071").next_hop().name == ""
    assert dialog("sips:bob@edge.example:5071").next_hop().host == "edge.example"


def test_a_restart_forgets_the_connection_and_not_the_domain() -> None:
    expected = msgspec.structs.replace(WAY, connection=0)
    assert continued(dialog("sips:bob@192.0.2.7")).flow == expected
    invite = (
        b"INVITE sips:bob@carrier.example SIP/2.0\r\nVia: SIP/2.0/TLS bridge.example;branch=z9hG4bK1\r\n\r\n"
    )
    _, flow = invite_again(CallMemory(Phase.CALLING, outbound=True, invite=invite, flow=WAY))
    assert flow == expected
