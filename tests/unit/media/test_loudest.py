from bridge.ids import LegId
from bridge.media.audio.loudest import LOUDEST, heard_by, ranked
from bridge.media.audio.voice import Voice
from tests.unit.codec.tone import tone
from tests.unit.media.stage import PCMU, Script, person


def speaker(number: int, loudness: float, *, in_mix: bool = False) -> Voice:
    voice = Voice(LegId(f"leg_{number}"), person(number), PCMU, Script(), number)
    voice.samples = tone(300, 8_000, 0.02)
    voice.loudness = loudness
    voice.in_mix = in_mix
    return voice


def order(*voices: Voice) -> list[int]:
    return [voice.number for voice in ranked(voices)]


def test_louder_comes_first() -> None:
    assert order(speaker(1, 0.1), speaker(2, 0.3), speaker(3, 0.2)) == [2, 3, 1]


def test_who_is_heard_keeps_his_place_against_an_equal() -> None:
    assert order(speaker(1, 0.1, in_mix=True), speaker(2, 0.15)) == [1, 2]
    assert order(speaker(1, 0.1, in_mix=True), speaker(2, 0.25)) == [2, 1]


def test_the_silent_are_left_out() -> None:
    gated, digital_silence = speaker(1, 0.1), speaker(2, 0.0)
    gated.samples = None
    assert order(gated, digital_silence, speaker(3, 1e-8)) == [3]


def test_room_noise_fills_a_place_only_where_all_have_one() -> None:
    quiet = [speaker(n, 1e-7) for n in (1, 2)]
    assert order(*quiet, speaker(3, 0.1)) == [3, 1, 2]
    assert order(*quiet, speaker(3, 0.1), speaker(4, 0.2)) == [4, 3]


def test_a_listener_gets_three_of_those_he_may_hear() -> None:
    speaking = [speaker(n, 0.1) for n in range(1, 8)]
    everybody = frozenset(person(n) for n in range(1, 8))
    hears = {person(1): everybody, person(2): frozenset({person(7)})}
    assert [voice.number for voice in heard_by(person(1), hears, speaking)] == [2, 3, 4]
    assert [voice.number for voice in heard_by(person(2), hears, speaking)] == [7]
    assert heard_by(person(3), hears, speaking) == []
    assert LOUDEST == 3
