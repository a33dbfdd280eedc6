"""DTLS over a network that loses datagrams, in virtual time."""

import heapq
import itertools
import random

import pytest

from bridge.transport.dtls import Dtls, State
from tests.unit.transport.browser import BRIDGE_IDENTITY, BROWSER_IDENTITY

DELAY_S = 0.01


def handshake_duration(seed: int, loss: float, *, bridge_is_server: bool) -> float:
    """Seconds until both sides are up, both ends having this code."""
    chance = random.Random(seed)
    ends = [
        Dtls(BRIDGE_IDENTITY, (BROWSER_IDENTITY.fingerprint,), 0.0, server=bridge_is_server),
        Dtls(BROWSER_IDENTITY, (BRIDGE_IDENTITY.fingerprint,), 0.0, server=not bridge_is_server),
    ]
    order = itertools.count()
    flying: list[tuple[float, int, int, bytes]] = []
    now = 0.0
    while any(end.state is not State.CONNECTED for end in ends):
        assert not any(end.state is State.FAILED for end in ends), "the handshake failed"
        for index, end in enumerate(ends):
            for datagram in end.datagrams_to_send():
                if chance.random() >= loss:
                    heapq.heappush(flying, (now + DELAY_S, next(order), 1 - index, datagram))
        timers = [at for end in ends if (at := end.timer()) is not None]
        if flying and flying[0][0] <= min(timers, default=flying[0][0]):
            now, _, receiver, datagram = heapq.heappop(flying)
            ends[receiver].receive(datagram, now)
        else:
            now = min(timers)
            for end in ends:
                end.handle_timer(now)
    return now


@pytest.mark.parametrize("bridge_is_server", [True, False])
def test_without_loss_it_takes_two_round_trips(bridge_is_server: bool) -> None:
    assert handshake_duration(1, 0.0, bridge_is_server=bridge_is_server) == pytest.approx(4 * DELAY_S)


def test_a_fifth_of_all_datagrams_lost_costs_a_fraction_of_a_second() -> None:
    durations = sorted(handshake_duration(seed, 0.2, bridge_is_server=bool(seed % 2)) for seed in range(40))
    assert durations[len(durations) // 2] < 0.5
    assert durations[-1] < 5.0
