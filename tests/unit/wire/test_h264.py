"""H.264 payloads and profiles (RFC 6184)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.h264 import (
    DEFAULT_PROFILE,
    Fragment,
    H264Parameters,
    H264Profile,
    PayloadLook,
    Profile,
    iterate_nal_units,
    level_refusal,
    look,
    packetization_mode_of,
    parse_fmtp,
    parse_fragment,
    parse_profile_level_id,
    parse_sps_profile,
    profile_refusal,
    starts_key_frame,
)

SPS, PPS = bytes.fromhex("6742e01f00"), bytes.fromhex("68ce3c80")
STAP_A = b"\x78" + len(SPS).to_bytes(2, "big") + SPS + len(PPS).to_bytes(2, "big") + PPS


@pytest.mark.parametrize(
    ("payload", "found", "mode"),
    [
        pytest.param(SPS, PayloadLook.SPS, 0, id="single SPS"),
        pytest.param(b"\x65\x88", PayloadLook.IDR_START, 0, id="single IDR"),
        pytest.param(b"\x41\x9a", PayloadLook.NOTHING, 0, id="single slice"),
        pytest.param(STAP_A, PayloadLook.SPS, 1, id="STAP-A of SPS and PPS"),
        pytest.param(b"\x7c\x85\x88", PayloadLook.IDR_START, 1, id="FU-A that starts an IDR"),
        pytest.param(b"\x7c\x05\x88", PayloadLook.NOTHING, 1, id="FU-A in the middle of an IDR"),
        pytest.param(b"\x7c\x81\x88", PayloadLook.NOTHING, 1, id="FU-A that starts a slice"),
        pytest.param(b"\x7d\x85\x88", PayloadLook.NOTHING, 2, id="FU-B"),
        pytest.param(b"\x7e\x80\x00", PayloadLook.NOTHING, 0, id="PACSI of scalable video (RFC 6190)"),
        pytest.param(b"\x7f\x00", PayloadLook.NOTHING, 0, id="reserved"),
    ],
)
def test_what_begins_in_a_payload(payload: bytes, found: PayloadLook, mode: int) -> None:
    assert look(payload) == found
    assert look(b"\xff" + payload + b"\x67", 1, 1 + len(payload)) == found
    assert packetization_mode_of(payload) == mode
    assert starts_key_frame(payload) == (found != PayloadLook.NOTHING)


@given(st.binary(max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_payload_can_be_looked_at(payload: bytes) -> None:
    look(payload)
    try:
        units = list(iterate_nal_units(payload))
    except ParseError:
        return
    assert all(units)


def test_an_aggregate_gives_its_units() -> None:
    assert list(iterate_nal_units(STAP_A)) == [SPS, PPS]
    assert list(iterate_nal_units(SPS)) == [SPS]
    assert list(iterate_nal_units(b"\x7c\x85\x88")) == []
    for cut in (STAP_A[:-1], STAP_A + b"\x00", b"\x78\x00\x00\x67"):
        with pytest.raises(ParseError):
            list(iterate_nal_units(cut))


def test_a_fragment_gives_the_header_of_its_unit() -> None:
    assert parse_fragment(b"\x7c\x85\x88") == Fragment(0x65, True, False, b"\x88")
    assert parse_fragment(b"\x7c\x45\x99") == Fragment(0x65, False, True, b"\x99")
    with pytest.raises(ParseError):
        parse_fragment(SPS)
    with pytest.raises(ParseError):
        packetization_mode_of(b"")


@pytest.mark.parametrize(
    ("text", "profile", "level"),
    [
        ("42e01f", Profile.CONSTRAINED_BASELINE, 31),
        ("42c00d", Profile.CONSTRAINED_BASELINE, 13),
        ("42E01F", Profile.CONSTRAINED_BASELINE, 31),
        ("4d801f", Profile.CONSTRAINED_BASELINE, 31),
        ("42001f", Profile.BASELINE, 31),
        ("42801f", Profile.BASELINE, 31),
        ("4d001f", Profile.MAIN, 31),
        ("4d4028", Profile.MAIN, 40),
        ("640c1f", Profile.CONSTRAINED_HIGH, 31),
        ("640032", Profile.HIGH, 50),
        ("42f00b", Profile.CONSTRAINED_BASELINE, 10.5),
        ("640009", Profile.HIGH, 10.5),
    ],
)
def test_profiles_are_known_by_meaning(text: str, profile: Profile, level: float) -> None:
    assert parse_profile_level_id(text) == H264Profile(profile, level)
    assert parse_sps_profile(b"\x67" + bytes.fromhex(text)) == H264Profile(profile, level)


@pytest.mark.parametrize("text", ["", "42e0", "42e01f00", "42e01g", "f4001f", "42 e01f"])
def test_other_profiles_are_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_profile_level_id(text)


def test_only_an_sps_has_a_profile() -> None:
    for unit in (PPS, SPS[:3], b""):
        with pytest.raises(ParseError):
            parse_sps_profile(unit)


@pytest.mark.parametrize(
    ("decoder", "stream", "decodes"),
    [
        ("42001f", "42e01f", True),
        ("4d001f", "42e01f", True),
        ("64001f", "4d001f", True),
        ("640c1f", "64001f", False),
        ("42e01f", "42001f", False),
        ("4d001f", "42001f", False),
        ("42e01e", "42e01f", False),
        ("42e01f", "42f00b", True),
    ],
)
def test_a_decoder_takes_what_its_profile_and_level_cover(decoder: str, stream: str, decodes: bool) -> None:
    source = H264Parameters(parse_profile_level_id(stream))
    down = H264Parameters(parse_profile_level_id(decoder))
    refusal = profile_refusal(source, down) or level_refusal(source, down)
    assert (refusal is None) is decodes


def test_absent_parameters_have_their_defaults() -> None:
    # RFC 6184 section 8.1: Baseline level 1, mode 0
    assert parse_fmtp("") == H264Parameters(DEFAULT_PROFILE, level_given=False)


def test_a_level_nobody_named_refuses_nothing() -> None:
    assert level_refusal(parse_fmtp("profile-level-id=42e01f"), parse_fmtp("")) is None
    assert level_refusal(parse_fmtp("profile-level-id=42e01f"), parse_fmtp("profile-level-id=42e00a")) == (
        "the source sends H.264 level 3.1, the receiver decodes up to level 1"
    )


def test_parameters_are_read_in_any_order_and_case() -> None:
    text = "Packetization-Mode=1; level-asymmetry-allowed=1 ;profile-level-id=42e01f;x"
    profile = H264Profile(Profile.CONSTRAINED_BASELINE, 31)
    assert parse_fmtp(text) == H264Parameters(profile, 1, True)
    with pytest.raises(ParseError):
        parse_fmtp("packetization-mode=3")
