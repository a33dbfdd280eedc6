"""The jitter buffer behind networks in virtual time: what is played, and how late."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from msgspec import structs

from bridge.rtp.frame import SPEED_STEPS_PER_FRAME, FrameKind
from bridge.rtp.jitter import JitterBuffer
from bridge.rtp.payload_shape import SHAPES

RATE, FRAME = 8000, 160
TICK_S = 0.02


@dataclass
class Network:
    """A sender of PCMU and the path to us. `speaks` tells at which times the sender sends."""

    seconds: float = 60.0
    jitter_s: float = 0.0
    loss: float = 0.0
    drift_ppm: float = 0.0
    payload_ticks: int = FRAME
    quiet: float = 0.3
    delay: Callable[[float], float] = lambda _: 0.03
    speaks: Callable[[float], bool] = lambda _: True
    lost: int = 0
    sent: int = 0

    def packets(self) -> Iterator[tuple[float, int, int, bytes]]:
        """(arrival, index, media time, payload), in order of arrival."""
        chance = random.Random(1)
        arrivals: list[tuple[float, int, int, bytes]] = []
        index = media_time = 0
        while media_time / RATE < self.seconds:
            at = media_time / RATE * (1 + self.drift_ppm * 1e-6)
            if self.speaks(at):
                arrival = at + self.delay(at) + chance.random() * self.jitter_s
                payload = (b"\xff" if chance.random() < self.quiet else b"\x00") * self.payload_ticks
                if chance.random() >= self.loss:
                    arrivals.append((arrival, index + 0x10000, media_time + (1 << 32), payload))
                else:
                    self.lost += 1
                index += 1
            media_time += self.payload_ticks
        self.sent = index
        return iter(sorted(arrivals))


@dataclass
class Heard:
    """What came out, the first two seconds (learning) left aside for the delay."""

    buffer: JitterBuffer
    ticks: dict[FrameKind, int]
    delays_ms: list[float]
    waiting: float = 0.0  # samples at the reader, as bridge.rtp.frame tells it to count

    @property
    def mean_delay_ms(self) -> float:
        return sum(self.delays_ms) / len(self.delays_ms)


def listen(network: Network) -> Heard:
    buffer = JitterBuffer(RATE, FRAME, SHAPES["PCMU"])
    heard = Heard(buffer, dict.fromkeys(FrameKind, 0), [])
    packets = network.packets()
    following = next(packets, None)
    now = 0.007
    while now < network.seconds:
        while following is not None and following[0] <= now:
            arrival, index, media_time, payload = following
            buffer.push(index, media_time, payload, arrival)
            following = next(packets, None)
        frame = buffer.pull(now)
        heard.ticks[frame.kind] += 1
        if frame.kind in (FrameKind.PAYLOAD, FrameKind.CONTINUES):
            heard.waiting += len(frame.payload) + sum(len(payload) for payload in frame.more)
            heard.waiting -= FRAME - frame.speed * FRAME / SPEED_STEPS_PER_FRAME
            assert heard.waiting > -FRAME / 2, "the reader runs dry although the buffer said there is enough"
            heard.waiting = max(heard.waiting, 0.0)
            if now > 2.0:
                heard.delays_ms.append(buffer.delay_ms)
        elif frame.kind is FrameKind.EMPTY:
            heard.waiting = 0.0
        now += TICK_S
    return heard


@pytest.mark.parametrize("payload_ms", [10, 20, 30, 40, 60])
def test_a_clean_path_loses_nothing_and_adds_little(payload_ms: int) -> None:
    heard = listen(Network(payload_ticks=8 * payload_ms))
    assert heard.ticks[FrameKind.LOST] == 0
    assert heard.buffer.late == 0
    assert heard.mean_delay_ms < 45


def test_twenty_milliseconds_of_jitter_cost_forty_of_delay() -> None:
    heard = listen(Network(jitter_s=0.02))
    assert heard.ticks[FrameKind.LOST] == 0
    assert heard.mean_delay_ms < 45  # measurements.md: 40-45 ms


def test_the_delay_follows_the_jitter() -> None:
    heard = listen(Network(jitter_s=0.1))
    assert heard.ticks[FrameKind.LOST] <= 30
    assert 90 < heard.mean_delay_ms < 135


@pytest.mark.parametrize(("loss", "payload_ms"), [(0.01, 20), (0.05, 20), (0.2, 20), (0.05, 60)])
def test_each_lost_packet_is_concealed_once(loss: float, payload_ms: int) -> None:
    network = Network(loss=loss, jitter_s=0.02, payload_ticks=8 * payload_ms)
    heard = listen(network)
    frames = network.lost * payload_ms // 20
    assert abs(heard.buffer.lost - network.lost) <= 3  # those at the very end are never known
    assert frames - 9 <= heard.ticks[FrameKind.LOST] <= frames + 3
    assert heard.buffer.late == 0


def test_the_frame_after_a_lost_one_is_there_for_its_recovery() -> None:
    """Once losses were seen, the target leaves room for in-band FEC."""
    network = Network(loss=0.05, jitter_s=0.02)
    repairing = structs.replace(SHAPES["PCMU"], repairs=lambda _: True)
    buffer = JitterBuffer(RATE, FRAME, repairing)
    packets = list(network.packets())
    recoverable = concealed = 0
    place = 0
    for tick in range(int(network.seconds / TICK_S)):
        now = 0.007 + TICK_S * tick
        while place < len(packets) and packets[place][0] <= now:
            arrival, index, media_time, payload = packets[place]
            buffer.push(index, media_time, payload, arrival)
            place += 1
        frame = buffer.pull(now)
        if frame.kind is FrameKind.LOST:
            concealed += 1
            recoverable += bool(frame.next_payload)
    assert recoverable > 0.85 * concealed


@pytest.mark.parametrize("drift_ppm", [200, -200])
@pytest.mark.parametrize("quiet", [0.0, 0.3])
def test_drift_is_played_away_without_loss_or_growing_delay(drift_ppm: float, quiet: float) -> None:
    heard = listen(Network(seconds=300.0, jitter_s=0.02, drift_ppm=drift_ppm, quiet=quiet))
    assert heard.ticks[FrameKind.LOST] <= 5
    assert heard.buffer.late == 0
    assert heard.mean_delay_ms < 48
    assert max(heard.delays_ms) < 70


def test_a_stall_is_caught_up_with() -> None:
    heard = listen(Network(delay=lambda at: max(0.03, 20.3 - at) if at > 20 else 0.03))
    assert heard.ticks[FrameKind.LOST] <= 8
    assert heard.delays_ms[-1] < 45


def test_a_stall_of_seconds_ends_with_the_stall() -> None:
    heard = listen(Network(delay=lambda at: max(0.03, 23.0 - at) if at > 20 else 0.03))
    silent = heard.ticks[FrameKind.EMPTY] + heard.ticks[FrameKind.LOST]
    assert silent < 4 + 160
    assert heard.delays_ms[-1] < 45


@pytest.mark.parametrize(("before", "after"), [(0.03, 0.18), (0.18, 0.03)])
def test_another_route_is_learned(before: float, after: float) -> None:
    heard = listen(Network(delay=lambda at: before if at < 20 else after))
    assert heard.ticks[FrameKind.LOST] + heard.ticks[FrameKind.EMPTY] <= 30
    assert heard.delays_ms[-1] < 45


def test_pauses_of_a_sender_cost_no_words() -> None:
    """Silence suppression without any mark: a second of speech, a second of nothing."""
    network = Network(jitter_s=0.02, speaks=lambda at: int(at) % 2 == 0)
    heard = listen(network)
    assert heard.buffer.played + heard.buffer.dropped == network.sent
    assert heard.buffer.dropped <= 2
    assert heard.buffer.lost == 0
    assert heard.mean_delay_ms < 45


@pytest.mark.parametrize("drift_ppm", [0.0, 200.0, -200.0])
def test_the_delay_does_not_grow_in_an_hour(drift_ppm: float) -> None:
    """A mix that is 30 s late after a quarter of an hour begins as a slope nobody sees in a minute."""
    heard = listen(Network(seconds=3600.0, jitter_s=0.02, loss=0.01, drift_ppm=drift_ppm))
    quarters = [sum(part) / len(part) for part in _quarters(heard.delays_ms)]
    assert max(quarters) - min(quarters) < 2.0
    assert max(heard.delays_ms) < 80


def _quarters(values: list[float]) -> list[list[float]]:
    length = len(values) // 4
    return [values[at * length : (at + 1) * length] for at in range(4)]
