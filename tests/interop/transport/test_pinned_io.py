"""On a machine with several addresses an answer comes from the one that was asked, on real sockets."""

import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from bridge.transport.batch import BATCH, BatchedIO
from bridge.transport.mux import open_udp_socket
from bridge.transport.pinned_io import PinnedIO, io_for
from bridge.transport.ports import RtpPortPool, listening_address

ONE, OTHER = "127.0.0.2", "127.0.0.3"  # of this machine, and never the kernel's choice to answer 127.0.0.1


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_each_answer_leaves_from_the_address_its_question_came_to(wildcard: str) -> None:
    with open_udp_socket(wildcard, 0) as bridge, open_udp_socket("127.0.0.1", 0) as peer:
        io, port = io_for(bridge), bridge.getsockname()[1]
        for round_ in range(3):
            asked = [(bytes([n, round_]), (ONE, OTHER)[n % 2]) for n in range(BATCH)]
            for data, host in asked:
                peer.sendto(data, (host, port))
            got = io.receive(bridge)
            assert [(data, tuple(source)) for data, source in got] == [
                (data, peer.getsockname()) for data, _ in asked
            ]
            assert io.send(bridge, deque(got))
            answers = [peer.recvfrom(100) for _ in asked]
            assert answers == [(data, (host, port)) for data, host in asked]
        assert io.refused == 0


def test_the_same_peer_at_two_addresses_is_two_sources_and_at_one_the_same() -> None:
    with open_udp_socket("0.0.0.0", 0) as bridge, open_udp_socket("127.0.0.1", 0) as peer:
        io, port = io_for(bridge), bridge.getsockname()[1]
        for host in (ONE, OTHER, ONE):
            peer.sendto(b"x", (host, port))
        first, second, third = (source for _, source in io.receive(bridge))
        assert first != second
        assert not first == second  # noqa: SIM201 - both operators are our own
        assert first == third
        assert len({first, second, third}) == 2
        assert (first[0], first[1]) == peer.getsockname()


def test_who_never_asked_is_sent_to_as_ever() -> None:
    with open_udp_socket("0.0.0.0", 0) as bridge, open_udp_socket(ONE, 0) as peer:
        io, port = io_for(bridge), bridge.getsockname()[1]
        io.send(bridge, deque([(b"x", peer.getsockname())]))
        assert peer.recvfrom(10)[0] == b"x"
        peer.sendto(b"y", (OTHER, port))
        ((_, source),) = io.receive(bridge)
        io.send(bridge, deque([(b"a", source), (b"b", peer.getsockname()), (b"c", source)]))
        assert [peer.recvfrom(10)[0] for _ in range(3)] == [b"a", b"b", b"c"]


def test_a_socket_of_one_address_needs_nothing_of_it() -> None:
    with open_udp_socket("127.0.0.1", 0) as sock:
        made = io_for(sock)
        assert isinstance(made, BatchedIO)
        assert not isinstance(made, PinnedIO)


@pytest.mark.parametrize(
    ("address", "advertised", "bound"),
    [
        ("0.0.0.0", ONE, ONE),
        ("::", ONE, ONE),
        ("0.0.0.0", "192.0.2.1", "0.0.0.0"),  # a NAT's
        ("0.0.0.0", "", "0.0.0.0"),
        ("127.0.0.1", ONE, "127.0.0.1"),
    ],
)
def test_rtp_listens_where_the_description_says_if_that_is_here(
    address: str, advertised: str, bound: str
) -> None:
    where = listening_address(address, advertised)
    assert where == bound
    pool = RtpPortPool(42_000, 42_099, where, 0.0)
    pair = pool.take(0.0)
    assert pair.rtp.getsockname()[0] == bound
    pool.give_back(pair, 0.0)


NAMESPACE = """
import socket
from collections import deque
from bridge.transport.mux import open_udp_socket
from bridge.transport.pinned_io import io_for
for wildcard in ("0.0.0.0", "::"):
    bridge, peer = open_udp_socket(wildcard, 0), open_udp_socket("10.77.0.9", 0)
    port = bridge.getsockname()[1]
    plain = open_udp_socket(wildcard, 0)
    peer.sendto(b"x", ("10.77.0.2", plain.getsockname()[1]))
    data, source = plain.recvfrom(10)
    plain.sendto(data, source)
    print("kernel", peer.recvfrom(10)[1][0])
    io = io_for(bridge)
    for host in ("10.77.0.2", "10.77.0.1"):
        peer.sendto(b"x", (host, port))
        io.send(bridge, deque(io.receive(bridge)))
        print("bridge", peer.recvfrom(10)[1][0])
"""


def test_in_a_network_of_its_own_the_kernel_would_choose_another_address() -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip")
    addresses = " && ".join(f"ip address add 10.77.0.{n}/24 dev lo" for n in (1, 2, 9))
    command = f'ip link set lo up && {addresses} && exec "$0" -c "$1"'
    made = subprocess.run(
        ["unshare", "--net", "sh", "-c", command, sys.executable, NAMESPACE],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    if "not permitted" in made.stderr:
        pytest.skip("needs the right to make network namespaces")
    assert made.returncode == 0, made.stderr
    lines = made.stdout.split("\n")
    expected = ["bridge 10.77.0.2", "bridge 10.77.0.1"]
    assert [line for line in lines if line.startswith("bridge")] == expected * 2
    assert [line for line in lines if line.startswith("kernel")] != ["kernel 10.77.0.2"] * 2
