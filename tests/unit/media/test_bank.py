import numpy as np
import pytest

from bridge.media.audio.bank import FIRST_ROWS, Bank, Banks
from tests.unit.codec.tone import amplitude_of, tone


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_a_stream_comes_out_at_48_khz_without_seams(rate_hz: int) -> None:
    bank = Bank(rate_hz)
    slot = bank.claim()
    made = []
    for frame in tone(500, rate_hz, 0.4).reshape(20, -1):
        bank.begin_tick()
        bank.write(slot, frame)
        made.append(bank.at_mix_rate([slot])[0])
    sound = np.concatenate(made)[4_800:]
    assert amplitude_of(500, sound, 48_000) == pytest.approx(0.3, rel=0.01)
    assert abs(np.diff(sound)).max() < 0.3 * 2 * np.pi * 500 / 48_000 * 1.05


def test_rows_are_silent_until_written_and_after_release() -> None:
    bank = Bank(8_000)
    slot = bank.claim()
    bank.write(slot, tone(500, 8_000, 0.02))
    assert bank.powers()[slot] == pytest.approx(0.045, abs=0.005)
    bank.begin_tick()
    assert bank.powers()[slot] == 0
    bank.write(slot, tone(500, 8_000, 0.02))
    bank.release(slot)
    assert bank.claim() == slot
    assert not bank.at_mix_rate([slot]).any()


def test_it_grows_with_its_streams() -> None:
    bank = Bank(16_000)
    first = bank.claim()
    bank.write(first, tone(500, 16_000, 0.02))
    slots = {first, *(bank.claim() for _ in range(3 * FIRST_ROWS))}
    assert len(slots) == 3 * FIRST_ROWS + 1
    assert bank.powers()[first] > 0.04


def test_there_is_one_bank_per_rate() -> None:
    banks = Banks()
    assert banks[8_000] is banks[8_000]
    assert [bank.rate_hz for bank in banks] == [8_000]


def test_a_row_that_was_not_written_can_be_given_its_past() -> None:
    bank, sound = Bank(8_000), tone(500, 8_000, 0.04)
    whole, torn = bank.claim(), bank.claim()
    bank.write(whole, sound[:160])
    bank.begin_tick()
    bank.write(whole, sound[160:])
    bank.write_history(torn, sound[160 - bank.history : 160])
    bank.write(torn, sound[160:])
    made = bank.at_mix_rate([whole, torn])
    assert made[1] == pytest.approx(made[0], abs=1e-5)
    assert bank.converted(sound[None, 160 - bank.history :])[0] == pytest.approx(made[0], abs=1e-5)
