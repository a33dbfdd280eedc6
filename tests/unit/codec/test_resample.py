import numpy as np
import pytest

from bridge.codec.resample import Resampler, StreamResampler, resample, resampler, stretch
from tests.unit.codec.tone import amplitude_of, error_db, tone

RATES = (8_000, 16_000, 24_000, 32_000, 48_000)
PAIRS = [(a, b) for a in RATES for b in RATES if a != b]


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_tone_in_the_pass_band_stays_what_it_is(rate_in: int, rate_out: int) -> None:
    for share in (0.1, 0.5, 0.75):
        frequency = share * min(rate_in, rate_out) / 2
        heard = StreamResampler(rate_in, rate_out).push(tone(frequency, rate_in, 0.2))
        settled = heard[rate_out // 50 :]
        assert amplitude_of(frequency, settled, rate_out) == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_what_does_not_fit_is_taken_out(rate_in: int, rate_out: int) -> None:
    frequency = min(0.62 * rate_out, 0.49 * rate_in)
    heard = StreamResampler(rate_in, rate_out).push(tone(frequency, rate_in, 0.2))
    assert np.abs(heard[rate_out // 50 :]).max() < 0.3 * 10 ** (-50 / 20)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(8_000, 48_000), (16_000, 48_000), (24_000, 48_000)])
def test_images_are_below_50_db(rate_in: int, rate_out: int) -> None:
    heard = StreamResampler(rate_in, rate_out).push(tone(0.3 * rate_in, rate_in, 0.2))
    assert amplitude_of(0.7 * rate_in, heard[960:], rate_out) < 0.3 * 10 ** (-50 / 20)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(8_000, 48_000), (48_000, 8_000), (48_000, 16_000)])
def test_a_row_is_the_stream_piece_by_piece(rate_in: int, rate_out: int) -> None:
    converter = resampler(rate_in, rate_out)
    sound = np.random.default_rng(1).normal(0, 0.1, rate_in // 5).astype(np.float32)
    whole = StreamResampler(rate_in, rate_out).push(sound)
    padded = np.concatenate((np.zeros(converter.history, dtype=np.float32), sound))
    size = rate_in // 50
    rows = np.stack([padded[at : at + converter.history + size] for at in range(0, len(sound), size)])
    assert np.allclose(converter.process(rows).ravel(), whole, atol=1e-6)


def test_many_rows_are_multiplied_in_chunks_with_the_same_result() -> None:
    converter = Resampler(8_000, 48_000)
    rows = np.random.default_rng(2).normal(0, 0.1, (40, converter.history + 160)).astype(np.float32)
    alone = np.concatenate([converter.process(row[None]) for row in rows])
    assert np.allclose(converter.process(rows), alone, atol=1e-6)


@pytest.mark.parametrize("rate_in", [8_000, 11_025, 22_050, 44_100])
def test_a_recording_keeps_its_length_and_place(rate_in: int) -> None:
    made = resample(tone(300, rate_in, 0.5), rate_in, 48_000)
    reference = tone(300, 48_000, 0.5)
    assert len(made) == pytest.approx(len(reference), abs=5)
    assert error_db(made[500:-500], reference[500 : len(made) - 500]) < -30


def test_the_same_rate_is_left_alone() -> None:
    sound = tone(300, 8_000, 0.1)
    assert resample(sound, 8_000, 8_000) is sound


def test_a_stream_gives_what_is_ready() -> None:
    stream = StreamResampler(48_000, 8_000)
    given = [len(stream.push(np.zeros(count, dtype=np.float32))) for count in (5, 1, 11, 1)]
    assert given == [0, 1, 1, 1]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("step", [-1, 1])
def test_drift_is_played_away_without_a_seam(rate_hz: int, step: int) -> None:
    size = rate_hz // 50
    read = size - step * size // 160
    sound = tone(900, rate_hz, 1.0)
    made, at = [], 100
    for _ in range(10):
        made.append(stretch(sound[:at], sound[at : at + read], sound[at + read :], size))
        at += read
    instants = (100 + np.arange(10 * size) * read / size) / rate_hz
    reference = (0.3 * np.sin(2 * np.pi * 900 * instants)).astype(np.float32)
    assert error_db(np.concatenate(made), reference) < -40


def test_drift_without_neighbours_repeats_the_edge() -> None:
    nothing = np.zeros(0, dtype=np.float32)
    assert len(stretch(nothing, tone(200, 8_000, 159 / 8_000), nothing, 160)) == 160


@pytest.mark.parametrize(("rate_in", "rate_out"), [(47_999, 48_000), (48_000, 47_999)])
def test_too_fine_a_ratio_is_refused_before_it_costs_memory(rate_in: int, rate_out: int) -> None:
    with pytest.raises(ValueError, match="too fine a ratio"):
        Resampler(rate_in, rate_out)
