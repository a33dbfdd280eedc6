"""Video with a phone (RFC 3264): codecs by meaning, directions of each section, m= lines that keep their place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ids import LegId
from bridge.negotiation import PhonePreferences, PhoneSession, answer_phone
from bridge.negotiation.phone.agreement import ENDED, STRIPPED
from bridge.plane.messages import Codec, RtpVideo
from bridge.wire.sdp import parse_session_description
from bridge.wire.sdp_section import Direction, MediaSection

DATA = Path(__file__).parents[2] / "data" / "sdp"
AUDIO = "m=audio 4000 RTP/AVP 0\r\n"
VP8 = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
MODE_0, MODE_1 = (
    "packetization-mode=0;profile-level-id=42e01f",
    "packetization-mode=1;profile-level-id=42e01f",
)


def offer(*media: str, address: str = "192.0.2.20") -> str:
    head = f"v=0\r\no=phone 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    return head + "".join(media)


def h264(fmtp: str | None, number: int = 97) -> str:
    text = f"m=video 4002 RTP/AVP {number}\r\na=rtpmap:{number} H264/90000\r\n"
    return text if fmtp is None else f"{text}a=fmtp:{number} {fmtp}\r\n"


def session(preferences: PhonePreferences | None = None) -> PhoneSession:
    made = PhoneSession(7, preferences)
    made.place("192.0.2.1", 10_000, 10_002)
    return made


def video_of(*media: str, preferences: PhonePreferences | None = None) -> RtpVideo | None:
    return answer_phone(offer(*media), preferences).video


def answered(*media: str) -> tuple[MediaSection, Direction]:
    """Our video section in the answer."""
    made = session()
    made.receive_offer(offer(*media))
    description = parse_session_description(made.answer())
    section = next(section for section in description.media if section.kind == "video")
    return section, description.direction(section)


def test_what_baresip_offers_is_taken_in_the_bridges_order() -> None:
    made = session()
    agreement = made.receive_offer((DATA / "baresip_all_offer.sdp").read_text())
    video = agreement.video
    assert video is not None
    assert [(codec.name, codec.payload_type) for codec in video.down_codecs] == [
        ("H264", 97),  # mode 1: slices of any size
        ("H264", 96),
        ("VP8", 100),
    ]
    assert video.up_codecs == video.down_codecs
    assert (video.remote_port, video.remote_rtcp_port, video.feedback) == (23164, 23165, ("nack pli",))
    text = made.answer()
    assert "m=video 10002 RTP/AVP 97 96 100\r\n" in text
    assert "a=fmtp:96 packetization-mode=0;profile-level-id=42e01f" in text
    assert "a=rtcp-fb:97 nack pli" in text


@pytest.mark.parametrize(
    ("fmtp", "taken"),
    [
        (MODE_0, MODE_0),
        (MODE_1, MODE_1),
        ("Packetization-Mode=1; profile-level-id=42E01F; sprop-parameter-sets=Z0IA", MODE_1.upper().lower()),
        ("profile-level-id=42801f", "profile-level-id=42801f"),
        ("profile-level-id=640028;packetization-mode=1", "packetization-mode=1;profile-level-id=640028"),
        (None, ""),
        ("packetization-mode=2;profile-level-id=42e01f", None),
        ("profile-level-id=rubbish", None),
        ("profile-level-id=f4001f", None),
        ("x" * 300, ""),
        (
            f"sprop-parameter-sets={'Z0KAH5WgFAFuQA==,' * 30};{MODE_1}",
            MODE_1,
        ),  # what one sender says of itself
        (f"level-asymmetry-allowed={'1' * 300};{MODE_1}", None),
    ],
)
def test_h264_by_meaning(fmtp: str | None, taken: str | None) -> None:
    video = video_of(AUDIO, h264(fmtp))
    found = None if video is None else video.down_codecs[0].fmtp
    assert (found.lower() if found else found) == taken


def test_what_all_browsers_decode_comes_before_what_some_do() -> None:
    media = (
        "m=video 4002 RTP/AVP 97 98\r\na=rtpmap:97 H264/90000\r\na=rtpmap:98 H264/90000\r\n"
        "a=fmtp:97 packetization-mode=1;profile-level-id=64001f\r\na=fmtp:98 profile-level-id=42e01f\r\n"
    )
    video = video_of(AUDIO, media)
    assert video is not None
    assert [codec.payload_type for codec in video.up_codecs] == [98, 97]


def test_a_payload_type_may_mean_something_else_on_each_m_line() -> None:
    audio = "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"
    agreement = answer_phone(offer(audio, VP8))
    assert agreement.video is not None
    assert (agreement.audio.codec.payload_type, agreement.video.down_codecs[0].payload_type) == (96, 96)


@pytest.mark.parametrize(
    ("lines", "limit"),
    [("b=AS:512\r\n", 512_000), ("b=TIAS:300000\r\n", 300_000), ("b=AS:512\r\nb=TIAS:300000\r\n", 300_000)],
)
def test_the_phones_limit_is_kept(lines: str, limit: int) -> None:
    video = video_of(AUDIO, VP8.replace("a=rtpmap", f"{lines}a=rtpmap", 1))
    assert video is not None
    assert video.limit_bps == limit


def test_a_phone_without_a_limit_has_the_bridges() -> None:
    video = video_of(AUDIO, VP8, preferences=PhonePreferences(video_bps=700_000))
    assert video is not None
    assert video.limit_bps == 700_000
    section, _ = answered(AUDIO, VP8)
    assert section.other_lines == ("b=AS:1000", "b=TIAS:1000000")


def test_avpf_and_its_feedback_are_answered_in_kind() -> None:
    lines = "a=rtcp-fb:* nack\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 goog-remb\r\n"
    section, _ = answered(AUDIO, VP8.replace("RTP/AVP ", "RTP/AVPF ") + lines)
    assert section.protocol == "RTP/AVPF"
    assert section.feedback == {96: ("ccm fir", "nack")}


@pytest.mark.parametrize(
    ("media", "preferences", "reason"),
    [
        ("", None, "the phone offers no video"),
        ("m=video 0 RTP/AVP 96\r\n", None, "the phone offers no video"),
        (VP8, PhonePreferences(video_codecs=()), "the trunk is for voice only: it has no video codecs"),
        (
            "m=video 4002 RTP/AVP 34\r\na=rtpmap:34 H263/90000\r\n",
            None,
            "no common video codec: the phone has H263, the bridge takes H264, VP8",
        ),
        ("m=video 4002 RTP/AVP 34\r\n", None, "no common video codec: the phone has none it names"),
        (
            VP8.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"),
            None,
            "the phone's video comes by a protocol or from an address the bridge does not take",
        ),
    ],
)
def test_without_video_there_is_a_reason_and_the_voice_goes_on(
    media: str, preferences: PhonePreferences | None, reason: str
) -> None:
    agreement = answer_phone(offer(AUDIO, media), preferences)
    assert agreement.video is None
    assert agreement.no_video.startswith(reason)
    made = session(preferences)
    made.receive_offer(offer(AUDIO, media))
    ports = [section.port for section in parse_session_description(made.answer()).media]
    assert ports[0] == 10_000
    assert all(port == 0 for port in ports[1:])


def test_a_second_video_section_is_refused() -> None:
    made = session()
    made.receive_offer(offer(AUDIO, VP8, VP8.replace("4002", "4004")))
    assert [section.port for section in parse_session_description(made.answer()).media] == [10_000, 10_002, 0]


@pytest.mark.parametrize(
    ("contents", "ports"),
    [
        (("main", "slides"), [10_000, 10_002, 0]),
        (("slides", "main"), [10_000, 0, 10_002]),
        (("slides", "slides"), [10_000, 10_002, 0]),
    ],
)
def test_of_two_video_sections_the_face_is_shown_before_the_slides(
    contents: tuple[str, str], ports: list[int]
) -> None:
    made = session()
    made.receive_offer(offer(AUDIO, *(f"{VP8}a=content:{content}\r\n" for content in contents)))
    assert [section.port for section in parse_session_description(made.answer()).media] == ports


def test_without_a_free_port_the_call_is_by_voice_and_says_why() -> None:
    made = PhoneSession(7)
    made.receive_offer(offer(AUDIO, VP8))
    assert made.video is not None
    made.place("192.0.2.1", 10_000, 0)
    assert made.no_video == "no RTP port is free for the phone's video"
    assert made.up_track_ids(LegId("leg_1")) == ()
    assert "m=video 0 " in made.answer()
    made.receive_offer(offer(AUDIO, VP8))
    assert made.video is not None, "asked for again"


def test_another_codec_and_another_address_are_followed() -> None:
    made = session()
    made.receive_offer(offer(AUDIO, VP8))
    agreement = made.receive_offer(offer(AUDIO, h264(MODE_0), address="192.0.2.77"))
    video = agreement.video
    assert video is not None
    assert (video.remote_address, video.down_codecs[0].name) == ("192.0.2.77", "H264")


def test_a_place_left_free_is_used_again_by_whoever_offers() -> None:
    made = session()
    made.receive_offer(offer(AUDIO, VP8))
    made.receive_offer(offer(AUDIO, "m=video 0 RTP/AVP 96\r\n"))
    assert (made.video, made.no_video) == (None, ENDED)
    made.receive_offer(offer(AUDIO, h264(MODE_1)))
    assert made.video is not None
    assert "m=video 10002 RTP/AVP 97" in made.answer()


def test_both_numbers_are_heard_when_the_answer_has_others_than_our_offer() -> None:
    made = session(PhonePreferences(codecs=("PCMU",)))
    made.want_video(wanted=True)
    ours = parse_session_description(made.offer()).media[1].payload_types
    made.receive_answer(offer(AUDIO, VP8.replace("96", "120")))
    video = made.video
    assert video is not None
    assert [codec.payload_type for codec in video.down_codecs] == [120]
    assert {codec.payload_type for codec in video.up_codecs} == {120, ours[-1]}


@pytest.mark.parametrize("profile", ["42801F", "420014", "4d0020", "640c1f"])
def test_a_profile_of_its_own_in_the_answer_leaves_our_number_heard(profile: str) -> None:
    made = session(PhonePreferences(codecs=("PCMU",)))
    made.want_video(wanted=True)
    mode_1, *_ = parse_session_description(made.offer()).media[1].payload_types
    made.receive_answer(offer(AUDIO, h264(f"profile-level-id={profile};packetization-mode=1", 120)))
    video = made.video
    assert video is not None
    assert {codec.payload_type for codec in video.up_codecs} == {mode_1, 120}


# --- the direction matrix -----------------------------------------------------------------------------------

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive", "0.0.0.0")
WISHES = (Direction.SENDRECV, Direction.SENDONLY)


def section_of(media: str, direction: str) -> str:
    if direction == "0.0.0.0":
        head, rest = media.split("\r\n", 1)
        return f"{head}\r\nc=IN IP4 0.0.0.0\r\n{rest}a=sendrecv\r\n"
    return f"{media}a={direction}\r\n"


def phone_sends(direction: str) -> bool:
    return direction in ("sendrecv", "sendonly", "0.0.0.0")


def phone_takes(direction: str) -> bool:
    return direction in ("sendrecv", "recvonly")


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("audio", DIRECTIONS)
@pytest.mark.parametrize("video", DIRECTIONS)
def test_each_section_has_its_own_direction(audio: str, video: str, wish: Direction) -> None:
    made = session()
    made.receive_offer(offer(AUDIO, VP8))
    made.want(wish)
    made.receive_offer(offer(section_of(AUDIO, audio), section_of(VP8, video)))
    description = parse_session_description(made.answer())
    ours = [description.direction(section) for section in description.media]
    held = wish is Direction.SENDONLY
    assert ours[0].sends is phone_takes(audio)
    assert ours[0].receives is (phone_sends(audio) and not held)
    assert ours[1].sends is (phone_takes(video) and not held)
    assert ours[1].receives is (phone_sends(video) and not held)
    agreed = made.video
    assert agreed is not None
    assert (agreed.sends, agreed.receives) == (ours[1].sends, ours[1].receives)
    assert (agreed.remote_address, agreed.remote_port) == ("192.0.2.20", 4002), "a hold names no address"
    assert made.held_by_remote is not phone_takes(audio)


STEPS = st.one_of(
    st.tuples(st.just("phone"), st.sampled_from(DIRECTIONS), st.sampled_from((*DIRECTIONS, "off", "h264"))),
    st.tuples(st.just("bridge"), st.sampled_from(WISHES), st.sampled_from(("on", "off", "as it is"))),
    st.tuples(st.just("glare"), st.none(), st.none()),
)


class Call:
    """A session and a phone that does what it is told: what must hold after every exchange is checked here."""

    def __init__(self) -> None:
        self.bridge = session()
        self.lines = 0
        self.texts: list[str] = []
        self.phone("sendrecv", "off")

    def phone(self, audio: str, video: str) -> None:
        media = [section_of(AUDIO, audio)]
        if video == "h264":
            media.append(h264(MODE_1))
        elif video != "off":
            media.append(section_of(VP8, video))
        elif self.lines > 1:
            media.append("m=video 0 RTP/AVP 96\r\n")
        self.bridge.receive_offer(offer(*media))
        self.check(self.bridge.answer())
        assert (self.bridge.video is None) is (video == "off")

    def ask(self, wish: Direction, video: str) -> None:
        self.bridge.want(wish)
        if video != "as it is":
            self.bridge.want_video(wanted=video == "on")
        text = self.bridge.offer()
        assert self.bridge.offer() == text, "the same again is the same text"
        self.check(text)
        described = parse_session_description(text)
        answer = [AUDIO.replace("\r\n", "\r\na=sendrecv\r\n", 1)]
        for section in described.media[1:]:
            known = section.rtp_maps
            vp8 = next((n for n in section.payload_types if n in known and known[n].name == "VP8"), None)
            h264_number = next((n for n in section.payload_types if n in known), None)
            if not section.port:
                answer.append("m=video 0 RTP/AVP 96\r\n")
            elif vp8 is not None:
                answer.append(VP8.replace("96", str(vp8)))
            else:
                answer.append(h264(MODE_1, h264_number or 97))
        self.bridge.receive_answer(offer(*answer))
        assert not self.bridge.needs_offer
        video_port = described.media[1].port if len(described.media) > 1 else 0
        assert (self.bridge.video is not None) is bool(video_port)

    def glare(self) -> None:
        before = (self.bridge.audio, self.bridge.video)
        self.bridge.offer()
        self.bridge.withdraw_offer()
        assert (self.bridge.audio, self.bridge.video) == before

    def check(self, text: str) -> None:
        description = parse_session_description(text)
        kinds = [section.kind for section in description.media]
        assert len(kinds) >= self.lines, "no m= line ever goes"
        assert kinds == ["audio", "video"][: len(kinds)], "each stays in its place"
        self.lines = len(kinds)
        ports = [section.port for section in description.media]
        assert ports[0] == 10_000
        assert all(port in (0, 10_002) for port in ports[1:])
        self.texts.append(text)

    def check_versions(self) -> None:
        """RFC 3264 section 8: one more when, and only when, something changed."""
        for last, text in zip(self.texts, self.texts[1:], strict=False):
            before, after = parse_session_description(last), parse_session_description(text)
            assert before.origin.session_id == after.origin.session_id
            grown = int(after.origin.session_version) - int(before.origin.session_version)
            assert grown >= 0
            assert (before.media == after.media) is (grown == 0) or grown > 1, (
                "what lies between was an offer"
            )


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_any_way_through_a_call_keeps_the_rules(steps: list[tuple[str, object, object]]) -> None:
    call = Call()
    for kind, first, second in steps:
        if kind == "phone":
            call.phone(str(first), str(second))
        elif kind == "bridge":
            assert isinstance(first, Direction)
            call.ask(first, str(second))
        else:
            call.glare()
    call.check_versions()
    recalled = PhoneSession.recall(call.bridge.remember())
    assert recalled.audio == call.bridge.audio
    assert recalled.video == call.bridge.video


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["96", "97", "34", "x", "300", ""]), max_size=4), st.text(max_size=40))
def test_no_text_of_a_phone_raises_past_negotiation(formats: list[str], fmtp: str) -> None:
    clean = "".join(letter for letter in fmtp if letter.isprintable())
    media = f"m=video 4002 RTP/AVP {' '.join(formats)}\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 {clean}\r\n"
    video = video_of(AUDIO, media)
    assert video is None or all(isinstance(codec, Codec) for codec in video.down_codecs)


def test_a_phone_that_claims_video_and_offers_none_points_to_a_trunk() -> None:
    made = session()
    made.claims_video = True
    assert made.receive_offer(offer(AUDIO)).no_video == STRIPPED
    assert made.receive_offer(offer(AUDIO, VP8)).no_video == ""
    assert made.receive_offer(offer(AUDIO, "m=video 0 RTP/AVP 96\r\n")).no_video == ENDED


def test_video_that_comes_back_is_another_exchange_than_before() -> None:
    """Else a phone whose NAT has forgotten it meanwhile would be a stranger to its own port."""
    made = session()
    seen = []
    for media in ((AUDIO, VP8), (AUDIO, VP8.replace("4002", "0")), (AUDIO, VP8)):
        made.receive_offer(offer(*media))
        made.answer()
        assert made.audio is not None
        seen.append((made.audio.exchange, made.video.exchange if made.video else None))
    assert seen == [(1, 1), (2, None), (3, 3)]
