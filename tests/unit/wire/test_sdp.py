"""RFC 8866: what is read, what is refused, and that writing gives back what was read."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.sdp import (
    MAX_FORMATS,
    MAX_LINE_CHARACTERS,
    MAX_MEDIA_SECTIONS,
    MAX_SIZE_BYTES,
    Origin,
    parse_session_description,
    serialize_session_description,
)
from bridge.wire.sdp_section import (
    Connection,
    Crypto,
    Direction,
    ExtensionMap,
    RtpMap,
    SsrcAttribute,
    SsrcGroup,
    make_direction,
)

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "sdp").glob("*.sdp"))
HEAD = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def read(path: Path) -> str:
    return path.read_bytes().decode()


def section_of(*lines: str) -> str:
    return HEAD + "m=video 4000 RTP/AVPF 96 97\r\n" + "".join(f"{line}\r\n" for line in lines)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_real_peers_write_survives_the_round_trip(path: Path) -> None:
    description = parse_session_description(read(path))
    again = parse_session_description(serialize_session_description(description))
    assert again == description
    assert description.media


def test_a_chromium_offer_is_understood() -> None:
    path = next(path for path in SAMPLES if path.stem == "chromium_camera_offer")
    description = parse_session_description(read(path))
    audio, video = description.media
    assert description.bundle == ("0", "1")
    assert (audio.kind, audio.port, audio.mid, audio.protocol) == ("audio", 9, "0", "UDP/TLS/RTP/SAVPF")
    assert audio.rtp_maps[111] == RtpMap(111, "opus", 48000, 2)
    assert audio.format_parameters[111] == "minptime=10;useinbandfec=1"
    assert ExtensionMap(4, "urn:ietf:params:rtp-hdrext:sdes:mid") in video.extension_maps
    assert video.payload_types[:2] == (96, 97)
    assert video.feedback[96] == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    (group,) = video.ssrc_groups
    assert group.semantics == "FID"
    assert {line.ssrc for line in video.ssrcs} == set(group.ssrcs)
    assert description.direction(video) is Direction.SENDRECV
    assert description.inherited(video, "setup") == "actpass"
    ((algorithm, value),) = description.fingerprints(video)
    assert (algorithm, len(value)) == ("sha-256", 95)


def test_a_firefox_offer_keeps_its_fingerprint_in_the_session() -> None:
    path = next(path for path in SAMPLES if path.stem == "firefox_camera_offer")
    description = parse_session_description(read(path))
    video = description.media[1]
    assert (video.port, video.attributes.has("bundle-only")) == (0, True)
    assert not video.attributes.fingerprints
    assert description.fingerprints(video)[0][0] == "sha-256"
    assert (
        ExtensionMap(6, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay") in video.extension_maps
    )


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\n\r\n"])
def test_any_line_end_is_read(end: str) -> None:
    text = (HEAD + "m=audio 5000 RTP/AVP 0\r\na=sendonly\r\n").replace("\r\n", end)
    description = parse_session_description(text)
    assert description.origin.session_version == "2"
    assert description.direction(description.media[0]) is Direction.SENDONLY


@pytest.mark.parametrize(
    ("line", "origin"),
    [
        ("o=- 1", Origin()),
        ("o=", Origin()),
        ("o= 1 2 IN IP4 192.0.2.1", Origin("-", "1", "2", "IP4", "192.0.2.1")),
        ("o=Front Desk 1 2 IN IP4 192.0.2.1", Origin("Front_Desk", "1", "2", "IP4", "192.0.2.1")),
    ],
)
def test_an_odd_origin_costs_no_call(line: str, origin: Origin) -> None:
    description = parse_session_description(f"v=0\n{line}\ns=-\nm=audio 5000 RTP/AVP 0\n")
    assert description.origin == origin
    assert parse_session_description(serialize_session_description(description)) == description


def test_a_nul_behind_the_last_line_is_none_of_it() -> None:
    assert parse_session_description(HEAD + "m=audio 5000 RTP/AVP 0\r\n\x00\x00").media[0].port == 5000


def test_lines_nobody_knows_are_kept_in_their_place() -> None:
    text = (
        "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=a call\r\ni=about\r\nc=IN IP4 192.0.2.1\r\nb=AS:100\r\nt=0 0\r\n"
        "a=tool:x\r\nm=audio 5000/2 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 192.0.2.2\r\nb=AS:64\r\na=x-new:1 2:3\r\n"
    )
    assert serialize_session_description(parse_session_description(text)) == text


def test_the_section_wins_over_the_session() -> None:
    text = (
        HEAD
        + "c=IN IP4 192.0.2.1\r\na=sendonly\r\na=setup:active\r\n"
        + (
            "m=audio 5000 RTP/AVP 0\r\n"
            "m=audio 5002 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\na=setup:passive\r\n"
        )
    )
    description = parse_session_description(text)
    first, second = description.media
    assert description.connection_of(first) == Connection("192.0.2.1")
    assert description.connection_of(second) == Connection("2001:db8::1", "IP6")
    assert [description.direction(section) for section in description.media] == ["sendonly", "inactive"]
    assert [description.inherited(section, "setup") for section in description.media] == ["active", "passive"]


def test_the_typed_attributes() -> None:
    section = parse_session_description(
        section_of(
            "a=rtcp:4711 IN IP4 192.0.2.9",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20",
            "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
            "a=ssrc:11 cname:x:y",
            "a=ssrc:11 msid:a b",
            "a=ssrc-group:FID 11 12",
            "a=ptime:20",
            "a=mid: v1 ",
            "a=rtcp-fb:* nack pli",
            "a=rtcp-fb:96  ccm   fir",
        )
    ).media[0]
    assert section.rtcp_port == 4711
    assert section.cryptos == (Crypto(1, "AES_CM_128_HMAC_SHA1_80", "inline:abc|2^20"),)
    assert section.candidates == ("1 1 udp 2130706431 192.0.2.1 5000 typ host",)
    assert section.ssrcs == (SsrcAttribute(11, "cname", "x:y"), SsrcAttribute(11, "msid", "a b"))
    assert section.ssrc_groups == (SsrcGroup("FID", (11, 12)),)
    assert section.ptime_ms == 20
    assert section.mid == "v1"
    assert section.feedback == {None: ("nack pli",), 96: ("ccm fir",)}


@pytest.mark.parametrize(
    "line",
    [
        "a=rtpmap",
        "a=rtpmap:",
        "a=rtpmap:96",
        "a=rtpmap:96 VP8",
        "a=rtpmap:96 VP8/abc",
        "a=rtpmap:96 VP8/0",
        "a=rtpmap:-1 VP8/90000",
        "a=rtpmap:999 VP8/90000",
        "a=rtpmap:\N{ARABIC-INDIC DIGIT ONE} VP8/90000",
        "a=fmtp:x y",
        "a=ssrc:4294967296 cname:x",
        "a=ssrc-group:FID 1 x",
        "a=ssrc-group:",
        "a=extmap:0 urn:x",
        "a=extmap:1",
        "a=rtcp:0",
        "a=rtcp:99999",
        "a=ptime:fast",
        "a=crypto:1 x",
        "a=fingerprint:sha-256",
        "a=rtcp-fb:x nack",
    ],
)
def test_a_broken_attribute_costs_only_itself(line: str) -> None:
    section = parse_session_description(section_of(line)).media[0]
    assert not section.rtp_maps
    assert not section.format_parameters
    assert not section.ssrcs
    assert not section.ssrc_groups
    assert not section.extension_maps
    assert not section.cryptos
    assert not section.attributes.fingerprints
    assert not section.feedback
    assert section.rtcp_port is None
    assert section.ptime_ms is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n",
        "hello",
        "v=1\r\n",
        "o=- 1 2 IN IP4 192.0.2.1\r\n",
        HEAD + "v=0\r\n",
        HEAD + "nonsense\r\n",
        HEAD + "A=x\r\n",
        HEAD + "m=audio\r\n",
        HEAD + "m=audio x RTP/AVP 0\r\n",
        HEAD + "m=audio 65536 RTP/AVP 0\r\n",
        HEAD + "m=audio -1 RTP/AVP 0\r\n",
        HEAD + "m=audio 5000/0 RTP/AVP 0\r\n",
        HEAD + "c=IN IP4\r\n",
        HEAD + "a=x:\x00\r\n",
        HEAD + "a=x:\u2028m=audio 1 RTP/AVP 0\r\n",
        HEAD + "a=" + "x" * MAX_LINE_CHARACTERS + "\r\n",
        HEAD + "m=audio 1 RTP/AVP 0\r\n" * (MAX_MEDIA_SECTIONS + 1),
        HEAD + "m=audio 1 RTP/AVP" + " 0" * (MAX_FORMATS + 1) + "\r\n",
        HEAD + "a=x:y\r\n" * (MAX_SIZE_BYTES // 7 + 1),
        HEAD + "a=\N{SNOWMAN}\r\n" * (MAX_SIZE_BYTES // 6),
        "v=0\r\n" + "x" * 1_000_000,
    ],
    ids=lambda text: repr(text[-24:]),
)
def test_what_has_no_grammar_or_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_session_description(text)


def test_directions_are_made_of_sending_and_receiving() -> None:
    for direction in Direction:
        assert make_direction(sends=direction.sends, receives=direction.receives) is direction


LINES = st.lists(
    st.sampled_from(
        [
            "v=0", "o=- 1 2 IN IP4 192.0.2.1", "s=-", "t=0 0", "c=IN IP4 192.0.2.1", "b=AS:1", "i=x",
            "m=audio 5000 RTP/AVP 0", "m=video 0 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", "a=sendonly",
            "a=mid:0", "a=group:BUNDLE 0", "a=ssrc:1 cname:x", "a=ssrc-group:FID 1 2", "a=fmtp:96 apt=97",
        ]
    )
    | st.text(max_size=30),
    max_size=20,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(LINES)
def test_any_text_is_read_or_refused_and_what_is_read_is_written_back(lines: list[str]) -> None:
    try:
        description = parse_session_description("v=0\r\n" + "\r\n".join(lines))
    except ParseError:
        return
    assert parse_session_description(serialize_session_description(description)) == description
    for section in description.media:
        assert section.rtp_maps is not None
        assert section.ssrc_groups is not None
        assert description.direction(section) in Direction
