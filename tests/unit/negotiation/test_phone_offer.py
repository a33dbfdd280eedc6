"""The bridge adds video to a call, keeps it over a re-offer, ends it, and takes no for an answer."""

from collections.abc import Callable

import pytest
from msgspec import structs

from bridge.negotiation.phone.audio import PhonePreferences
from bridge.negotiation.phone.offer import VIDEO_DECLINED, VIDEO_ENDED
from bridge.negotiation.phone.phone import PhoneSession
from bridge.wire.sdp import parse_session_description
from bridge.wire.sdp_section import Direction, MediaSection

VIDEO = PhonePreferences(video_codecs=("H264", "VP8"))
VOICE = PhonePreferences(video_codecs=())


def pair(theirs: PhonePreferences = VIDEO) -> tuple[PhoneSession, PhoneSession]:
    """The bridge and a phone that talk already; both have a video port."""
    bridge, phone = PhoneSession(1, VIDEO), PhoneSession(2, theirs)
    bridge.place("192.0.2.1", 10_000, 10_002)
    phone.place("192.0.2.20", 20_000, 20_002)
    exchange(bridge, phone)
    return bridge, phone


def exchange(bridge: PhoneSession, phone: PhoneSession, *, video: bool | None = None) -> str:
    """The bridge offers, the phone answers. The text of the offer. `video` True adds it, False ends it."""
    if video is not None:
        bridge.want_video(wanted=video)
    text = bridge.offer()
    phone.receive_offer(text)
    bridge.receive_answer(phone.answer())
    return text


def sections(text: str) -> list[MediaSection]:
    return list(parse_session_description(text).media)


def ports(text: str) -> list[tuple[str, int]]:
    return [(section.kind, section.port) for section in sections(text)]


def test_voice_is_offered_until_video_is_asked_for() -> None:
    bridge, phone = pair()
    assert bridge.video is None
    assert ports(exchange(bridge, phone)) == [("audio", 10_000)]


def test_video_is_added_to_a_call() -> None:
    bridge, phone = pair()
    assert ports(exchange(bridge, phone, video=True)) == [("audio", 10_000), ("video", 10_002)]
    assert bridge.video is not None
    assert phone.video is not None
    assert bridge.no_video == ""


def test_a_re_offer_keeps_the_video_where_it_is() -> None:
    bridge, phone = pair()
    first = exchange(bridge, phone, video=True)
    agreed = bridge.video
    assert ports(exchange(bridge, phone)) == ports(first)
    assert agreed is not None
    assert bridge.video == structs.replace(agreed, exchange=agreed.exchange + 1)


def test_video_ends_with_port_0_and_comes_back_in_the_same_place() -> None:
    bridge, phone = pair()
    exchange(bridge, phone, video=True)
    assert ports(exchange(bridge, phone, video=False)) == [("audio", 10_000), ("video", 0)]
    assert (bridge.video, bridge.no_video) == (None, VIDEO_ENDED)
    assert ports(exchange(bridge, phone, video=True)) == [("audio", 10_000), ("video", 10_002)]
    assert bridge.video is not None


def test_a_phone_that_takes_no_video_says_so_and_the_voice_goes_on() -> None:
    bridge, phone = pair(VOICE)
    exchange(bridge, phone, video=True)
    assert (bridge.video, bridge.no_video) == (None, VIDEO_DECLINED)
    assert bridge.audio is not None


@pytest.mark.parametrize("video_port", [None, 0])
def test_without_a_port_there_is_nothing_to_offer(video_port: int | None) -> None:
    bridge, phone = pair()
    bridge.place("192.0.2.1", 10_000, video_port)
    assert ports(exchange(bridge, phone, video=True)) == [("audio", 10_000)]


def test_a_trunk_without_video_codecs_offers_none() -> None:
    bridge = PhoneSession(1, VOICE)
    bridge.place("192.0.2.1", 10_000, 10_002)
    bridge.want_video(wanted=True)
    assert ports(bridge.offer()) == [("audio", 10_000)]


def test_a_first_offer_may_have_video() -> None:
    bridge = PhoneSession(1, VIDEO)
    bridge.place("192.0.2.1", 10_000, 10_002)
    bridge.want_video(wanted=True)
    audio, video = sections(bridge.offer())
    assert (audio.kind, video.kind) == ("audio", "video")
    assert not set(audio.payload_types) & set(video.payload_types), "numbers of their own"


def test_who_is_on_hold_is_not_watched_and_sees_nothing() -> None:
    bridge, phone = pair()
    exchange(bridge, phone, video=True)
    bridge.want(Direction.SENDONLY)
    description = parse_session_description(bridge.offer())
    directions = [description.direction(section) for section in description.media]
    assert directions == [Direction.SENDONLY, Direction.INACTIVE]


def test_a_wish_for_video_makes_an_offer_due_once_there_is_a_port() -> None:
    bridge, phone = pair()
    bridge.place("192.0.2.1", 10_000)
    bridge.want_video(wanted=True)
    assert bridge.wants_video_port
    assert not bridge.needs_offer
    bridge.place("192.0.2.1", 10_000, 10_002)
    assert bridge.needs_offer
    exchange(bridge, phone)
    assert not bridge.needs_offer
    bridge.want_video(wanted=False)
    assert bridge.needs_offer


def test_a_phone_that_declined_or_ended_video_is_not_asked_again() -> None:
    for theirs in (VOICE, VIDEO):
        bridge, phone = pair(theirs)
        exchange(bridge, phone, video=True)
        if theirs is VIDEO:
            phone.want_video(wanted=False)
            bridge.receive_offer(ended := offer_without_video(phone))
            assert "m=video 0" in ended
        assert bridge.video is None
        assert not bridge.needs_offer
        assert not bridge.wants_video_port


def offer_without_video(phone: PhoneSession) -> str:
    """A phone's own re-INVITE that goes back to voice."""
    text = phone.offer()
    phone.withdraw_offer()
    head, line, rest = text.partition("m=video ")
    return head + line + "0" + rest[rest.index(" ") :]


def test_video_the_phone_began_is_not_the_bridges_to_end() -> None:
    bridge, phone = pair()
    exchange(phone, bridge, video=True)
    assert bridge.video is not None
    bridge.want_video(wanted=True)
    bridge.want_video(wanted=False)
    assert not bridge.needs_offer


def test_a_refused_offer_of_video_leaves_the_call_by_voice_with_the_reason() -> None:
    bridge, _ = pair()
    bridge.want_video(wanted=True)
    bridge.offer()
    assert bridge.offers_video
    bridge.decline_video("488 Not Acceptable Here")
    assert (bridge.video, bridge.no_video) == (None, "488 Not Acceptable Here")
    assert not bridge.offer_pending
    assert not bridge.needs_offer
    assert not bridge.held_by_remote


def test_who_began_survives_a_restart() -> None:
    bridge, phone = pair()
    exchange(bridge, phone, video=True)
    recalled = PhoneSession.recall(bridge.remember(), VIDEO)
    recalled.place("192.0.2.1", 10_100, 10_102)
    recalled.want_video(wanted=False)
    assert recalled.needs_offer
    assert ports(recalled.offer())[1] == ("video", 0)


def declined_in_its_answer() -> PhoneSession:
    bridge, phone = pair(VOICE)
    exchange(bridge, phone, video=True)
    return bridge


def ended_by_the_phone() -> PhoneSession:
    bridge, phone = pair()
    exchange(bridge, phone, video=True)
    phone.want_video(wanted=False)
    bridge.receive_offer(offer_without_video(phone))
    return bridge


def refused_with_a_status() -> PhoneSession:
    bridge, _ = pair()
    bridge.want_video(wanted=True)
    bridge.offer()
    bridge.decline_video("488 Not Acceptable Here")
    return bridge


@pytest.mark.parametrize("declined", [declined_in_its_answer, ended_by_the_phone, refused_with_a_status])
def test_a_phone_that_wants_no_video_is_left_in_peace_over_restarts(
    declined: Callable[[], PhoneSession],
) -> None:
    bridge = declined()
    why = bridge.no_video
    for _ in range(2):
        bridge = PhoneSession.recall(bridge.remember(), VIDEO)
        bridge.place("192.0.2.1", 10_100, 10_102)
        bridge.want_video(wanted=True)
        assert (bridge.wants_video_port, bridge.needs_offer, bridge.no_video) == (False, False, why)
    phone = PhoneSession(2, VIDEO)
    phone.place("192.0.2.20", 20_000, 20_002)
    phone.want_video(wanted=True)
    bridge.receive_offer(phone.offer())  # it begins by itself
    assert bridge.video is not None
