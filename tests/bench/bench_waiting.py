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
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bridge.ids import LegId, ParticipantId, RoomId
from bridge.plane import messages
from bridge.plane.host import ProcessPlane
from tests.bench.cpu import CpuMeter, child_running
from tests.bench.figure import Figure

CALLERS = 300
SETTLE_S = 4.0  # jitter buffers have their depth
START_S = 20.0
MUSIC_S = 20
RATE_HZ = 8_000
PCMU = messages.Codec("PCMU", 0, RATE_HZ)
TICK_S = 0.02
TICKS_PER_S = 50


def run(window_s: float) -> Iterator[str | Figure]:
    yield f"{CALLERS} waiting callers"
    us, ticks_per_s = asyncio.run(_measure(CALLERS, 2 * window_s))
    shape = f"{CALLERS} PCMU phones, each hears music from its own beginning"
    yield Figure("waiting", "a waiting caller", us, "us/leg/20 ms", note=f"{shape}; RTP both ways included")
    note = "50 is in time; fewer on a machine that is busy otherwise"
    yield Figure("waiting", f"ticks a second with {CALLERS} of them", ticks_per_s, "ticks/s", note=note)


async def _measure(callers: int, window_s: float) -> tuple[float, float]:
    """CPU of a caller in 20 ms, and ticks a second."""
    told: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        music = _music(Path(name) / "music.wav")
        async with _worker(told) as plane, _crowd(plane, callers, music):
            await asyncio.sleep(SETTLE_S)
            worker = CpuMeter(child_running(os.getpid(), "bridge.plane.process"))
            cpu_s, at, ticks = worker.seconds(), time.monotonic(), told[-1]["ticks_total"]
            await asyncio.sleep(window_s)
            cpu_s, wall_s = worker.seconds() - cpu_s, time.monotonic() - at
            played = told[-1]["ticks_total"] - ticks
    return cpu_s / (wall_s / TICK_S * callers) * 1e6, played / wall_s


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
async def _worker(told: list[dict[str, float]]) -> AsyncIterator[ProcessPlane]:
    def on_event(event: messages.Event) -> None:
        if isinstance(event, messages.WorkerStatistics):
            told.append(event.values)

    plane = ProcessPlane(messages.WorkerConfig(log_level="warning"), on_event, lambda reason: None)
    await plane.start(START_S)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(plane.run())
        try:
            yield plane
        finally:
            await plane.aclose()


@contextlib.asynccontextmanager
async def _crowd(plane: ProcessPlane, callers: int, music: str) -> AsyncIterator[None]:
    """The phones talk while the block runs."""
    specs = [
        messages.RtpLegSpec(LegId(f"leg_{n}"), ParticipantId(f"prt_{n}"), RoomId(f"room_{n}"))
        for n in range(callers)
    ]
    ports = [await _port(plane, spec) for spec in specs]
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=talk, args=(theirs, ports), daemon=True)
    process.start()
    try:
        sources = await asyncio.get_running_loop().run_in_executor(None, ours.recv)
        for number, (spec, source) in enumerate(zip(specs, sources, strict=True)):
            audio = messages.RtpAudio("127.0.0.1", source, source + 1, PCMU)
            playback = messages.Playback(f"music_{number}", music, loop=True)
            await _port(plane, messages.RtpLegSpec(*_place(spec), audio, playback))
            await asyncio.sleep(TICK_S / 7)  # nobody's music is in step with another's
        ours.send("talk")
        yield
    finally:
        ours.send("enough")
        await asyncio.get_running_loop().run_in_executor(None, process.join)


def _place(spec: messages.RtpLegSpec) -> tuple[LegId, ParticipantId, RoomId]:
    return spec.leg_id, spec.participant_id, spec.room_id


async def _port(plane: ProcessPlane, spec: messages.RtpLegSpec) -> int:
    reply = await plane.request(messages.DeclareRtpLeg(0, spec))
    assert isinstance(reply, messages.RtpLegDeclared)
    return reply.local_port


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
