"""Ports for programs of a test: whole blocks are claimed, and given back with whoever claimed them."""

import contextlib
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bridge.peers.ports import LOOPBACK, FreePorts, NoPortError, PortSpace, free_media_ports, free_port


@pytest.fixture
def space() -> PortSpace:
    """Two blocks of five pairs, the first of which is the claim itself."""
    first = free_media_ports(20)
    return PortSpace(range(first, first + 20), 10)


@pytest.fixture
def ports(space: PortSpace) -> Iterator[FreePorts]:
    with contextlib.closing(FreePorts(space)) as own:
        yield own


def test_no_two_claims_share_a_port_and_a_closed_one_is_claimed_anew(space: PortSpace) -> None:
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(space.claim())
        other = space.claim()
        assert not set(one) & set(other.ports)
        assert {len(one), len(other.ports)} == {8}
        with pytest.raises(NoPortError, match="all 2 blocks"):
            space.claim()
        other.close()
        with space.claim() as again:
            assert again == other.ports


def test_ports_are_told_one_after_the_other_and_again_as_late_as_can_be(ports: FreePorts) -> None:
    told = [ports.take(2) for _ in range(5)]
    assert len(set(told)) == 4
    assert told[4] == told[0]
    assert all(later - earlier == 2 for earlier, later in pairwise(told[:4]))


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_is_passed_over(ports: FreePorts, kind: socket.SocketKind) -> None:
    first = ports.take(2)
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((LOOPBACK, first + 2))
        assert ports.take(2) == first + 4


def test_a_block_that_is_used_up_is_followed_by_another(ports: FreePorts) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind((LOOPBACK, ports.take(2)))
        with pytest.raises(NoPortError):
            ports.take(2)


def test_neighbours_are_neighbours_within_one_block(ports: FreePorts) -> None:
    assert ports.take(8) % 2 == 0
    with pytest.raises(NoPortError, match="10 neighbours"):
        ports.take(10)


def test_a_port_to_listen_at_is_even_and_its_odd_neighbour_is_free_too() -> None:
    port = free_port()
    assert port % 2 == 0
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((LOOPBACK, port + 1))
