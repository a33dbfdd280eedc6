from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.peers.picture import FrameTally, Reading, compose, draw, read, read_frame, write_y4m


@given(picture_id=st.integers(0, 255), counter=st.integers(0, 65535))
@settings(max_examples=100, deadline=None)
def test_a_drawn_picture_is_read_back(picture_id: int, counter: int) -> None:
    luma = np.zeros((90, 160), np.uint8)
    draw(luma, Reading(picture_id, counter))
    assert read(luma) == Reading(picture_id, counter)


@pytest.mark.parametrize("level", [0, 16, 40, 128, 215, 235, 255])
def test_an_even_picture_is_not_a_reading(level: int) -> None:
    assert read(np.full((240, 320), level, np.uint8)) is None


def test_a_wrong_cell_is_noticed() -> None:
    luma = compose(320, 240, Reading(7, 1234))[:240]
    luma[:30, :40] = 255 - luma[:30, :40]
    assert read(luma) is None


def test_a_faded_picture_is_not_guessed() -> None:
    luma = compose(320, 240, Reading(7, 1234))[:240]
    assert read((127 + (luma.astype(float) - 127) * 0.2).astype(np.uint8)) is None


@pytest.mark.parametrize("size", [(160, 90), (320, 240), (640, 360), (426, 240)])
def test_the_reading_survives_scaling(size: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_ndarray(compose(320, 240, Reading(200, 65535)), format="yuv420p")
    assert read_frame(frame.reformat(width=size[0], height=size[1])) == Reading(200, 65535)


@pytest.mark.parametrize("codec", ["libvpx", "libx264"])
def test_the_reading_survives_a_codec_at_a_low_bitrate(codec: str) -> None:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.bit_rate, encoder.thread_count = 150_000, 1
    encoder.framerate, encoder.time_base = Fraction(15), Fraction(1, 15)
    decoder = av.CodecContext.create("vp8" if codec == "libvpx" else "h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    readings = [Reading(9, counter) for counter in range(500, 530)]
    frames = []
    for number, reading in enumerate(readings):
        frame = av.VideoFrame.from_ndarray(compose(320, 240, reading), format="yuv420p")
        frame.pts = number
        frames += [shown for packet in encoder.encode(frame) for shown in decoder.decode(packet)]
    frames += [shown for packet in encoder.encode(None) for shown in decoder.decode(packet)]
    frames += decoder.decode(None)
    assert [read_frame(frame) for frame in frames] == readings


def test_a_tally_without_frames_misses_everything() -> None:
    tally = FrameTally()
    assert (tally.seen, tally.expected, tally.missing_ratio) == (0, 0, 1.0)


def test_a_tally_counts_gaps_and_ignores_repeats_and_late_frames() -> None:
    tally = FrameTally()
    for counter in (65534, 65535, 65535, 0, 3, 2, 4):
        tally.receive(counter)
    assert (tally.seen, tally.expected, tally.missing) == (5, 7, 2)


def test_a_tally_follows_a_looped_file() -> None:
    tally = FrameTally(modulus=30)
    for counter in [*range(30), *range(30), 0]:
        tally.receive(counter)
    assert (tally.seen, tally.missing) == (61, 0)


def test_a_written_video_file_shows_its_readings(tmp_path: Path) -> None:
    readings = [Reading(3, counter) for counter in range(5)]
    write_y4m(tmp_path / "camera.y4m", (320, 240), 15, readings)
    with av.open(str(tmp_path / "camera.y4m")) as container:
        shown = [read_frame(frame) for frame in container.decode(video=0)]
    assert shown == readings
