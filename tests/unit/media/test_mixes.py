import numpy as np

from bridge.ids import LegId
from bridge.media.audio.listener import Content, Listener
from bridge.media.audio.mix import STATEFUL_MERGE_TICKS
from bridge.media.audio.mixes import Mixes, Sounds
from bridge.plane.messages import Codec
from tests.unit.codec.tone import tone
from tests.unit.media.stage import OPUS, PCMU, Ear, leg_id, person

SOUND = tone(500, 48_000, 0.02)
SOUNDS = Sounds(np.stack((np.zeros_like(SOUND), SOUND, SOUND * 2)), {7: 1, 8: 2})


def never(leg_id: LegId, error: Exception) -> None:
    raise error


def joined(mixes: Mixes, codec: Codec, count: int) -> list[Listener]:
    listeners = [Listener(leg_id(n), person(n), codec, Ear(codec)) for n in range(count)]
    for listener in listeners:
        mixes.join(listener)
    return listeners


def run(mixes: Mixes, listeners: list[Listener], contents: list[Content], ticks: int = 1) -> None:
    for _ in range(ticks):
        for listener, content in zip(listeners, contents, strict=True):
            listener.content = content
        mixes.regroup()
        wanted = mixes.begin_tick(0.0)
        mixes.render(wanted, SOUNDS)
        mixes.send(wanted, 0.0)


def test_equal_listeners_come_together_and_part_again() -> None:
    mixes = Mixes(never)
    listeners = joined(mixes, OPUS, 20)
    assert len(mixes) == 20
    run(mixes, listeners, [(7,)] * 20, STATEFUL_MERGE_TICKS + 2)
    assert (len(mixes), mixes.merges) == (1, 19)
    run(mixes, listeners, [(7,)] * 17 + [(8,)] * 2 + [(7, 8)])
    assert (len(mixes), mixes.clones) == (3, 2)


def test_codecs_and_profiles_do_not_mix() -> None:
    mixes = Mixes(never)
    listeners = joined(mixes, OPUS, 2) + joined(mixes, PCMU, 2)
    run(mixes, listeners, [(7,)] * 4, 40)
    assert len(mixes) == 2
    listeners[0].receive_loss(0.2)
    run(mixes, listeners, [(7,)] * 4, 40)
    assert len(mixes) == 3
    listeners[0].receive_loss(0.0)
    run(mixes, listeners, [(7,)] * 4, 40)
    assert len(mixes) == 2


def test_a_mix_ends_with_its_last_listener() -> None:
    mixes = Mixes(never)
    listeners = joined(mixes, PCMU, 3)
    run(mixes, listeners, [(7,)] * 3, 5)
    for listener in listeners:
        assert mixes.mix_of(listener) is not None
        mixes.leave(listener)
        mixes.leave(listener)
        assert mixes.mix_of(listener) is None
    assert len(mixes) == 0


def test_nobody_sending_costs_no_encode() -> None:
    mixes = Mixes(never)
    listeners = joined(mixes, OPUS, 2)
    listeners[0].sends = False
    run(mixes, listeners, [(7,), (7,)], 40)
    assert mixes.encodes == 40
    assert len(mixes) == 2  # a resting encoder is not equal to a busy one


def test_missing_numbers_are_silence() -> None:
    assert SOUNDS.positions([(7, 8), (99,), ()]).tolist() == [[1, 2], [0, 0], [0, 0]]
    assert SOUNDS.positions([(), ()]).shape == (2, 0)
