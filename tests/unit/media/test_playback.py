import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec.sample import from_pcm16
from bridge.media.audio.playback import EncodedFrame, Player, Sound, SoundError, SoundLibrary, parse_wav
from bridge.plane.messages import Playback
from tests.unit.codec.tone import amplitude_of, tone
from tests.unit.media.stage import wav


@pytest.mark.parametrize(
    ("rate_hz", "kept_hz"), [(8_000, 8_000), (16_000, 16_000), (22_050, 48_000), (44_100, 48_000)]
)
def test_any_rate_is_read(rate_hz: int, kept_hz: int) -> None:
    sound = parse_wav(wav(tone(500, rate_hz, 0.5), rate_hz))
    assert sound.rate_hz == kept_hz
    assert len(sound.pcm) / kept_hz == pytest.approx(0.5, abs=0.001)
    samples = from_pcm16(sound.pcm)
    assert amplitude_of(500, samples, kept_hz) == pytest.approx(0.3, rel=0.01)


def test_stereo_is_averaged() -> None:
    left = tone(500, 16_000, 0.2)
    stereo = np.stack((left, np.zeros_like(left)), axis=1)
    assert abs(parse_wav(wav(stereo.ravel(), channels=2)).pcm).max() == pytest.approx(0.15 * 32_767, rel=0.01)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not a sound at all", wav(np.zeros(0, dtype=np.float32))])
def test_what_is_no_sound_says_why(data: bytes) -> None:
    with pytest.raises(SoundError):
        parse_wav(data)


def test_other_sample_widths_say_what_is_wanted() -> None:
    data = bytearray(wav(tone(500, 16_000, 0.1)))
    data[32:36] = (1).to_bytes(2, "little") + (8).to_bytes(2, "little")  # block align, bits per sample
    with pytest.raises(SoundError, match="want 16 bits mono"):
        parse_wav(bytes(data))


@pytest.mark.parametrize("rate_hz", [1, 4_001, 47_999, 191_999, 2_000_000_000])
def test_a_rate_nobody_uses_is_refused(rate_hz: int) -> None:
    data = bytearray(wav(tone(500, 16_000, 0.1)))
    data[24:28] = rate_hz.to_bytes(4, "little")
    with pytest.raises(SoundError, match="usual rate"):
        parse_wav(bytes(data))


@settings(max_examples=80)
@given(st.binary(max_size=80), st.integers(0, 60))
def test_damaged_files_are_refused_or_read(junk: bytes, at: int) -> None:
    data = wav(tone(500, 16_000, 0.01))
    with contextlib.suppress(SoundError):
        assert len(parse_wav(data[:at] + junk + data[at + len(junk) :]).pcm)


def ramp(length: int) -> Sound:
    return Sound(np.arange(length).astype(np.int16), 8_000)


def read(player: Player, ticks: int) -> list[int]:
    return [round(float(sample) * 32_768) for _ in range(ticks) for sample in player.read()]


def test_once_means_once() -> None:
    player = Player(Playback("a", ""), ramp(400), 1)
    assert read(player, 4) == [*range(400), *[0] * 240]
    assert player.ended


@pytest.mark.parametrize("length", [50, 160, 400])
def test_a_loop_has_no_seam(length: int) -> None:
    player = Player(Playback("a", "", loop=True), ramp(length), 1)
    assert read(player, 10) == [n % length for n in range(1_600)]
    assert not player.ended


@pytest.mark.parametrize("loop", [False, True])
def test_skipped_ticks_are_not_heard_later(loop: bool) -> None:
    player = Player(Playback("a", "", loop=loop), ramp(400), 1)
    player.skip(1)
    assert read(player, 1) == list(range(160, 320))
    player.skip(2)
    assert read(player, 1) == (list(range(240, 400)) if loop else [0] * 160)


def test_gain_is_in_decibels() -> None:
    player = Player(Playback("a", "", gain_db=-6.0206), Sound(np.full(160, 1_000, dtype=np.int16), 8_000), 1)
    assert set(read(player, 1)) == {500}


def test_a_sound_is_read_once() -> None:
    paths: list[str] = []

    def load(path: str) -> bytes:
        paths.append(path)
        return wav(tone(500, 8_000, 0.1), 8_000)

    library = SoundLibrary(load)
    assert library.sound("a") is library.sound("a")
    assert paths == ["a"]


def test_a_missing_file_is_named() -> None:
    def load(path: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", path)

    with pytest.raises(SoundError, match=r"cannot read gone\.wav: No such file"):
        SoundLibrary(load).sound("gone.wav")


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(SoundError, match="larger than 32 MiB"):
        SoundLibrary(lambda _: bytes(33 * 1024 * 1024)).sound("huge.wav")


def test_the_library_is_bounded() -> None:
    sound = wav(tone(500, 8_000, 0.1), 8_000)
    library = SoundLibrary(lambda _: sound, capacity_bytes=4 * 1_600)
    for name in "abcdef":
        library.sound(name)
    assert library.evicted == 2


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("length", [320, 400])
def test_what_is_passed_over_is_what_would_have_been_read(length: int, loop: bool) -> None:
    reader, other = (Player(Playback("a", "", loop=loop), ramp(length), n) for n in (1, 2))
    for _ in range(6):
        read(reader, 1)
        other.pass_over()
        assert other.ended == reader.ended
        assert list(other.recent(40)) == list(reader.recent(40))
    assert read(other, 2) == read(reader, 2)


def test_the_recent_past_of_a_beginning_is_silence_and_of_a_loop_its_end() -> None:
    once, looped = (Player(Playback("a", "", loop=loop), ramp(400), 1) for loop in (False, True))
    assert not once.recent(3).any()
    assert [round(float(sample) * 32_768) for sample in looped.recent(3)] == [397, 398, 399]


def test_encoded_frames_are_kept_by_place_codec_and_gain_and_never_more_than_twice_the_sound() -> None:
    sound, frame = ramp(16_000), EncodedFrame(b"x", 0.1)
    player = Player(Playback("a", "", loop=True), sound, 1)
    read(player, 1)
    player.keep("PCMU", frame)
    assert not sound.encoded  # too near its beginning
    read(player, 4)
    player.keep("PCMU", frame)
    other = Player(Playback("b", ""), sound, 2)
    for _ in range(4):
        assert other.encoded("PCMU") is None
        other.pass_over()
    assert other.encoded("PCMU") == frame
    assert other.encoded("PCMA") is None
    for codec in range(1_000):
        player.keep(str(codec), frame)
    assert len(sound.encoded) == sound.most_encoded == 200


@pytest.mark.parametrize("length", [800, 850])
def test_what_came_after_the_end_of_a_sound_is_not_played_in_its_loop(length: int) -> None:
    sound = ramp(length)
    once, looped = Player(Playback("a", ""), sound, 1), Player(Playback("b", "", loop=True), sound, 2)
    for _ in range(6):
        heard = once.read()
        once.keep("PCMU", EncodedFrame(heard.tobytes(), 0.1))
    assert once.ended
    for _ in range(8):
        known, played = looped.encoded("PCMU"), looped.read()
        assert known is None or known.payload == played.tobytes()
