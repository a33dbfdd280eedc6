"""What is read of a video packet before it is forwarded."""

import pytest

from bridge.errors import ParseError
from bridge.media.video.packet import VideoPacket, VideoReader
from bridge.plane.messages import Codec
from tests.unit.media.camera import H264, VP8


def packet(payload: bytes, index: int, media_time: int = 0, codec: Codec = VP8) -> VideoPacket:
    return VideoPacket(payload, 0, len(payload), index, media_time, codec, 0)


def test_vp8_counters_are_made_whole() -> None:
    reader = VideoReader()
    read = [
        reader.read(packet(bytes((0x90, 0xC0, picture_id, tl0picidx, 1)), index))
        for index, (picture_id, tl0picidx) in enumerate([(126, 254), (127, 255), (0, 0)])
    ]
    first = read[0]
    assert [item.picture_id - first.picture_id for item in read] == [0, 1, 2]
    assert [item.tl0picidx - first.tl0picidx for item in read] == [0, 1, 2]
    assert not any(item.starts_key_frame for item in read)


def test_vp8_without_counters_still_tells_its_key_frames() -> None:
    read = VideoReader().read(packet(b"\x10\x00", 1))
    assert read.starts_key_frame
    assert read.descriptor is not None


def test_padding_says_nothing_and_rubbish_is_refused() -> None:
    reader = VideoReader()
    assert reader.read(packet(b"", 1)).descriptor is None
    with pytest.raises(ParseError):
        reader.read(packet(b"\x90", 2))


@pytest.mark.parametrize(
    ("packets", "starts"),
    [
        pytest.param([(1, 0, b"\x41"), (2, 1, b"\x65")], [False, True], id="whole frame without SPS"),
        pytest.param([(1, 0, b"\x41"), (3, 1, b"\x65")], [False, False], id="what came before is unknown"),
        pytest.param([(1, 0, b"\x65")], [False], id="nothing came before"),
        pytest.param(
            [(1, 0, b"\x41"), (2, 1, b"\x06"), (3, 1, b"\x65")],
            [False, False, True],
            id="SEI before the picture",
        ),
        pytest.param(
            [(1, 0, b"\x41"), (3, 1, b"\x67"), (4, 1, b"\x65")], [False, True, False], id="SPS after a loss"
        ),
        pytest.param([(1, 0, b"\x41"), (3, 1, b"\x41"), (2, 1, b"\x65")], [False] * 3, id="late picture"),
    ],
)
def test_where_h264_can_begin(packets: list[tuple[int, int, bytes]], starts: list[bool]) -> None:
    reader = VideoReader()
    read = [reader.read(packet(payload, index, at, H264)) for index, at, payload in packets]
    assert [bool(item.starts_key_frame) for item in read] == starts
