"""Phones with plain RTP, in a process of their own: each sends a payload every 20 ms and counts what it gets."""

import contextlib
import multiprocessing
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bridge.plane.messages import Codec
from tests.bench.footage import spoken

TICK_S = 0.02
SIZE = 2048
PHONES_AT_ONCE = (
    1  # that begin in one tick: Janus 1.1.2 sometimes locks up for good where fifty begin together
)
HUM_GAIN = 0.002  # what a microphone hears where nobody talks


@dataclass(frozen=True)
class Lines:
    """How many phones, and how many of them talk; the others hum."""

    codec: Codec
    phones: int
    talkers: int


class PhoneCrowd:
    """The process, from here. `ports` are the phones'."""

    def __init__(self, orders: Connection) -> None:
        self._orders = orders
        self.ports: list[int] = orders.recv()

    def begin(self, destinations: Sequence[int]) -> None:
        """Each phone talks to its port from now on."""
        self._orders.send(list(destinations))

    def received(self) -> int:
        """Packets of all phones so far."""
        self._orders.send("tally")
        count: int = self._orders.recv()
        return count


@contextlib.contextmanager
def phone_crowd(lines: Lines) -> Iterator[PhoneCrowd]:
    """While the block runs."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=run_phones, args=(theirs, lines), daemon=True)
    process.start()
    try:
        yield PhoneCrowd(ours)
        ours.send(None)
        process.join(5.0)
    finally:
        process.kill()


def run_phones(orders: Connection, lines: Lines) -> None:
    """In the process."""
    voices = [spoken(lines.codec, seed) for seed in range(1, 9)]
    hum = spoken(lines.codec, 0, HUM_GAIN)
    phones = []
    for _ in range(lines.phones):
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        phone.bind(("127.0.0.1", 0))
        phone.setblocking(False)
        phones.append(phone)
    orders.send([phone.getsockname()[1] for phone in phones])
    for phone, port in zip(phones, orders.recv(), strict=True):
        phone.connect(("127.0.0.1", port))
    step = lines.codec.clock_rate_hz // 50
    number, received, due_at = 0, 0, time.monotonic()
    while True:
        while orders.poll():
            if orders.recv() is None:
                return
            orders.send(received)
        number += 1
        second = lines.codec.payload_type
        for index, phone in enumerate(phones[: number * PHONES_AT_ONCE]):
            sound = voices[index % len(voices)] if index < lines.talkers else hum
            payload = sound[(number + 7 * index) % len(sound)]
            header = struct.pack(
                "!BBHII", 0x80, second, number & 0xFFFF, number * step & 0xFFFFFFFF, index + 1
            )
            with contextlib.suppress(OSError):
                phone.send(header + payload)
            received += _drained(phone)
        due_at += TICK_S
        time.sleep(max(0.0, due_at - time.monotonic()))


def _drained(phone: socket.socket) -> int:
    count = 0
    with contextlib.suppress(OSError):
        while phone.recv(SIZE):
            count += 1
    return count
