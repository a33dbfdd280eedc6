"""How often a source is asked for a key frame."""

import itertools

from bridge.media.video.keyframes import INTERVAL_S, MAX_INTERVAL_S, KeyFrameRequests


def test_nobody_asked_is_nothing_due() -> None:
    requests = KeyFrameRequests()
    assert requests.timer() is None
    assert not requests.take_due(99.0)


def test_the_first_request_goes_at_once_and_many_are_one() -> None:
    requests = KeyFrameRequests()
    for _ in range(5):
        requests.ask()
    assert requests.take_due(1.0)
    assert not requests.take_due(1.0)
    assert (requests.sent, requests.coalesced) == (1, 4)


def test_a_viewer_who_missed_the_key_frame_waits_for_the_interval() -> None:
    requests = KeyFrameRequests()
    requests.ask()
    requests.take_due(1.0)
    requests.key_frame_arrived()
    requests.ask()
    assert not requests.take_due(1.1)
    assert requests.timer() == 1.0 + INTERVAL_S
    assert requests.take_due(1.0 + INTERVAL_S)


def test_it_is_asked_again_until_answered_but_ever_less_often() -> None:
    requests = KeyFrameRequests()
    requests.ask()
    sent = []
    for tick in range(1500):
        now = tick * 0.01
        if requests.take_due(now):
            sent.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert gaps == sorted(gaps)
    assert gaps[0] < INTERVAL_S + 0.02
    assert gaps[-1] < MAX_INTERVAL_S + 0.02
    assert len(sent) >= 6


def test_an_answer_ends_the_asking_and_its_patience() -> None:
    requests = KeyFrameRequests()
    requests.ask()
    for tick in range(500):
        requests.take_due(tick * 0.01)
    requests.key_frame_arrived()
    assert requests.timer() is None
    requests.ask()
    assert requests.take_due(10.0)
    assert requests.timer() == 10.0 + INTERVAL_S
    assert requests.arrived == 1


def test_a_source_that_returns_is_asked_at_once() -> None:
    requests = KeyFrameRequests()
    requests.ask()
    for tick in range(500):
        requests.take_due(tick * 0.01)
    requests.source_returned()
    assert requests.take_due(5.0)
    assert requests.timer() == 5.0 + INTERVAL_S


def test_a_source_that_returns_and_nobody_waits_for_is_not_asked() -> None:
    requests = KeyFrameRequests()
    requests.source_returned()
    assert not requests.take_due(5.0)
