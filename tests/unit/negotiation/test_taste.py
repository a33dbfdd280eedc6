"""A browser's camera as phones like it: the codec they take as it comes, within their limit."""

import pytest

from bridge.negotiation import PhoneTaste
from bridge.plane.messages import Codec
from tests.unit.negotiation.test_browser import (
    answer_to,
    connected,
    new_session,
    sample,
    sections,
    ups,
)

CAMERA = "1"


def h264(mode: int, profile: str = "42e01f") -> Codec:
    return Codec("H264", 99, 90_000, fmtp=f"packetization-mode={mode};profile-level-id={profile}")


VP8 = PhoneTaste((Codec("VP8", 100, 90_000),))


def first_codec(text: str) -> tuple[str, str]:
    """Of the camera's section: what the browser will send."""
    section = sections(text)[1][CAMERA]
    number = section.payload_types[0]
    return section.rtp_maps[number].name, section.format_parameters.get(number, "")


@pytest.mark.parametrize("mode", [0, 1])
def test_a_camera_comes_as_the_phone_takes_it(mode: int) -> None:
    session = new_session()
    session.serve((PhoneTaste((h264(mode),), 500_000),))
    answer = session.receive_offer(sample("chromium_camera_offer"))
    name, fmtp = first_codec(answer)
    assert name == "H264"
    assert f"packetization-mode={mode};profile-level-id=42e01f" in fmtp
    assert sections(answer)[1][CAMERA].other_lines == ("b=AS:500", "b=TIAS:500000")
    assert not session.needs_negotiation


def test_a_phone_that_comes_later_makes_an_offer_due() -> None:
    session = connected("chromium")
    assert ups(session)[CAMERA].codecs[0].name == "VP8"
    session.serve((VP8,))
    assert not session.needs_negotiation, "VP8 it is already"
    session.serve((PhoneTaste((h264(1),)),))
    assert session.needs_negotiation
    offer = session.offer()
    assert first_codec(offer)[0] == "H264"
    session.receive_answer(answer_to(offer))
    assert ups(session)[CAMERA].codecs[0].name == "H264"
    assert not session.needs_negotiation
    session.serve(())
    assert not session.needs_negotiation, "what works is left as it is"


def test_a_limit_that_ends_makes_an_offer_due() -> None:
    session = new_session()
    session.serve((PhoneTaste(VP8.codecs, 300_000), PhoneTaste(VP8.codecs, 200_000)))
    assert sections(session.receive_offer(sample("chromium_camera_offer")))[1][CAMERA].other_lines == (
        "b=AS:200",
        "b=TIAS:200000",
    )
    session.serve(())
    assert session.needs_negotiation
    assert sections(session.offer())[1][CAMERA].other_lines == ()


def test_a_browser_that_keeps_to_its_order_is_not_asked_for_ever() -> None:
    session = connected("chromium")
    session.serve((PhoneTaste((h264(1),)),))
    offer = session.offer()
    head, number, *rest = answer_to(offer).partition("m=video ")
    line, *more = "".join(rest).split("\r\n")
    port, protocol, *formats = line.split()
    stubborn = " ".join((port, protocol, *sorted(formats, key=lambda text: text != "96")))
    session.receive_answer("\r\n".join((head + number + stubborn, *more)))
    assert ups(session)[CAMERA].codecs[0].name == "VP8"
    assert not session.needs_negotiation
    session.serve((PhoneTaste((h264(0),)),))
    assert session.needs_negotiation, "another wish is worth another question"


def test_a_codec_nobody_has_changes_nothing() -> None:
    session = connected("firefox")  # this one has no H.264
    session.serve((PhoneTaste((h264(1),)),))
    assert not session.needs_negotiation


def test_most_phones_count() -> None:
    session = new_session()
    session.serve((VP8, PhoneTaste((h264(1),)), PhoneTaste((h264(0),)), VP8))
    assert first_codec(session.receive_offer(sample("chromium_camera_offer")))[0] == "VP8"


def test_broken_parameters_reach_nobody() -> None:
    session = connected("chromium")
    session.serve((PhoneTaste((h264(1, "rubbish"),)),))
    assert not session.needs_negotiation
