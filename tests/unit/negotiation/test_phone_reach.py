"""Addresses of the other IP version than the bridge's own: no packet would reach them (RFC 3264 section 6)."""

import pytest

from bridge.errors import NegotiationError
from bridge.negotiation import PhonePreferences, PhoneSession
from bridge.negotiation.phone.section import Reach, reach_of
from bridge.wire.sdp import parse_session_description

IPV4, IPV6 = "192.0.2.20", "2001:db8::20"


def connection(address: str) -> str:
    return f"c=IN {reach_of(address)} {address}\r\n"


def audio(address: str = "", port: int = 4000) -> str:
    return f"m=audio {port} RTP/AVP 0\r\n{connection(address) if address else ''}"


def video(address: str) -> str:
    return f"m=video 4002 RTP/AVP 96\r\n{connection(address)}a=rtpmap:96 VP8/90000\r\n"


def description(address: str, media: str) -> str:
    return f"v=0\r\no=phone 1 1 IN IP4 192.0.2.20\r\ns=-\r\n{connection(address)}t=0 0\r\n{media}"


def session_at(reach: Reach) -> PhoneSession:
    session = PhoneSession(7, PhonePreferences(reach=reach))
    session.place(IPV6 if reach == "IP6" else "192.0.2.1", 10002, 10004)
    return session


@pytest.mark.parametrize(("reach", "address", "version"), [("IP4", IPV6, "IPv6"), ("IP6", IPV4, "IPv4")])
def test_an_offer_that_can_only_be_answered_into_the_void_is_refused_and_names_the_setting(
    reach: Reach, address: str, version: str
) -> None:
    with pytest.raises(NegotiationError) as refused:
        session_at(reach).receive_offer(description(address, audio()))
    assert f"no {version} address" in refused.value.reason
    assert "rtp.address" in refused.value.reason
    assert address in refused.value.reason


@pytest.mark.parametrize(("reach", "address"), [("IP4", IPV4), ("IP6", IPV6), (None, IPV6), (None, IPV4)])
def test_an_address_in_reach_is_taken(reach: Reach, address: str) -> None:
    agreed = session_at(reach).receive_offer(description(address, audio()))
    assert agreed.audio.remote_address == address


def test_a_re_offer_out_of_reach_leaves_the_call_as_it_was() -> None:
    session = session_at("IP4")
    before = session.receive_offer(description(IPV4, audio())).audio
    session.answer()
    with pytest.raises(NegotiationError, match="no IPv6 address"):
        session.receive_offer(description(IPV4, audio(IPV6)))
    assert session.audio == before


@pytest.mark.parametrize("nowhere", ["0.0.0.0", "::"])
def test_hold_without_an_address_has_no_ip_version(nowhere: str) -> None:
    session = session_at("IP4")
    before = session.receive_offer(description(IPV4, audio())).audio
    held = session.receive_offer(description(nowhere, audio()))
    assert (held.held_by_remote, held.audio.remote_address) == (True, before.remote_address)


def test_of_two_sections_the_one_in_reach_is_taken() -> None:
    session = session_at("IP4")
    agreed = session.receive_offer(description(IPV4, audio(IPV6) + audio(IPV4, 5000)))
    assert (agreed.audio.remote_address, agreed.audio.remote_port) == (IPV4, 5000)
    ports = [section.port for section in parse_session_description(session.answer()).media]
    assert ports == [0, 10002]


def test_what_is_in_reach_and_refused_is_not_blamed_on_the_address() -> None:
    unknown = "m=audio 5000 RTP/AVP 3\r\n"
    with pytest.raises(NegotiationError, match=r"^The offer has no audio"):
        session_at("IP4").receive_offer(description(IPV4, audio(IPV6) + unknown))


def test_video_out_of_reach_is_refused_and_the_call_goes_on_by_voice() -> None:
    session = session_at("IP4")
    session.receive_offer(description(IPV4, audio() + video(IPV6)))
    assert session.video is None
    assert session.no_video.startswith(f"the phone takes video at {IPV6}, and the bridge has no IPv6 address")
    ports = [section.port for section in parse_session_description(session.answer()).media]
    assert ports == [10002, 0]


def test_an_answer_out_of_reach_is_none() -> None:
    session = session_at("IP4")
    session.offer()
    with pytest.raises(NegotiationError, match="no IPv6 address"):
        session.receive_answer(description(IPV6, audio()))


@pytest.mark.parametrize("nowhere", ["phone.example", "224.0.0.1/127", "fe80::1%eth0"])
def test_what_is_no_address_of_one_host_is_named_as_the_reason(nowhere: str) -> None:
    text = f"v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 {nowhere}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    with pytest.raises(NegotiationError, match=nowhere.partition("/")[0]):
        PhoneSession(1).receive_offer(text)


def test_an_offer_without_any_address_says_so() -> None:
    with pytest.raises(NegotiationError, match="no address"):
        PhoneSession(1).receive_offer(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        )
