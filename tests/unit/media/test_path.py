"""Which way the video of a source reaches a receiver."""

import pytest

from bridge.media.video.path import PathKind, choose
from bridge.plane.messages import Codec

VP8 = Codec("VP8", 96, 90_000)


def h264(fmtp: str, payload_type: int = 102) -> Codec:
    return Codec("H264", payload_type, 90_000, fmtp=fmtp)


def test_the_same_codec_is_forwarded_with_the_receivers_payload_type() -> None:
    path = choose(VP8, (h264("profile-level-id=42e01f"), Codec("VP8", 120, 90_000)))
    assert path.kind is PathKind.FORWARD
    assert path.codec is not None
    assert path.codec.payload_type == 120
    assert path.reason == "the receiver takes VP8 as it is"


def test_nothing_in_common_says_what_each_side_has_and_what_is_missing() -> None:
    path = choose(VP8, (h264(""), h264("packetization-mode=1")))
    assert (path.kind, path.codec) == (PathKind.NONE, None)
    assert path.reason == "the source sends VP8, the receiver takes H264; transcoding is not available"
    assert choose(VP8, ()).reason == "the receiver takes no video; transcoding is not available"


@pytest.mark.parametrize(
    ("source", "down", "forwards"),
    [
        (
            "profile-level-id=42e01f;packetization-mode=1",
            "packetization-mode=1;profile-level-id=42001f",
            True,
        ),
        (
            "profile-level-id=42e01f;packetization-mode=0",
            "profile-level-id=42c01f;packetization-mode=1",
            True,
        ),
        ("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e01f", False),
        ("profile-level-id=64001f", "profile-level-id=42e01f", False),
        ("profile-level-id=42e01f", "profile-level-id=64001f", True),
        ("profile-level-id=42e028", "profile-level-id=42e01f", False),
        ("profile-level-id=42e01f", "profile-level-id=rubbish", False),
    ],
)
def test_h264_is_compared_by_meaning(source: str, down: str, forwards: bool) -> None:
    path = choose(h264(source), (h264(down, 125),))
    assert (path.kind is PathKind.FORWARD) is forwards
    assert (path.codec is not None) is forwards


def test_the_reason_names_the_profiles() -> None:
    path = choose(h264("profile-level-id=64001f"), (h264("profile-level-id=42e01e"),))
    assert path.reason.startswith("the source sends H.264 high, the receiver decodes constrained baseline;")


def test_the_receivers_preference_decides() -> None:
    baseline, main = h264("profile-level-id=42e01f", 102), h264("profile-level-id=4d001f", 104)
    assert choose(h264("profile-level-id=42e01f"), (main, baseline)).codec is main


def test_another_clock_is_another_stream() -> None:
    assert choose(VP8, (Codec("VP8", 96, 48_000),)).kind is PathKind.NONE
