"""Keys by RFC 4733: told by timestamp and end bit, each once, whatever the network does to them.

Elsewhere: DTMF silently dropped, because the decoder demands a marker bit that many carriers do not set.
"""

import random

import pytest

from bridge.rtp.digit_reader import KEYS_AT_ONCE, KEYS_PER_S, SILENT_S, DigitReader
from bridge.wire.dtmf import TelephoneEvent, event_of_digit, serialize_telephone_event

RATE = 8000
STEP = 160


class Ear:
    def __init__(self) -> None:
        self.digits: list[tuple[str, int]] = []
        self.reader = DigitReader(RATE, lambda digit, ms: self.digits.append((digit, ms)))
        self.now = 0.0

    def hear(self, digit: str, timestamp: int, duration: int, *, ends: bool = False) -> None:
        event = TelephoneEvent(event_of_digit(digit), ends, 10, duration)
        self.reader.receive(timestamp, serialize_telephone_event(event), self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.reader.tick(self.now)

    def press(self, digit: str, timestamp: int, ticks: int = 5, ends: int = 3) -> None:
        for tick in range(1, ticks):
            self.hear(digit, timestamp, tick * STEP)
        for _ in range(ends):
            self.hear(digit, timestamp, ticks * STEP, ends=True)


def test_a_key_is_told_once_at_its_end_however_often_that_comes() -> None:
    ear = Ear()
    ear.press("5", 1000)
    ear.press("5", 3000, ends=1)
    assert ear.digits == [("5", 100), ("5", 100)]


@pytest.mark.parametrize("kept", range(5))
def test_one_packet_of_a_key_is_enough(kept: int) -> None:
    ear = Ear()
    ear.hear("7", 1000, (kept + 1) * STEP, ends=kept == 4)
    ear.wait(SILENT_S)
    assert ear.digits == [("7", (kept + 1) * 20)]


def test_the_next_key_ends_one_whose_ends_were_lost() -> None:
    ear = Ear()
    ear.press("1", 1000, ends=0)
    ear.press("2", 3000)
    assert ear.digits == [("1", 80), ("2", 100)]


def test_late_packets_of_a_key_that_is_over_are_no_new_key() -> None:
    ear = Ear()
    ear.press("1", 1000)
    ear.press("2", 3000, ends=0)
    ear.hear("1", 1000, 800, ends=True)
    ear.hear("1", 1000, 320)
    ear.press("2", 3000)
    ear.wait(1.0)
    assert ear.digits == [("1", 100), ("2", 100)]


def test_a_key_is_not_over_while_it_is_repeated() -> None:
    ear = Ear()
    for tick in range(1, 100):
        ear.hear("9", 1000, tick * STEP)
        ear.wait(0.02)
    assert ear.digits == []
    ear.hear("9", 1000, 16_000, ends=True)
    assert ear.digits == [("9", 2000)]


def test_a_key_longer_than_the_field_goes_on_in_the_next_segment() -> None:
    """RFC 4733 section 2.5.1.3: 0xFFFF ticks are 8.2 s."""
    ear = Ear()
    start, ticks = 0xFFFF_F000, 0
    for _ in range(2):
        for ticks in range(STEP, 0xFFFF, STEP):
            ear.hear("*", start, ticks)
        start = (start + 0xFFFF) & 0xFFFFFFFF
    ear.hear("*", start, 800, ends=True)
    assert ear.digits == [("*", (2 * 0xFFFF + 800) * 1000 // RATE)]


def test_the_same_key_twice_is_two_even_when_the_first_had_no_end() -> None:
    ear = Ear()
    ear.press("0", 1000, ends=0)
    ear.press("0", 1000 + 0xFFFF, ends=1)  # as far away as a segment, but the first was short
    assert ear.digits == [("0", 80), ("0", 100)]


def test_other_events_and_broken_ones_are_no_keys() -> None:
    ear = Ear()
    ear.reader.receive(1, bytes((16, 0x80, 0, 160)), 0.0)  # hook flash
    ear.reader.receive(2, b"\x01\x80", 0.0)
    ear.wait(1.0)
    assert ear.digits == []
    assert ear.reader.malformed == 1


@pytest.mark.parametrize("seed", range(20))
def test_reordered_repeated_and_lost_packets_make_each_key_once(seed: int) -> None:
    chance = random.Random(seed)
    ear, keys = Ear(), "0123456789*#ABCD"
    for number, digit in enumerate(keys):
        timestamp = number * 4000
        packets = [(tick * STEP, False) for tick in range(1, 5)] + [(800, True)] * 3
        kept = [packet for packet in packets if chance.random() > 0.4] or packets[-1:]
        chance.shuffle(kept)
        for duration, ends in kept + kept[:2]:
            ear.hear(digit, timestamp, duration, ends=ends)
        ear.wait(0.3)
    assert "".join(digit for digit, _ in ear.digits) == keys


def test_a_flood_of_keys_is_cut_off_and_dialing_goes_on_after_it() -> None:
    ear = Ear()
    for number in range(5000):  # in one second, each whole and with a timestamp of its own
        ear.now = number / 5000
        ear.hear("9", number * STEP, STEP, ends=True)
    assert KEYS_AT_ONCE <= len(ear.digits) <= KEYS_AT_ONCE + KEYS_PER_S + 1
    assert ear.reader.excess == 5000 - len(ear.digits)
    ear.digits.clear()
    ear.now += 5
    for number, digit in enumerate("0301234567890"):
        ear.now += 0.08
        ear.press(digit, 10_000_000 + number * 640, ticks=2)
    assert "".join(digit for digit, _ in ear.digits) == "0301234567890"
