"""Callers who wait, at the real media worker: each sends PCMU and hears music of its own beginning.

The worker is a process of its own, and so is the crowd of phones, whose packets are not counted.
"""

import asyncio
import contextlib
import multiprocessing
import os
import socket
import struct
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bridge.ids import LegId, ParticipantId, RoomId
from bridge.plane import messages
from tests.bench.figure import Figure
from tests.bench.media_worker import MediaWorker, running_worker

SIZES = (10, 100, 300)
SETTLE_S = 4.0  # jitter buffers have their depth, and whom nobody hears rests
LATENESS_S = 21.0  # the worker's percentile is of its last twenty seconds
MUSIC_S = 20
RATE_HZ = 8_000
PCMU = messages.Codec("PCMU", 0, RATE_HZ)
TICK_S = 0.02
TICKS_PER_S = 50


@dataclass(frozen=True)
class Waiting:
    """`us` is CPU of a caller by the ticks that were played: receiving goes on where ticks are skipped."""

    us: float
    ticks_per_s: float
    lateness_p99_ms: float


def run(window_s: float) -> Iterator[str | Figure]:
    for callers in SIZES:
        yield f"{callers} waiting callers"
        found = asyncio.run(_measure(callers, max(2 * window_s, LATENESS_S)))
        shape = "PCMU phones, each hears music from its own beginning; RTP both ways included"
        yield Figure("waiting", f"one of {callers} callers", found.us, "us/leg/tick", note=shape)
        note = "50 is in time; fewer on a machine that is busy otherwise"
        name = f"ticks a second with {callers} of them"
        yield Figure("waiting", name, found.ticks_per_s, "ticks/s", note=note, at_least=49.0)
        note = "99 % of the ticks of twenty seconds begin within this; skipped ones count"
        name = f"lateness of ticks with {callers} of them, p99"
        yield Figure("waiting", name, found.lateness_p99_ms, "ms", note=note)


async def _measure(callers: int, window_s: float) -> Waiting:
    with tempfile.TemporaryDirectory() as name:
        music = _music(Path(name) / "music.wav")
        async with running_worker() as worker, _crowd(worker, callers, music):
            await asyncio.sleep(SETTLE_S)
            cpu_s, at, ticks = worker.cpu.seconds(), time.monotonic(), worker.values["ticks_total"]
            await asyncio.sleep(window_s)
            cpu_s, wall_s = worker.cpu.seconds() - cpu_s, time.monotonic() - at
            values = worker.values
    played = values["ticks_total"] - ticks
    late_ms = values["tick_lateness_p99_seconds"] * 1000
    return Waiting(cpu_s / (played * callers) * 1e6, played / wall_s, late_ms)


def _music(path: Path) -> str:
    at = np.arange(MUSIC_S * RATE_HZ) / RATE_HZ
    sound = 8000 * np.sin(2 * np.pi * 440 * at) + 5000 * np.sin(2 * np.pi * 660 * at)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(sound.astype("<i2").tobytes())
    return str(path)


@contextlib.asynccontextmanager
async def _crowd(worker: MediaWorker, callers: int, music: str) -> AsyncIterator[None]:
    """The phones talk while the block runs."""
    specs = [
        messages.RtpLegSpec(LegId(f"leg_{n}"), ParticipantId(f"prt_{n}"), RoomId(f"room_{n}"))
        for n in range(callers)
    ]
    ports = [await worker.declare_phone(spec) for spec in specs]
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=talk, args=(theirs, ports), daemon=True)
    process.start()
    try:
        sources = await asyncio.get_running_loop().run_in_executor(None, ours.recv)
        for number, (spec, source) in enumerate(zip(specs, sources, strict=True)):
            audio = messages.RtpAudio("127.0.0.1", source, source + 1, PCMU)
            playback = messages.Playback(f"music_{number}", music, loop=True)
            await worker.declare_phone(messages.RtpLegSpec(*_place(spec), audio, playback))
            await asyncio.sleep(TICK_S / 7)  # nobody's music is in step with another's
        ours.send("talk")
        yield
    finally:
        ours.send("enough")
        await asyncio.get_running_loop().run_in_executor(None, process.join)


def _place(spec: messages.RtpLegSpec) -> tuple[LegId, ParticipantId, RoomId]:
    return spec.leg_id, spec.participant_id, spec.room_id


def talk(orders: Connection, ports: Sequence[int]) -> None:
    """In a process of its own: one packet to each port every 20 ms, from the first order to the second."""
    phones = []
    for port in ports:
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        phone.bind(("127.0.0.1", 0))
        phone.connect(("127.0.0.1", port))
        phone.setblocking(False)
        phones.append(phone)
    orders.send([phone.getsockname()[1] for phone in phones])
    orders.recv()
    payload, number, due_at = os.urandom(RATE_HZ // TICKS_PER_S), 0, time.monotonic()
    while not orders.poll():
        number += 1
        for ssrc, phone in enumerate(phones, start=1):
            header = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * len(payload) & 0xFFFFFFFF, ssrc)
            with contextlib.suppress(OSError):
                phone.send(header + payload)
        due_at += TICK_S
        time.sleep(max(0.0, due_at - time.monotonic()))
