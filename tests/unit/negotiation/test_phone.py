"""RFC 3264 with a phone: codecs, holds in both directions, refused media, glare, shape over re-INVITEs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bridge.errors import GlareError, NegotiationError, NotAllowedError
from bridge.negotiation import PhonePreferences, PhoneSession, answer_phone
from bridge.negotiation.phone.agreement import ENDED
from bridge.plane.messages import Codec
from bridge.wire.sdp import SessionDescription, parse_session_description
from bridge.wire.sdp_section import Direction, MediaSection

DATA = Path(__file__).parents[2] / "data" / "sdp"
PCMU = "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"


def offer(media: str = PCMU, address: str = "192.0.2.20", session: str = "") -> str:
    return f"v=0\r\no=phone 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n{session}{media}"


def sample(name: str) -> str:
    return (DATA / f"{name}.sdp").read_bytes().decode()


def placed(preferences: PhonePreferences | None = None) -> PhoneSession:
    session = PhoneSession(7, preferences)
    session.place("192.0.2.1", 10002)
    return session


def called(media: str = PCMU) -> PhoneSession:
    """A session after an inbound call was answered."""
    session = placed()
    session.receive_offer(offer(media))
    session.answer()
    return session


def dialled(answer: str = PCMU) -> PhoneSession:
    """A session after an outbound call was answered."""
    session = placed()
    session.offer()
    session.receive_answer(offer(answer))
    return session


def audio_of(text: str) -> tuple[SessionDescription, MediaSection]:
    description = parse_session_description(text)
    return description, next(section for section in description.media if section.kind == "audio")


def direction_of(text: str) -> Direction:
    description, audio = audio_of(text)
    return description.direction(audio)


def test_an_offer_becomes_the_audio_of_a_leg_and_an_answer() -> None:
    session = PhoneSession(7)
    agreement = session.receive_offer(offer())
    audio = agreement.audio
    assert (audio.remote_address, audio.remote_port, audio.remote_rtcp_port) == ("192.0.2.20", 4000, 4001)
    assert audio.codec == Codec("PCMU", 0, 8000)
    assert audio.dtmf_payload_type == 101
    assert (audio.sends, audio.receives) == (True, True)
    session.place("192.0.2.1", 10002)
    description, section = audio_of(session.answer())
    assert (section.port, section.rtcp_port, section.formats) == (10002, 10003, ("0", "101"))
    assert description.connection is not None
    assert description.connection.address == "192.0.2.1"
    assert direction_of(session.answer()) is Direction.SENDRECV
    assert session.audio == audio


@pytest.mark.parametrize(
    ("formats", "lines", "codec", "event"),
    [
        ("8", "", Codec("PCMA", 8, 8000), None),
        ("9 101", "a=rtpmap:101 telephone-event/8000\r\n", Codec("G722", 9, 8000), 101),
        (
            "107 99 100 101",
            "a=rtpmap:107 opus/48000/2\r\na=fmtp:107 stereo=1\r\na=rtpmap:99 telephone-event/48000\r\n"
            "a=rtpmap:100 telephone-event/16000\r\na=rtpmap:101 telephone-event/8000\r\n",
            Codec("OPUS", 107, 48000, 2, fmtp="stereo=1"),
            99,
        ),
        (
            "0 99 100 101",
            "a=rtpmap:99 telephone-event/48000\r\na=rtpmap:100 telephone-event/16000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n",
            Codec("PCMU", 0, 8000),
            101,
        ),
        ("3 18 0", "", Codec("PCMU", 0, 8000), None),
        ("97", "a=rtpmap:97 pcmu/8000\r\n", Codec("PCMU", 97, 8000), None),
        ("0", "a=rtpmap:0 PCMU/8000/1\r\n", Codec("PCMU", 0, 8000), None),
        (
            "9",
            "a=rtpmap:9 G722/16000\r\n",
            Codec("G722", 9, 8000, written_clock_rate_hz=16000),
            None,
        ),
    ],
)
def test_codecs_by_meaning(formats: str, lines: str, codec: Codec, event: int | None) -> None:
    audio = answer_phone(offer(f"m=audio 4000 RTP/AVP {formats}\r\n{lines}")).audio
    assert (audio.codec, audio.dtmf_payload_type) == (codec, event)


@pytest.mark.parametrize("payload_type", [9, 97])
def test_a_phone_that_miscalls_the_clock_of_g722_is_answered_in_its_own_words(payload_type: int) -> None:
    """RFC 3551 section 4.5.2: 8000, though it is sampled at 16000. In our re-offers as well, after a restart too."""
    session = called(
        f"m=audio 4000 RTP/AVP {payload_type} 101\r\na=rtpmap:{payload_type} G722/16000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
    )
    later = PhoneSession.recall(session.remember())
    later.place("192.0.2.1", 10002)
    for text in (session.answer(), session.offer(), later.offer()):
        _, section = audio_of(text)
        assert section.rtp_maps[payload_type].clock_rate_hz == 16000
    assert session.audio is not None
    assert session.audio.codec.clock_rate_hz == 8000


@pytest.mark.parametrize("written", ["opus/48000", "OPUS/48000/1", "opus/48000/2"])
def test_a_phone_that_miscounts_the_channels_of_opus_is_answered_in_its_own_words(written: str) -> None:
    session = called(f"m=audio 4000 RTP/AVP 107\r\na=rtpmap:107 {written}\r\n")
    assert session.audio is not None
    assert (session.audio.codec.name, session.audio.codec.clock_rate_hz) == ("OPUS", 48000)
    for text in (session.answer(), session.offer()):
        line = next(line for line in text.splitlines() if line.startswith("a=rtpmap:107"))
        assert line.removesuffix("/1").lower() == f"a=rtpmap:107 {written}".removesuffix("/1").lower()


def test_the_answer_to_our_offer_may_miscall_the_clock_of_g722() -> None:
    session = dialled("m=audio 4000 RTP/AVP 9\r\na=rtpmap:9 G722/16000\r\n")
    assert session.audio is not None
    assert (session.audio.codec.name, session.audio.codec.clock_rate_hz) == ("G722", 8000)


def test_the_event_with_another_clock_is_better_than_no_digits() -> None:
    """baresip offers telephone-event/8000 alone, also with Opus."""
    agreement = answer_phone(sample("baresip_opus_offer"))
    assert agreement.audio.codec.name == "OPUS"
    assert agreement.audio.dtmf_payload_type == 101
    _, section = audio_of(agreement.answer("192.0.2.1", 10002))
    assert section.rtp_maps[101].clock_rate_hz == 8000


def test_the_bridges_preference_decides_and_one_codec_is_answered() -> None:
    everything = sample("baresip_all_offer")
    assert answer_phone(everything).audio.codec.name == "OPUS"
    preferences = PhonePreferences(codecs=("PCMA", "PCMU"), dtmf=False)
    agreement = answer_phone(everything, preferences)
    assert (agreement.audio.codec.name, agreement.audio.dtmf_payload_type) == ("PCMA", None)
    _, section = audio_of(agreement.answer("192.0.2.1", 10002))
    assert section.formats == ("8",)


def test_video_is_refused_with_port_0_and_the_reason_can_be_told() -> None:
    agreement = answer_phone(sample("baresip_all_offer"))
    assert agreement.remote_has_video
    audio, video = parse_session_description(agreement.answer("192.0.2.1", 10002)).media
    assert (audio.port, video.kind, video.port, video.protocol) == (10002, "video", 0, "RTP/AVP")
    assert not answer_phone(offer()).remote_has_video


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        offer(""),
        offer("m=video 4000 RTP/AVP 96\r\n"),
        offer("m=audio 0 RTP/AVP 0\r\n"),
        offer("m=audio 4000 RTP/AVP 18\r\n"),
        offer("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/6\r\n"),
        offer("m=audio 4000 RTP/AVP 96\r\n"),
        offer("m=audio 4000 RTP/AVP\r\n"),
        offer("m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n"),
        offer(address="phone.example"),
        offer(address="224.0.0.1"),
        offer().replace("IN IP4 192.0.2.20\r\nt", "IN IP6 fe80::1%eth0\r\nt"),
        offer().replace("c=IN IP4 192.0.2.20\r\n", ""),
    ],
)
def test_an_offer_without_usable_audio_is_refused(text: str) -> None:
    with pytest.raises(NegotiationError):
        answer_phone(text)


def test_srtp_alone_is_refused_and_another_section_without_it_is_taken() -> None:
    with pytest.raises(NegotiationError):
        answer_phone(sample("baresip_srtp_mand_offer"))
    agreement = answer_phone(offer("m=audio 4000 RTP/SAVP 0\r\nm=audio 5000 RTP/AVP 8\r\n"))
    assert agreement.audio.remote_port == 5000
    ports = [
        section.port for section in parse_session_description(agreement.answer("192.0.2.1", 10002)).media
    ]
    assert ports == [0, 10002]


def test_the_rtcp_port_is_told_or_one_higher() -> None:
    assert answer_phone(offer(PCMU + "a=rtcp:4711\r\n")).audio.remote_rtcp_port == 4711
    assert answer_phone(offer(PCMU)).audio.remote_rtcp_port == 4001


# --- hold (RFC 3264 section 8.4) --------------------------------------------------------------------------

MATRIX = [
    # what the bridge wants, what the phone offers: what the bridge answers
    (Direction.SENDRECV, "sendrecv", Direction.SENDRECV),
    (Direction.SENDRECV, "sendonly", Direction.RECVONLY),
    (Direction.SENDRECV, "recvonly", Direction.SENDONLY),
    (Direction.SENDRECV, "inactive", Direction.INACTIVE),
    (Direction.SENDONLY, "sendrecv", Direction.SENDONLY),
    (Direction.SENDONLY, "sendonly", Direction.INACTIVE),
    (Direction.SENDONLY, "recvonly", Direction.SENDONLY),
    (Direction.SENDONLY, "inactive", Direction.INACTIVE),
    (Direction.RECVONLY, "sendrecv", Direction.RECVONLY),
    (Direction.RECVONLY, "sendonly", Direction.RECVONLY),
    (Direction.RECVONLY, "recvonly", Direction.INACTIVE),
    (Direction.RECVONLY, "inactive", Direction.INACTIVE),
    (Direction.INACTIVE, "sendrecv", Direction.INACTIVE),
    (Direction.INACTIVE, "sendonly", Direction.INACTIVE),
    (Direction.INACTIVE, "recvonly", Direction.INACTIVE),
    (Direction.INACTIVE, "inactive", Direction.INACTIVE),
]


def offer_as(session: PhoneSession, wish: Direction) -> str:
    session.want(wish)
    return session.offer()


@pytest.mark.parametrize(("wish", "offered", "answered"), MATRIX)
def test_the_direction_matrix(wish: Direction, offered: str, answered: Direction) -> None:
    session = called()
    offer_as(session, wish)
    # The phone lets the bridge have what it wants; then it offers on its own.
    mirror = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(wish.value, wish.value)
    session.receive_answer(offer(f"{PCMU}a={mirror}\r\n"))
    agreement = session.receive_offer(offer(f"{PCMU}a={offered}\r\n"))
    assert direction_of(session.answer()) is answered
    assert (agreement.audio.sends, agreement.audio.receives) == (answered.sends, answered.receives)
    assert agreement.held_by_remote is (offered in ("sendonly", "inactive"))


def test_the_phone_holds_and_resumes() -> None:
    session = called()
    session.receive_offer(offer(PCMU + "a=sendonly\r\n"))
    assert session.held_by_remote
    assert direction_of(session.answer()) is Direction.RECVONLY
    session.receive_offer(offer(PCMU + "a=sendrecv\r\n"))
    assert not session.held_by_remote
    assert direction_of(session.answer()) is Direction.SENDRECV


def test_a_session_level_direction_holds_too() -> None:
    session = called()
    assert session.receive_offer(offer(session="a=inactive\r\n")).held_by_remote
    assert direction_of(session.answer()) is Direction.INACTIVE


def test_the_old_hold_address_keeps_the_last_one() -> None:
    session = called()
    agreement = session.receive_offer(offer(address="0.0.0.0"))
    assert agreement.held_by_remote
    assert (agreement.audio.remote_address, agreement.audio.remote_port) == ("192.0.2.20", 4000)
    assert not agreement.audio.sends
    assert direction_of(session.answer()) is Direction.RECVONLY
    assert session.receive_offer(offer()).audio.sends


def test_the_bridge_holds_and_resumes() -> None:
    session = called()
    assert direction_of(offer_as(session, Direction.SENDONLY)) is Direction.SENDONLY
    assert session.offer_pending
    agreement = session.receive_answer(offer(PCMU + "a=recvonly\r\n"))
    assert (agreement.audio.sends, agreement.audio.receives) == (True, False)
    assert not agreement.held_by_remote
    assert not session.offer_pending
    assert session.held
    assert not session.needs_offer
    assert direction_of(session.offer()) is Direction.SENDONLY, "it is wanted until something else is"
    session.withdraw_offer()
    offer_as(session, Direction.SENDRECV)
    assert session.receive_answer(offer()).audio.receives


def test_a_refused_hold_changes_nothing() -> None:
    session = called()
    before = session.audio
    offer_as(session, Direction.SENDONLY)
    session.withdraw_offer()
    assert session.audio == before
    session.want(Direction.SENDRECV)
    assert not session.needs_offer
    session.receive_offer(offer())
    assert direction_of(session.answer()) is Direction.SENDRECV


def test_the_phone_s_own_offer_is_answered_as_wanted_and_no_other_is_needed() -> None:
    session = called()
    session.want(Direction.SENDONLY)
    assert session.needs_offer
    session.receive_offer(offer())
    assert direction_of(session.answer()) is Direction.SENDONLY
    assert not session.needs_offer
    assert not session.held_by_remote


def test_a_wish_that_changes_while_the_offer_is_on_its_way_needs_another() -> None:
    session = called()
    offer_as(session, Direction.SENDONLY)
    session.want(Direction.SENDRECV)
    session.receive_answer(offer(PCMU + "a=recvonly\r\n"))
    assert session.needs_offer
    assert direction_of(session.offer()) is Direction.SENDRECV
    session.receive_answer(offer())
    assert not session.needs_offer


def test_an_offer_nobody_answered_is_made_again_even_if_nothing_else_is_wanted() -> None:
    session = called()
    offer_as(session, Direction.SENDONLY)
    session.doubt_offer()
    session.want(Direction.SENDRECV)
    assert session.needs_offer


def test_a_held_phone_that_refreshes_its_call_stays_held_by_the_bridge_alone() -> None:
    session = called()
    offer_as(session, Direction.SENDONLY)
    session.receive_answer(offer(PCMU + "a=recvonly\r\n"))
    agreement = session.receive_offer(offer(PCMU + "a=recvonly\r\n"))
    assert not agreement.held_by_remote
    assert direction_of(session.answer()) is Direction.SENDONLY
    assert (agreement.audio.sends, agreement.audio.receives) == (True, False)


def test_an_answer_may_hold_the_bridge() -> None:
    session = placed()
    session.offer()
    agreement = session.receive_answer(offer(PCMU + "a=sendonly\r\n"))
    assert agreement.held_by_remote
    assert (agreement.audio.sends, agreement.audio.receives) == (False, True)


# --- shape and versions over the life of a call -----------------------------------------------------------


def test_refused_sections_stay_in_their_place() -> None:
    session = called("m=video 4002 RTP/AVP 96\r\n" + PCMU + "m=application 4004 TCP/BFCP *\r\n")
    kinds = [(m.kind, m.port) for m in parse_session_description(offer_as(session, Direction.SENDONLY)).media]
    assert kinds == [("video", 0), ("audio", 10002), ("application", 0)]


def test_a_re_offer_may_add_sections() -> None:
    session = called()
    session.receive_offer(offer(PCMU + "m=video 4002 RTP/AVP 96\r\n"))
    assert [section.port for section in parse_session_description(session.answer()).media] == [10002, 0]


def test_a_re_offer_that_loses_sections_is_taken() -> None:
    """RFC 3264 section 8 forbids it; a PBX that puts another phone in the place of the first writes that one's."""
    session = called("m=video 4002 RTP/AVP 96\r\n" + PCMU + "m=application 4004 TCP/BFCP *\r\n")
    session.receive_offer(offer("m=audio 4010 RTP/AVP 8\r\n", address="192.0.2.30"))
    for text in (session.answer(), session.offer()):
        assert [(section.kind, section.port) for section in parse_session_description(text).media] == [
            ("audio", 10002)
        ]
    assert session.audio is not None
    assert (session.audio.remote_address, session.audio.codec.name) == ("192.0.2.30", "PCMA")


def test_a_re_offer_that_loses_the_video_goes_on_by_voice() -> None:
    session = PhoneSession(7)
    session.place("192.0.2.1", 10002, 10004)
    session.receive_offer(offer(PCMU + "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"))
    session.answer()
    session.receive_offer(offer(PCMU))
    assert (session.video, session.no_video) == (None, ENDED)
    recalled = PhoneSession.recall(session.remember())
    recalled.place("192.0.2.1", 10002, 10004)
    assert [section.kind for section in parse_session_description(recalled.offer()).media] == ["audio"]


def test_a_failed_offer_leaves_what_was_agreed() -> None:
    session = called()
    before, text = session.audio, session.answer()
    with pytest.raises(NegotiationError):
        session.receive_offer(offer("m=audio 4000 RTP/AVP 18\r\n"))
    assert session.audio == before
    assert session.answer() == text


def test_the_codec_stays_when_the_phone_offers_more_later() -> None:
    session = called()
    agreement = session.receive_offer(sample("baresip_all_offer"))
    assert agreement.audio.codec.name == "PCMU"
    assert agreement.audio.remote_port != 4000


def test_the_session_version_grows_only_with_a_change() -> None:
    session = called()

    def version(text: str) -> tuple[str, int]:
        origin = parse_session_description(text).origin
        return origin.session_id, int(origin.session_version)

    assert version(session.answer()) == ("7", 1)
    session.receive_offer(offer())
    assert version(session.answer()) == ("7", 1)
    session.receive_offer(offer(PCMU + "a=sendonly\r\n"))
    assert version(session.answer()) == ("7", 2)
    assert version(session.answer()) == ("7", 2)
    assert version(offer_as(session, Direction.SENDONLY)) == ("7", 3)


def test_a_new_worker_gives_the_leg_another_port() -> None:
    session = called()
    session.place("192.0.2.1", 12000)
    _, audio = audio_of(session.offer())
    assert audio.port == 12000


# --- the bridge offers ------------------------------------------------------------------------------------


def test_an_outbound_offer_lists_what_the_bridge_can() -> None:
    _, audio = audio_of(placed().offer())
    names = [audio.rtp_maps[number].name for number in audio.payload_types]
    assert names == ["opus", "G722", "PCMU", "PCMA", "telephone-event", "telephone-event"]
    assert [audio.rtp_maps[number].clock_rate_hz for number in audio.payload_types[4:]] == [48000, 8000]
    assert audio.rtp_maps[audio.payload_types[0]].channels == 2


@pytest.mark.parametrize(
    ("answer", "codec", "event"),
    [
        (PCMU, "PCMU", 101),
        ("m=audio 4000 RTP/AVP 8 0\r\n", "PCMA", None),
        (
            "m=audio 4000 RTP/AVP 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/48000\r\n",
            "OPUS",
            101,
        ),
    ],
)
def test_the_answerers_first_codec_is_used(answer: str, codec: str, event: int | None) -> None:
    audio = dialled(answer).audio
    assert audio is not None
    assert (audio.codec.name, audio.dtmf_payload_type) == (codec, event)


@pytest.mark.parametrize(
    ("answer", "chosen", "others"),
    [
        ("m=audio 4000 RTP/AVP 0 101\r\n", ("PCMU", 0), []),
        ("m=audio 4000 RTP/AVP 0 8 9 18\r\n", ("PCMU", 0), [("G722", 9), ("PCMA", 8)]),
        ("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n", ("OPUS", 97), [("OPUS", 96)]),
    ],
)
def test_what_a_phone_accepted_it_may_send(
    answer: str, chosen: tuple[str, int], others: list[tuple[str, int]]
) -> None:
    """By our numbers, too (RFC 3264 section 6.1), until another description leaves it one."""
    session = dialled(answer)
    audio = session.audio
    assert audio is not None
    assert (audio.codec.name, audio.codec.payload_type) == chosen
    assert [(codec.name, codec.payload_type) for codec in audio.up_codecs] == others
    session.receive_offer(offer())
    assert session.audio is not None
    assert session.audio.up_codecs == ()


def test_two_of_our_sessions_understand_each_other() -> None:
    caller, callee = placed(), PhoneSession(8)
    callee.receive_offer(caller.offer())
    callee.place("192.0.2.2", 11000)
    caller.receive_answer(callee.answer())
    assert caller.audio is not None
    assert callee.audio is not None
    assert (caller.audio.codec.name, callee.audio.codec.name) == ("OPUS", "OPUS")
    assert caller.audio.remote_port == 11000
    assert callee.audio.remote_port == 10002
    assert caller.audio.dtmf_payload_type == callee.audio.dtmf_payload_type is not None


def test_a_late_offer_is_the_bridges() -> None:
    """INVITE without SDP: the 200 carries our offer, the ACK the answer (RFC 3261 section 13.2.1)."""
    session = placed()
    session.offer()
    session.receive_answer(offer())
    session.receive_offer(offer(PCMU + "a=sendonly\r\n"))
    assert session.held_by_remote


def test_who_asks_what_the_bridge_can_in_the_middle_of_a_call_hears_all_of_it() -> None:
    """A PBX that transfers asks by a re-INVITE without SDP, and another phone answers, with codecs of its own."""
    session = called("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n")
    _, audio = audio_of(session.offer(anew=True))
    maps = {number: entry.name for number, entry in audio.rtp_maps.items()}
    assert audio.formats[:2] == ("0", "97"), "what is in use first, and no number in use means something else"
    assert maps == {
        0: "PCMU",
        97: "opus",
        9: "G722",
        8: "PCMA",
        96: "telephone-event",
        101: "telephone-event",
    }
    session.receive_answer(offer("m=audio 4000 RTP/AVP 8\r\n", address="192.0.2.30"))
    assert session.audio is not None
    assert (session.audio.codec.name, session.audio.remote_address) == ("PCMA", "192.0.2.30")
    _, audio = audio_of(session.offer())
    assert audio.formats == ("8",)


def test_all_codecs_have_the_numbers_that_the_phone_gave_them() -> None:
    media = "m=audio 4000 RTP/AVP 98 0 9\r\na=rtpmap:98 opus/48000/2\r\na=rtpmap:9 G722/16000\r\n"
    session = placed(PhonePreferences(codecs=("PCMU", "OPUS", "G722", "PCMA"), dtmf=False))
    session.receive_offer(offer(media))
    session.answer()
    _, audio = audio_of(session.offer(anew=True))
    assert audio.formats == ("0", "98", "9", "8")
    assert audio.rtp_maps[9].clock_rate_hz == 16000


def test_a_static_number_that_means_something_else_is_left_to_it() -> None:
    session = called("m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:8 telephone-event/8000\r\n")
    _, audio = audio_of(session.offer(anew=True))
    assert audio.formats.count("8") == 1
    assert audio.rtp_maps[8].name == "telephone-event"
    assert "PCMA" in [entry.name for entry in audio.rtp_maps.values()]


def test_a_phone_that_uses_up_all_numbers_gets_an_offer_all_the_same() -> None:
    numbers = range(96, 128)
    every = " ".join(map(str, numbers))
    session = PhoneSession(7)
    session.place("192.0.2.1", 10002, 10004)
    session.receive_offer(offer(f"m=audio 4000 RTP/AVP 0 {every}\r\nm=application 4004 RTP/AVP {every}\r\n"))
    session.answer()
    _, audio = audio_of(session.offer(anew=True))
    assert audio.formats == ("0", "9", "8")
    session.want_video(wanted=True)
    video = parse_session_description(session.offer()).media[2]
    assert len(set(video.formats)) == len(video.formats) == 3


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        offer("m=audio 0 RTP/AVP 0\r\n"),
        offer("m=audio 4000 RTP/AVP 18\r\n"),
        offer("m=video 4002 RTP/AVP 96\r\n"),
        offer(""),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(text: str) -> None:
    session = placed()
    session.offer()
    with pytest.raises(NegotiationError):
        session.receive_answer(text)
    assert session.audio is None
    assert session.offer_pending


VIDEO_LINE = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"


@pytest.mark.parametrize(
    ("answer", "has_video"),
    [
        (PCMU, False),  # what is refused left out
        (VIDEO_LINE + PCMU, True),  # its own order
        (PCMU + VIDEO_LINE + "m=application 4004 UDP/BFCP *\r\n", True),  # more than was offered
        (PCMU + "m=application 0 UDP/BFCP *\r\n", False),
        (PCMU + "m=audio 4006 RTP/AVP 8\r\n", False),
    ],
)
def test_an_answer_of_another_shape_is_taken_for_what_was_offered(answer: str, *, has_video: bool) -> None:
    session = PhoneSession(7)
    session.place("192.0.2.1", 10002, 10004)
    session.want_video(wanted=True)
    session.offer()
    session.receive_answer(offer(answer))
    assert session.audio is not None
    assert session.audio.remote_port == 4000
    assert (session.video is not None) is has_video
    again = parse_session_description(session.offer()).media
    assert [(section.kind, section.port != 0) for section in again] == [("audio", True), ("video", has_video)]


def test_numbers_that_an_answer_does_not_explain_mean_what_was_offered() -> None:
    session = dialled("m=audio 4000 RTP/AVP 96 101\r\na=fmtp:101 0-16\r\n")
    assert session.audio is not None
    assert (session.audio.codec.name, session.audio.codec.payload_type) == ("OPUS", 96)
    assert session.audio.dtmf_payload_type == 101


def test_numbers_that_an_answer_explains_are_its_own() -> None:
    session = dialled("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n")
    assert session.audio is not None
    assert (session.audio.codec.name, session.audio.dtmf_payload_type) == ("PCMU", 96)


def test_a_unicast_address_with_a_ttl_is_an_address() -> None:
    assert answer_phone(offer(address="192.0.2.20/127")).audio.remote_address == "192.0.2.20"


def test_a_re_offer_is_answered_without_the_section_that_is_over() -> None:
    session = called(PCMU + VIDEO_LINE)
    session.want(Direction.SENDONLY)
    session.offer()
    session.receive_answer(offer(PCMU + "a=recvonly\r\n"))
    assert not session.needs_offer


def test_an_answer_with_a_codec_that_was_not_offered_is_taken_if_the_bridge_can() -> None:
    """A re-offer names the codec in use; behind a gateway the call may have gone on to a phone with another."""
    session = called()
    offer_as(session, Direction.SENDONLY)
    session.receive_answer(offer("m=audio 4000 RTP/AVP 18 8\r\na=recvonly\r\n"))
    assert session.audio is not None
    assert session.audio.codec.name == "PCMA"
    session.offer()
    with pytest.raises(NegotiationError):
        session.receive_answer(offer("m=audio 4000 RTP/AVP 18\r\n"))


def test_a_phone_that_agrees_without_a_word_goes_on_as_before() -> None:
    session = called(PCMU + VIDEO_LINE)
    before = session.audio
    assert before is not None
    session.want(Direction.SENDONLY)
    session.place("192.0.2.1", 10_100)
    session.offer()
    session.receive_answer("")
    assert session.audio == structs.replace(before, receives=False, exchange=before.exchange + 1)
    assert not session.needs_offer


def test_a_phone_that_says_nothing_at_all_has_agreed_to_nothing() -> None:
    session = placed()
    session.offer()
    with pytest.raises(NegotiationError):
        session.receive_answer("")


def test_keys_come_by_any_number_the_phone_offered_them_with() -> None:
    session = called(
        "m=audio 4000 RTP/AVP 96 101 102\r\na=rtpmap:96 opus/48000/2\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/48000\r\n"
    )
    assert session.audio is not None
    assert (session.audio.dtmf_payload_type, session.audio.up_dtmf_payload_types) == (102, (101,))
    assert audio_of(session.answer())[1].formats == ("96", "102")


def test_offers_do_not_cross() -> None:
    session = called()
    offer_as(session, Direction.SENDONLY)
    with pytest.raises(GlareError):
        session.receive_offer(offer())
    session.receive_answer(offer(PCMU + "a=recvonly\r\n"))
    session.receive_offer(offer())


def test_an_offer_of_ours_that_comes_too_late_takes_no_answer_from_the_phones() -> None:
    """Both press hold: while the media plane takes in what the phone offered, ours is made, and refused by SIP."""
    session = called()
    session.receive_offer(offer(PCMU + "a=sendonly\r\n"))
    session.want(Direction.SENDONLY)
    session.offer()
    assert direction_of(session.answer()) is Direction.RECVONLY
    session.withdraw_offer()
    assert session.needs_offer
    session.offer()
    with pytest.raises(NotAllowedError):
        session.answer()


def test_calls_out_of_order_are_our_mistake() -> None:
    with pytest.raises(NotAllowedError):
        PhoneSession(1).offer()
    with pytest.raises(NotAllowedError):
        placed().answer()
    with pytest.raises(NotAllowedError):
        placed().receive_answer(offer())
    session = called()
    session.offer()
    with pytest.raises(NotAllowedError):
        session.answer()


def test_ipv6_is_written_as_such() -> None:
    session = PhoneSession(7)
    session.receive_offer(offer().replace("IP4 192.0.2.20", "IP6 2001:db8::20"))
    session.place("2001:db8::1", 10002)
    description, _ = audio_of(session.answer())
    assert description.connection is not None
    assert (description.connection.address_type, description.origin.address_type) == ("IP6", "IP6")


PIECES = st.lists(
    st.sampled_from(
        [
            "m=audio 4000 RTP/AVP 0 8 9 96", "m=audio 0 RTP/AVP 0", "m=video 5000 RTP/AVP 96", "a=sendonly",
            "a=inactive", "c=IN IP4 0.0.0.0", "c=IN IP4 192.0.2.30", "c=IN IP6 ::", "a=rtpmap:96 opus/48000/2",
            "a=rtpmap:0 L16/8000", "a=rtcp:1", "a=fmtp:96 x", "a=rtpmap:96 telephone-event/8000", "c=IN IP4 x",
        ]
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=4))
def test_no_offer_breaks_a_session_and_every_answer_fits_its_offer(offers: list[list[str]]) -> None:
    session = called()
    for pieces in offers:
        text = offer("".join(f"{piece}\r\n" for piece in pieces))
        before = session.audio
        try:
            agreement = session.receive_offer(text)
        except NegotiationError:
            assert session.audio == before
            continue
        answered = parse_session_description(session.answer())
        asked = parse_session_description(text)
        assert [section.kind for section in answered.media] == [section.kind for section in asked.media]
        assert sum(section.port != 0 for section in answered.media) == 1
        index = agreement.audio_index
        theirs, ours = asked.direction(asked.media[index]), answered.direction(answered.media[index])
        assert not (ours.sends and not theirs.receives)
        assert not (ours.receives and not theirs.sends)


def test_a_remembered_session_goes_on_where_it_was() -> None:
    session = PhoneSession(7)
    session.place("192.0.2.1", 30_000)
    session.receive_offer(offer(PCMU))
    session.answer()
    again = PhoneSession.recall(session.remember())
    assert again.audio == session.audio
    again.place("192.0.2.1", 30_002)
    session.place("192.0.2.1", 30_002)
    assert again.offer() == session.offer()
    again.receive_answer(offer(PCMU))


def test_a_session_that_agreed_to_nothing_can_be_remembered_too() -> None:
    again = PhoneSession.recall(PhoneSession(7).remember())
    assert again.audio is None


def test_a_memory_that_is_none_is_refused() -> None:
    with pytest.raises(NegotiationError, match="remembered"):
        PhoneSession.recall(b"{}")


def test_a_phone_that_sends_another_codec_of_its_offer_is_heard_all_the_same() -> None:
    """RFC 3264 leaves it the one that was answered; gateways with a codec for each way send the other."""
    session = called("m=audio 4000 RTP/AVP 18 8 0 13 101\r\na=rtpmap:101 telephone-event/8000\r\n")
    audio = session.audio
    assert audio is not None
    assert (audio.codec.name, [codec.name for codec in audio.up_codecs]) == ("PCMU", ["PCMA"])


def test_two_phones_that_answer_one_offer_from_the_same_private_address_are_not_one() -> None:
    session = placed()
    session.offer()
    first, second = session.fork(), session.fork()
    first.receive_answer(offer(address="192.168.1.10"))
    second.receive_answer(offer(address="192.168.1.10"))
    assert first.audio is not None
    assert second.audio is not None
    assert first.audio.exchange != second.audio.exchange


def test_exchanges_go_on_after_a_restart() -> None:
    session = called()
    session.receive_offer(offer())
    again = PhoneSession.recall(session.remember())
    again.receive_offer(offer())
    assert again.audio is not None
    assert again.audio.exchange == 3


@pytest.mark.parametrize(
    ("codecs", "answer", "own", "others"),
    [
        (("PCMU",), "0 96\r\na=rtpmap:96 telephone-event/8000\r\n", 96, (101,)),
        (("PCMU",), "0 101\r\na=rtpmap:101 telephone-event/8000\r\n", 101, ()),
        (("PCMU",), "0\r\n", None, ()),
        # both codecs accepted: the keys of the other one come by the other clock's number
        (
            ("OPUS", "PCMU"),
            "96 0 101 102\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/48000\r\n"
            "a=rtpmap:102 telephone-event/8000\r\n",
            101,
            (102,),
        ),
        (("PCMU",), "0 96 101\r\na=rtpmap:96 telephone-event/8000\r\na=rtpmap:101 PCMA/8000\r\n", 96, (101,)),
    ],
)
def test_keys_come_by_our_numbers_too_after_an_answer_to_our_offer(
    codecs: tuple[str, ...], answer: str, own: int | None, others: tuple[int, ...]
) -> None:
    """RFC 3264 section 6.1: each side sends with the numbers of the other."""
    session = placed(PhonePreferences(codecs=codecs))
    session.offer()
    audio = session.receive_answer(offer(f"m=audio 4000 RTP/AVP {answer}")).audio
    assert (audio.dtmf_payload_type, audio.up_dtmf_payload_types) == (own, others)
