"""Rooms of two through the real media worker: its own process, told by plane messages alone."""

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

import msgspec

from bridge.ids import LegId, ParticipantId, RoomId, track_id
from bridge.plane import messages
from bridge.plane.host import ProcessPlane
from bridge.transport.address import Address
from tests.bench.cpu import CpuMeter, child_running
from tests.bench.footage import OPUS
from tests.bench.room_browsers import (
    AUDIO_MID,
    MID_ID,
    RTX_TYPE,
    TRANSPORT_CC_ID,
    VIDEO_MID,
    VP8_TYPE,
    Invitation,
    Tally,
    audio_ssrc,
    down_audio_ssrc,
    down_rtx_ssrc,
    down_video_ssrc,
    run_browsers,
    video_ssrc,
)
from tests.bench.rooms import RoomLoad, Window

SETTLE_S = 3.0  # key frames have come, jitter buffers have their depth
START_S = 20.0
VP8 = messages.Codec("VP8", VP8_TYPE, 90_000, rtx_payload_type=RTX_TYPE)
EXTENSIONS = messages.ExtensionIds(mid=MID_ID, transport_cc=TRANSPORT_CC_ID)


@dataclass(frozen=True)
class WorkerLoad:
    """`idle_us` is what a connected leg costs in a second in which nobody sends media."""

    rooms: RoomLoad
    idle_us: float
    resent: int
    feedback: int


async def measure_worker(rooms: int, windows: int, window_s: float) -> WorkerLoad:
    legs = 2 * rooms
    async with _worker() as (plane, bridge), _browsers(plane, bridge, legs) as crowd:
        worker = CpuMeter(child_running(os.getpid(), "bridge.plane.process"))
        idle = await _window(worker, crowd, window_s)
        await crowd.begin(video=True, audio=False)
        video = [await _window(worker, crowd, window_s) for _ in range(windows)]
        await _declare(plane, legs, crowd.fingerprint, audio=True)
        await crowd.begin(video=True, audio=True)
        both = [await _window(worker, crowd, window_s) for _ in range(windows)]
        tally = await crowd.tally()
        return WorkerLoad(
            RoomLoad(video, both), idle.cpu_s / window_s / legs * 1e6, tally.resent, tally.feedback
        )


@dataclass(frozen=True)
class _Crowd:
    """The browsers' process, from here."""

    orders: Connection
    fingerprint: messages.Fingerprint

    async def begin(self, *, video: bool, audio: bool) -> None:
        self.orders.send((video, audio))
        await asyncio.sleep(SETTLE_S)

    async def tally(self) -> Tally:
        self.orders.send("tally")
        return await _receive(self.orders)


async def _receive(connection: Connection) -> "Tally":
    tally = await asyncio.get_running_loop().run_in_executor(None, connection.recv)
    assert isinstance(tally, Tally)
    return tally


async def _window(worker: CpuMeter, crowd: _Crowd, window_s: float) -> Window:
    before, cpu_s = await crowd.tally(), worker.seconds()
    await asyncio.sleep(window_s)
    after, cpu_s = await crowd.tally(), worker.seconds() - cpu_s
    return Window(cpu_s, after.media_received - before.media_received)


@dataclass(frozen=True)
class _Bridge:
    """What SDP would say of the worker."""

    address: Address
    fingerprint: messages.Fingerprint


@contextlib.asynccontextmanager
async def _worker() -> AsyncIterator[tuple[ProcessPlane, _Bridge]]:
    plane = ProcessPlane(messages.WorkerConfig(log_level="warning"), lambda event: None, lambda reason: None)
    ready = await plane.start(START_S)
    _, _, _, _, host, port, *_ = ready.ice_candidates[0].split(" ")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(plane.run())
        try:
            yield plane, _Bridge((host, int(port)), ready.fingerprint)
        finally:
            await plane.aclose()


@contextlib.asynccontextmanager
async def _browsers(plane: ProcessPlane, bridge: _Bridge, legs: int) -> AsyncIterator[_Crowd]:
    """All legs declared and connected. The process ends with the block."""
    loop = asyncio.get_running_loop()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_browsers, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen here
    try:
        fingerprint = await loop.run_in_executor(None, ours.recv)
        for room in range(legs // 2):
            await plane.request(messages.DeclareRoom(0, _room(room)))
        await _declare(plane, legs, fingerprint, audio=False)
        ours.send([_invitation(number, bridge) for number in range(legs)])
        assert await loop.run_in_executor(None, ours.recv) == "up"
        yield _Crowd(ours, fingerprint)
        ours.send(None)
        await loop.run_in_executor(None, partial(process.join, 5.0))
    finally:
        process.kill()


async def _declare(plane: ProcessPlane, legs: int, fingerprint: messages.Fingerprint, *, audio: bool) -> None:
    for number in range(legs):
        leg = _leg(number, fingerprint)
        if not audio:
            leg = msgspec.structs.replace(leg, up_tracks=leg.up_tracks[1:], down_tracks=leg.down_tracks[1:])
        await plane.request(messages.DeclareWebRtcLeg(0, leg))


def _leg_id(number: int) -> LegId:
    return LegId(f"leg_{number}")


def _participant_id(number: int) -> ParticipantId:
    return ParticipantId(f"prt_{number}")


def _room_id(room: int) -> RoomId:
    return RoomId(f"room_{room}")


def bridge_ice(number: int) -> messages.IceCredentials:
    return messages.IceCredentials(f"leg{number}", f"bridge-password-of-leg-{number:06}")


def browser_ice(number: int) -> messages.IceCredentials:
    return messages.IceCredentials(f"brws{number}", f"browser-password-{number:06}")


def _invitation(number: int, bridge: _Bridge) -> Invitation:
    return Invitation(bridge.address, bridge.fingerprint, bridge_ice(number), browser_ice(number), number)


def _room(room: int) -> messages.RoomSpec:
    people = _participant_id(2 * room), _participant_id(2 * room + 1)
    return messages.RoomSpec(_room_id(room), tuple(messages.Hearing(person, people) for person in people))


def _leg(number: int, fingerprint: messages.Fingerprint) -> messages.WebRtcLegSpec:
    other = number ^ 1
    return messages.WebRtcLegSpec(
        leg_id=_leg_id(number),
        participant_id=_participant_id(number),
        room_id=_room_id(number // 2),
        local_ice=bridge_ice(number),
        remote_ice=browser_ice(number),
        remote_fingerprints=(fingerprint,),
        dtls_server=True,
        up_tracks=(
            messages.UpTrackSpec(AUDIO_MID, "audio", (OPUS,), EXTENSIONS, (audio_ssrc(number),)),
            messages.UpTrackSpec(VIDEO_MID, "video", (VP8,), EXTENSIONS, (video_ssrc(number),)),
        ),
        down_tracks=(
            messages.DownTrackSpec(AUDIO_MID, "audio", (OPUS,), EXTENSIONS, down_audio_ssrc(number)),
            messages.DownTrackSpec(
                VIDEO_MID,
                "video",
                (VP8,),
                EXTENSIONS,
                down_video_ssrc(number),
                down_rtx_ssrc(number),
                track_id(_leg_id(other), VIDEO_MID),
            ),
        ),
    )
