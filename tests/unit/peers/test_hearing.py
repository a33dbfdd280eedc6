import pytest

from bridge.peers.hearing import Hearing
from bridge.peers.tone import Tone

RATE_HZ = 8000


def test_sound_in_small_pieces_is_measured_second_by_second() -> None:
    hearing = Hearing({"agent": 500.0, "expert": 900.0}, RATE_HZ)
    tone = Tone((500.0,), RATE_HZ)
    for tick in range(125):
        hearing.receive(tone.take(160), 100.0 + tick * 0.02)
    assert len(hearing.seconds) == 2
    assert all(second.levels_db["agent"] > -25 for second in hearing.seconds)
    assert all(second.levels_db["expert"] < -60 for second in hearing.seconds)


def test_only_seconds_wholly_inside_a_window_count() -> None:
    hearing = Hearing({}, RATE_HZ)
    for at in (11.0, 12.0, 13.0, 14.0):
        hearing.receive(Tone((), RATE_HZ).take(RATE_HZ), at)
    assert [second.at for second in hearing.between(10.5, 13.5)] == pytest.approx([12.0, 13.0])
