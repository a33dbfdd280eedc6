"""Descriptions that mean harm: refused with a reason, or answered line by line, and never anything else."""

import pytest

from bridge.errors import NegotiationError
from bridge.negotiation.phone.phone import PhoneSession
from bridge.wire.sdp import MAX_MEDIA_SECTIONS, parse_session_description
from tests.unit.negotiation.test_phone import PCMU, called, offer


def answered(text: str) -> tuple[PhoneSession, str]:
    session = called()
    session.receive_offer(text)
    return session, session.answer()


def test_as_many_m_lines_as_there_may_be_are_answered_each() -> None:
    refused = "m=application 9 UDP/BFCP *\r\n" * (MAX_MEDIA_SECTIONS - 1)
    session, answer = answered(offer(PCMU) + refused)
    sections = parse_session_description(answer).media
    assert [section.port == 0 for section in sections] == [False] + [True] * (MAX_MEDIA_SECTIONS - 1)
    assert session.audio is not None


@pytest.mark.parametrize("count", [MAX_MEDIA_SECTIONS + 1, 100, 2000])
def test_more_m_lines_are_refused_and_change_nothing(count: int) -> None:
    session, _ = answered(offer(PCMU))
    before = session.audio
    with pytest.raises(NegotiationError):
        session.receive_offer(offer(PCMU) + "m=audio 4002 RTP/AVP 0\r\n" * (count - 1))
    assert session.audio == before
    session.receive_offer(offer(PCMU + "a=sendonly\r\n"))
    assert session.held_by_remote


def test_a_thousand_audio_lines_worth_of_formats_are_bounded() -> None:
    formats = " ".join(str(number % 128) for number in range(1000))
    with pytest.raises(NegotiationError):
        called().receive_offer(offer("").replace("m=audio 4000 RTP/AVP 0", f"m=audio 4000 RTP/AVP {formats}"))


def test_a_storm_of_offers_leaves_the_last_one_and_no_growth() -> None:
    session, answer = answered(offer(PCMU))
    sections = len(parse_session_description(answer).media)
    for number in range(1000):
        session.receive_offer(offer(PCMU + ("a=sendonly\r\n" if number % 2 else "a=sendrecv\r\n")))
        answer = session.answer()
    assert session.held_by_remote
    assert len(parse_session_description(answer).media) == sections
