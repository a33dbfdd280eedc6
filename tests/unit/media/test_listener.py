import pytest

from bridge.media.audio.listener import Listener
from bridge.plane.messages import Codec
from tests.unit.media.stage import G722, OPUS, PCMU, Ear, leg_id, person


def listener(codec: Codec) -> tuple[Listener, Ear]:
    ear = Ear(codec)
    return Listener(leg_id(1), person(1), codec, ear), ear


@pytest.mark.parametrize(("codec", "step"), [(PCMU, 160), (G722, 160), (OPUS, 960)])
def test_time_counts_the_rtp_clock(codec: Codec, step: int) -> None:
    hearing, ear = listener(codec)
    for _ in range(3):
        hearing.push(b"\xf8\xff\xfe", 0.0)
    assert ear.media_times == [0, step, 2 * step]
    assert ear.markers == [True, False, False]
    assert hearing.pushed == 3


def expected_loss(hearing: Listener) -> int:
    assert hearing.profile.opus is not None
    return hearing.profile.opus.expected_loss_percent


def test_fec_follows_the_reported_loss_without_flapping() -> None:
    hearing, _ = listener(OPUS)
    steps = []
    for loss in (0.0, 0.011, 0.008, 0.012, 0.05, 0.03, 0.015, 0.2, 0.06, 0.04, 0.004, 0.0):
        hearing.receive_loss(loss)
        steps.append(expected_loss(hearing))
    assert steps == [0, 5, 5, 5, 10, 10, 5, 20, 20, 10, 0, 0]


def test_loss_changes_nothing_for_g711() -> None:
    hearing, _ = listener(PCMU)
    before = hearing.profile
    hearing.receive_loss(0.3)
    assert hearing.profile is before
