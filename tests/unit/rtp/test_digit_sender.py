"""Keys to send: in order, with their ends repeated and pauses between."""

import pytest

from bridge.rtp.digit_sender import MOST_WAITING, PAUSE_TICKS, REPEATED_ENDS, TONE_TICKS, DigitSender
from bridge.wire.dtmf import parse_telephone_event

KEY_TICKS = TONE_TICKS + REPEATED_ENDS


def test_a_key_grows_and_its_end_comes_three_times() -> None:
    sender = DigitSender()
    sender.send("7")
    ticks = [tick for _ in range(KEY_TICKS + PAUSE_TICKS + 5) if (tick := sender.take())]
    events = [parse_telephone_event(tick.event_payload(160)) for tick in ticks]
    assert [event.digit for event in events] == ["7"] * KEY_TICKS
    assert [event.duration for event in events] == [160, 320, 480, 640, 800, 800, 800]
    assert [event.ends for event in events] == [False] * 4 + [True] * 3
    assert sum(tick.sounds for tick in ticks) == TONE_TICKS


def test_keys_come_one_after_another_with_a_pause() -> None:
    sender = DigitSender()
    sender.send("12")
    sender.send("#")
    heard = [tick.digit if (tick := sender.take()) else "." for _ in range(40)]
    pause = "." * PAUSE_TICKS
    assert "".join(heard).rstrip(".") == pause.join(key * KEY_TICKS for key in "12#")


def test_no_more_than_fit_are_kept() -> None:
    sender = DigitSender()
    sender.send("1" * 100)
    assert (sender.room, sender.dropped) == (0, 100 - MOST_WAITING)


def test_what_is_no_key_is_our_mistake_and_sends_nothing() -> None:
    sender = DigitSender()
    with pytest.raises(ValueError, match="digit"):
        sender.send("1x")
    assert sender.take() is None


def test_what_is_printed_has_no_key() -> None:
    sender = DigitSender()
    sender.send("7")
    assert "7" not in repr(sender.take())
