"""RTP ports and latching on real loopback sockets."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from bridge.clock import ManualClock
from bridge.errors import CapacityError
from bridge.peers.ports import free_media_ports
from bridge.plane.messages import Codec, RtpAudio, SrtpKeys
from bridge.transport.address import Address
from bridge.transport.batch import packet_io
from bridge.transport.demux import STUN_MAGIC_COOKIE
from bridge.transport.latch import PATIENCE_S
from bridge.transport.mux import open_udp_socket
from bridge.transport.ports import PortPair, RtpPortPool
from bridge.transport.rtp_port import RtpPort, RtpPortCallbacks
from bridge.transport.srtp import SrtpSession, suite_keys
from tests.unit.transport.browser import receiver_report, rtp_packet

FIRST = free_media_ports(4)
PORT_MIN, PORT_MAX = FIRST - 1, FIRST + 4  # two pairs


@pytest.fixture
def pool() -> RtpPortPool:
    return RtpPortPool(PORT_MIN, PORT_MAX, "127.0.0.1", drain_s=5.0)


@pytest.fixture
def pair(pool: RtpPortPool) -> Iterator[PortPair]:
    taken = pool.take(0.0)
    yield taken
    pool.give_back(taken, 0.0)


def test_pairs_are_even_and_odd_and_run_out_with_a_reason(pool: RtpPortPool) -> None:
    pairs = [pool.take(0.0), pool.take(0.0)]
    assert [pair.port for pair in pairs] == [FIRST, FIRST + 2]
    assert [pair.rtcp.getsockname()[1] for pair in pairs] == [FIRST + 1, FIRST + 3]
    with pytest.raises(CapacityError, match="2 pairs in use"):
        pool.take(0.0)
    for pair in pairs:
        pool.give_back(pair, 0.0)
    assert (pool.lent, pool.free, pool.draining) == (0, 0, 2)


def test_a_returned_pair_rests_before_a_new_call_gets_it(pool: RtpPortPool) -> None:
    pairs = [pool.take(0.0), pool.take(0.0)]
    pool.give_back(pairs[0], 1.0)
    pool.give_back(pairs[0], 1.0)
    with pytest.raises(CapacityError, match="1 draining"):
        pool.take(5.9)
    again = pool.take(6.0)
    assert again.port == pairs[0].port
    pool.give_back(again, 6.0)
    pool.give_back(pairs[1], 6.0)


def test_ports_of_other_programs_are_passed_over(pool: RtpPortPool) -> None:
    with open_udp_socket("127.0.0.1", FIRST + 1):
        pair = pool.take(0.0)
        assert pair.port == FIRST + 2
        assert pool.occupied == 1
        pool.give_back(pair, 0.0)
    pool.give_back(pool.take(0.0), 0.0)


class Phone:
    """Two plain sockets and the port they talk to."""

    def __init__(self, pair: PortPair, clock: ManualClock, neighbour: RtpPort | None = None) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.crashes: list[Exception] = []
        self.one = open_udp_socket("127.0.0.1", 0)
        self.other = open_udp_socket("127.0.0.1", 0)
        callbacks = RtpPortCallbacks(
            on_rtp=lambda packet, now: self.rtp.append(packet),
            on_rtcp=lambda packet, now: self.rtcp.append(packet),
            on_crash=self.crashes.append,
        )
        self.port = RtpPort(asyncio.get_running_loop(), pair, clock, packet_io(), callbacks, neighbour)

    async def says(self, sock: socket.socket, packet: bytes, port_offset: int = 0) -> None:
        sock.sendto(packet, ("127.0.0.1", self.port.port + port_offset))
        await turn()

    def close(self) -> None:
        self.port.close()
        self.one.close()
        self.other.close()


async def turn() -> None:
    """Lets the loop look at its sockets."""
    for _ in range(3):
        await asyncio.sleep(0)


def section(
    rtp: Address, rtcp: Address, *, exchange: int = 0, rtcp_mux: bool = False, srtp: SrtpKeys | None = None
) -> RtpAudio:
    return RtpAudio(
        rtp[0], rtp[1], rtcp[1], Codec("PCMU", 0, 8000), srtp=srtp, rtcp_mux=rtcp_mux, exchange=exchange
    )


def address(sock: socket.socket) -> Address:
    host, port = sock.getsockname()
    return host, port


async def test_the_declared_phone_is_heard_and_answered_and_strangers_are_not(pair: PortPair) -> None:
    phone = Phone(pair, ManualClock())
    await phone.says(phone.one, rtp_packet(0))
    assert phone.port.counters()["unlatched"] == 1
    phone.port.declare(section(address(phone.one), address(phone.other)), 0.0)
    await phone.says(phone.one, rtp_packet(1))
    await phone.says(phone.other, rtp_packet(2))
    await phone.says(phone.one, b"noise")
    await phone.says(phone.one, receiver_report())  # RTCP on the RTP port
    await phone.says(phone.other, receiver_report(), port_offset=1)
    phone.port.send_rtp(rtp_packet(9))
    phone.port.send_rtcp(receiver_report())
    assert phone.rtp == [rtp_packet(1)]
    assert phone.rtcp == [receiver_report(), receiver_report()]
    assert phone.one.recv(100) == rtp_packet(9)
    assert phone.other.recv(100) == receiver_report()
    counters = phone.port.counters()
    assert (counters["strangers"], counters["malformed"], counters["sent"]) == (1, 1, 2)
    phone.close()


async def test_a_phone_behind_nat_is_latched_and_rtcp_follows_it(pair: PortPair) -> None:
    clock = ManualClock()
    phone = Phone(pair, clock)
    phone.port.declare(section(("192.0.2.1", 4000), ("192.0.2.1", 4001)), clock.now())
    await phone.says(phone.one, rtp_packet(1))
    assert phone.port.remote is None
    clock.advance(PATIENCE_S)
    await phone.says(phone.one, rtp_packet(2))
    assert phone.rtp == [rtp_packet(2)]
    assert phone.port.remote == address(phone.one)
    phone.port.send_rtp(rtp_packet(9))
    assert phone.one.recv(100) == rtp_packet(9)
    phone.port.declare(section(("192.0.2.1", 4000), ("192.0.2.1", 4001)), clock.now())
    assert phone.port.remote == address(phone.one)
    phone.close()


def session_of(keys: SrtpKeys) -> SrtpSession:
    """The phone's end."""
    return SrtpSession(suite_keys(keys.suite, keys.remote_key, keys.local_key))


KEYS = SrtpKeys("AES_CM_128_HMAC_SHA1_80", bytes(range(30)), bytes(range(50, 80)))


async def test_with_keys_only_what_can_be_decrypted_latches_and_is_heard(pair: PortPair) -> None:
    phone = Phone(pair, ManualClock())
    phone.port.declare(section(("192.0.2.1", 4000), ("192.0.2.1", 4001), srtp=KEYS), 0.0)
    srtp = session_of(KEYS)
    await phone.says(phone.other, rtp_packet(1))
    await phone.says(phone.other, rtp_packet(1) + bytes(10))
    assert phone.port.remote is None
    await phone.says(phone.one, srtp.protect_rtp(rtp_packet(2)) or b"")
    await phone.says(phone.one, srtp.protect_rtcp(receiver_report()) or b"")
    assert (phone.rtp, phone.rtcp) == ([rtp_packet(2)], [receiver_report()])
    assert phone.port.remote == address(phone.one)
    await phone.says(phone.other, rtp_packet(3))
    phone.port.send_rtp(rtp_packet(9))
    assert srtp.unprotect_rtp(phone.one.recv(100)) == rtp_packet(9)
    counters = phone.port.counters()
    assert (counters["undecryptable"], counters["strangers"]) == (2, 1)
    phone.close()


async def test_a_phone_with_a_key_is_heard_from_wherever_its_nat_puts_it(pair: PortPair) -> None:
    clock = ManualClock()
    phone = Phone(pair, clock)
    phone.port.declare(section(("192.0.2.1", 4000), ("192.0.2.1", 4001), srtp=KEYS), 0.0)
    srtp = session_of(KEYS)
    captured = srtp.protect_rtp(rtp_packet(1)) or b""
    await phone.says(phone.one, captured)
    clock.advance(10.0)
    await phone.says(phone.other, captured)
    await phone.says(phone.other, rtp_packet(2) + bytes(10))
    assert phone.port.remote == address(phone.one), "what was heard before, or is forged, proves nothing"
    await phone.says(phone.other, srtp.protect_rtp(rtp_packet(3)) or b"")
    assert phone.port.remote == address(phone.other)
    assert phone.rtp == [rtp_packet(1), rtp_packet(3)]
    phone.close()


async def test_the_phone_changes_its_key_and_the_bridge_is_heard_all_along(pair: PortPair) -> None:
    phone = Phone(pair, ManualClock())
    new = SrtpKeys(KEYS.suite, KEYS.local_key, bytes(range(90, 120)))
    ends = address(phone.one), address(phone.one)
    before, after = session_of(KEYS), session_of(new)
    heard = []
    for number, (keys, end) in enumerate([(KEYS, before), (new, before), (new, after)]):
        phone.port.declare(section(*ends, srtp=keys, exchange=number), 0.0)
        await phone.says(phone.one, end.protect_rtp(rtp_packet(number)) or b"")
        phone.port.send_rtp(rtp_packet(number))
        heard.append(before.unprotect_rtp(phone.one.recv(100)))
    assert phone.rtp == heard == [rtp_packet(number) for number in range(3)]
    assert phone.port.counters()["undecryptable"] == 0
    phone.close()


async def test_rtcp_goes_beside_the_rtp_where_that_was_agreed(pair: PortPair) -> None:
    phone = Phone(pair, ManualClock())
    ends = address(phone.one), address(phone.other)
    phone.port.declare(section(*ends, rtcp_mux=True), 0.0)
    await phone.says(phone.one, rtp_packet(1))
    phone.port.send_rtcp(receiver_report())
    packet, source = phone.one.recvfrom(100)
    assert (packet, source[1]) == (receiver_report(), phone.port.port)
    phone.port.declare(section(*ends, exchange=1), 0.0)
    phone.port.send_rtcp(receiver_report())
    packet, source = phone.other.recvfrom(100)
    assert (packet, source[1]) == (receiver_report(), phone.port.port + 1)
    phone.close()


async def test_the_reports_of_a_phone_that_moved_are_found_at_its_new_place(pair: PortPair) -> None:
    clock = ManualClock()
    phone = Phone(pair, clock)
    private = ("192.168.1.10", 4000), ("192.168.1.10", 4001)
    phone.port.declare(section(*private), clock.now())
    await phone.says(phone.one, rtp_packet(1))
    clock.advance(PATIENCE_S)
    await phone.says(phone.one, rtp_packet(2))
    for _ in range(2):
        await phone.says(phone.one, receiver_report(), port_offset=1)
        clock.advance(PATIENCE_S)
    assert phone.rtcp == [receiver_report()]
    phone.port.declare(section(*private, exchange=1), clock.now())
    with open_udp_socket("127.0.0.9", 0) as moved:
        await phone.says(moved, rtp_packet(3))
        clock.advance(PATIENCE_S)
        await phone.says(moved, rtp_packet(4))
        assert phone.port.remote == address(moved)
        clock.advance(60.0)
        for _ in range(2):
            await phone.says(moved, receiver_report(), port_offset=1)
            clock.advance(PATIENCE_S)
        assert len(phone.rtcp) == 2
        phone.port.send_rtcp(receiver_report())
        await turn()
        assert moved.recv(100) == receiver_report()
    phone.close()


async def test_a_phone_that_only_looks_is_heard_beside_the_rtp_it_does_not_send(pair: PortPair) -> None:
    phone = Phone(pair, ManualClock())
    phone.port.declare(section(address(phone.one), address(phone.one), rtcp_mux=True), 0.0)
    await phone.says(phone.one, receiver_report())
    await phone.says(phone.other, receiver_report())
    assert phone.rtcp == [receiver_report()]
    assert phone.port.remote is None
    phone.close()


KEEP_ALIVES = {
    "RTCP": b"",
    "nothing": b"",
    "blank line": b"\r\n",
    "RTP of version 0": bytes(12),
    "STUN": b"\x00\x11\x00\x00" + STUN_MAGIC_COOKIE + bytes(12),
}


@pytest.mark.parametrize("kind", KEEP_ALIVES)
async def test_a_phone_behind_nat_that_only_looks_is_found_by_its_keep_alives(
    pair: PortPair, kind: str
) -> None:
    """Video it sends none of, and sound it may be without: no RTP ever says where it is."""
    clock = ManualClock()
    phone = Phone(pair, clock)
    packet = KEEP_ALIVES[kind] if kind != "RTCP" else receiver_report()
    phone.port.declare(section(("192.0.2.1", 4000), ("192.0.2.1", 4001)), clock.now())
    await phone.says(phone.one, packet)
    assert phone.port.found is None
    clock.advance(2.0)
    await phone.says(phone.one, packet)
    assert phone.port.found == address(phone.one)
    phone.port.send_rtp(rtp_packet(9))
    assert phone.one.recv(100) == rtp_packet(9)
    await phone.says(phone.other, packet)  # whoever comes next takes no place
    phone.port.send_rtp(rtp_packet(10))
    assert phone.one.recv(100) == rtp_packet(10)
    counters = phone.port.counters()
    assert (counters["malformed"], counters["unlatched"] + counters["strangers"]) == (0, 2)
    assert (len(phone.rtcp), counters["keep_alives"]) == ((1, 0) if kind == "RTCP" else (0, 1))
    phone.close()


async def test_rtp_counts_more_than_keep_alives(pair: PortPair) -> None:
    clock = ManualClock()
    phone = Phone(pair, clock)
    phone.port.declare(section(("192.0.2.1", 4000), ("192.0.2.1", 4001)), clock.now())
    for _ in range(2):
        await phone.says(phone.other, b"")
        clock.advance(PATIENCE_S)
    assert phone.port.found == address(phone.other)
    for number in range(2):
        await phone.says(phone.one, rtp_packet(number))
        clock.advance(PATIENCE_S)
    assert phone.port.found == address(phone.one)
    await phone.says(phone.other, b"")
    assert phone.port.found == address(phone.one)
    phone.close()


@pytest.mark.parametrize(("declared", "at_once"), [("192.0.2.1", True), ("127.0.0.1", False)])
async def test_where_the_sound_came_through_the_nat_its_keep_alives_for_film_are_believed_at_once(
    pool: RtpPortPool, declared: str, at_once: bool
) -> None:
    """Not where the phone has the address it says: many calls may have that of one gateway."""
    clock = ManualClock()
    pairs = [pool.take(clock.now()), pool.take(clock.now())]
    sound = Phone(pairs[0], clock)
    film = Phone(pairs[1], clock, sound.port)
    sound.port.declare(section(address(sound.one), address(sound.one)), clock.now())
    await sound.says(sound.one, rtp_packet(1))
    film.port.declare(section((declared, 9), (declared, 10)), clock.now())
    await film.says(film.one, receiver_report())
    assert (film.port.found == address(film.one)) is at_once
    for phone, pair in zip((sound, film), pairs, strict=True):
        phone.close()
        pool.give_back(pair, clock.now())


async def test_no_other_host_takes_the_place_of_a_phones_reports(pair: PortPair) -> None:
    clock = ManualClock()
    phone = Phone(pair, clock)
    phone.port.declare(section(address(phone.one), address(phone.other)), clock.now())
    with open_udp_socket("127.0.0.9", 0) as stranger:
        for _ in range(3):  # before the phone has said anything
            await phone.says(stranger, receiver_report(), port_offset=1)
            clock.advance(PATIENCE_S)
        await phone.says(phone.one, rtp_packet(1))
        await phone.says(phone.other, receiver_report(), port_offset=1)
        phone.port.send_rtcp(receiver_report())
    assert phone.rtcp == [receiver_report()]
    assert phone.other.recv(100) == receiver_report()
    assert phone.port.counters()["unlatched"] == 3
    phone.close()


async def test_a_new_call_on_a_port_does_not_hear_the_old_calls_phone() -> None:
    """The old phone does not notice the BYE and sends on, into its port's next call."""
    pool = RtpPortPool(PORT_MIN, PORT_MIN + 2, "127.0.0.1", drain_s=5.0)
    clock = ManualClock()
    first = pool.take(clock.now())
    old = Phone(first, clock)
    old.port.declare(section(address(old.one), address(old.other)), clock.now())
    await old.says(old.one, rtp_packet(1))
    assert old.rtp
    old.port.close()
    pool.give_back(first, clock.now())
    clock.advance(6.0)
    second = pool.take(clock.now())
    assert second.port == first.port
    new = Phone(second, clock)
    new.port.declare(section(address(new.one), address(new.other)), clock.now())
    for number in range(2, 8):  # the old one is there first, but has no time to prove itself
        await new.says(old.one, rtp_packet(number))
        clock.advance(0.02)
    await new.says(new.one, rtp_packet(100, ssrc=9))
    for number in range(8, 30):
        await new.says(old.one, rtp_packet(number))
        clock.advance(0.02)
    assert new.rtp == [rtp_packet(100, ssrc=9)]
    assert new.port.remote == address(new.one)
    assert new.port.counters()["strangers"] == 22
    new.close()
    old.one.close()
    old.other.close()
    pool.give_back(second, clock.now())


async def test_what_cannot_leave_is_counted(pair: PortPair) -> None:
    phone = Phone(pair, ManualClock())
    phone.port.send_rtp(rtp_packet(1))
    phone.port.declare(section(("phone.example.org", 4000), ("127.0.0.1", 0)), 0.0)
    phone.port.send_rtp(rtp_packet(1))
    phone.port.send_rtcp(receiver_report())
    assert phone.port.counters()["unsent"] == 3
    phone.close()


async def test_a_crash_in_the_leg_is_handed_to_its_owner(pair: PortPair) -> None:
    def broken(packet: bytes, now: float) -> None:
        raise RuntimeError("a bug")

    crashes: list[Exception] = []
    callbacks = RtpPortCallbacks(broken, broken, crashes.append)
    port = RtpPort(asyncio.get_running_loop(), pair, ManualClock(), packet_io(), callbacks)
    with open_udp_socket("127.0.0.1", 0) as phone:
        port.declare(section(address(phone), address(phone)), 0.0)
        phone.sendto(rtp_packet(1), ("127.0.0.1", port.port))
        phone.sendto(rtp_packet(2), ("127.0.0.1", port.port))
        await turn()
    assert [str(error) for error in crashes] == ["a bug", "a bug"]
    port.close()


def test_a_pool_may_begin_in_the_middle_and_still_lends_every_pair() -> None:
    pool = RtpPortPool(PORT_MIN, PORT_MAX, "127.0.0.1", drain_s=5.0, port_first=FIRST + 2)
    pairs = [pool.take(0.0), pool.take(0.0)]
    assert [pair.port for pair in pairs] == [FIRST + 2, FIRST]
    for pair in pairs:
        pool.give_back(pair, 0.0)
