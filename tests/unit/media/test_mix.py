from itertools import pairwise

import numpy as np
import pytest

from bridge.codec.audio import encoding_profile
from bridge.media.audio.mix import ATTACK_SAMPLES, LIMIT, STATEFUL_MERGE_TICKS, Mix
from tests.unit.codec.tone import tone
from tests.unit.media.stage import G722, OPUS, PCMU


def mix_of(codec_profile: int = 0) -> Mix:
    return Mix(encoding_profile(OPUS, codec_profile), 0)


def test_quiet_sound_is_left_alone() -> None:
    sound = tone(500, 48_000, 0.02, 0.9)
    before = sound.copy()
    assert not mix_of().limit(sound, 0.9)
    assert np.array_equal(sound, before)


def test_loud_sound_is_turned_down_and_comes_back_slowly() -> None:
    mix, peaks = mix_of(), []
    for amplitude in (2.0, 2.0, *[0.4] * 20):
        sound = tone(500, 48_000, 0.02, amplitude)
        mix.limit(sound, amplitude)
        peaks.append(float(abs(sound).max()))
    assert peaks[0] <= 1.0
    assert peaks[1] == pytest.approx(LIMIT, abs=0.01)
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(peaks[2:-1]))
    assert peaks[-1] == pytest.approx(0.4, abs=0.001)
    assert mix.gain == 1.0


def test_after_the_attack_nothing_clips() -> None:
    sound = tone(500, 48_000, 0.02, 3.0)
    mix_of().limit(sound, 3.0)
    assert abs(sound[ATTACK_SAMPLES:]).max() <= LIMIT + 1e-6


def ticks_until_ripe(mix: Mix) -> int | None:
    for tick in range(100):
        mix.change((1, 2), mix.profile)
        if mix.ripe:
            return tick
    return None


def test_equal_content_ripens_by_the_memory_of_the_codec() -> None:
    assert ticks_until_ripe(mix_of()) == STATEFUL_MERGE_TICKS
    assert ticks_until_ripe(Mix(encoding_profile(PCMU), 0)) == 2
    assert ticks_until_ripe(Mix(encoding_profile(G722), 0)) is None


def test_a_change_of_content_or_profile_begins_again() -> None:
    mix = mix_of()
    ticks_until_ripe(mix)
    mix.change((1,), mix.profile)
    assert not mix.ripe
    assert mix.previous == (1, 2)
    ticks_until_ripe(mix)
    mix.change((1, 2), encoding_profile(OPUS, 5))
    assert not mix.ripe


def test_a_twin_goes_on_like_its_origin() -> None:
    mix = mix_of()
    for _ in range(5):
        mix.encoder.encode(tone(400, 48_000, 0.02))
    mix.change((1,), mix.profile)
    mix.gain = 0.5
    twin = mix.split(3)
    assert (twin.slot, twin.content, twin.gain, twin.listeners) == (3, (1,), 0.5, [])
    sound = tone(600, 48_000, 0.02)
    assert twin.encoder.encode(sound) == mix.encoder.encode(sound)
