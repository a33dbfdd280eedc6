"""The media worker as a process of its own: declarations answered, the same twice harmless, its death noticed."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from bridge.errors import CapacityError, PlaneLostError
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.peers.ports import free_media_ports
from bridge.peers.within import within
from bridge.plane import messages
from bridge.plane.host import ProcessPlane
from tests.interop.programs import eventually

FIRST = free_media_ports(6)  # two pairs for the worker, one of which nobody listens at
PORTS = messages.WorkerConfig(rtp_port_min=FIRST, rtp_port_max=FIRST + 3, rtp_drain_s=0.0)
CREDENTIALS = messages.IceCredentials("abcd", "0123456789012345678901")


@contextlib.asynccontextmanager
async def running_plane() -> AsyncIterator[tuple[ProcessPlane, list[messages.Event], list[str]]]:
    events: list[messages.Event] = []
    losses: list[str] = []
    plane = ProcessPlane(PORTS, events.append, losses.append)
    ready = await plane.start(20.0)
    assert ready.fingerprint.algorithm == "sha-256"
    assert ready.ice_candidates[0].endswith("typ host")
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(plane.run())
        try:
            yield plane, events, losses
        finally:
            await plane.aclose()
            await run


def phone(number: int, *, audio: bool = False) -> messages.DeclareRtpLeg:
    codec = messages.Codec("PCMU", 0, 8000)
    media = messages.RtpAudio("127.0.0.1", FIRST + 4, FIRST + 5, codec) if audio else None
    leg = messages.RtpLegSpec(LegId(f"leg_{number}"), ParticipantId(f"prt_{number}"), RoomId("room_1"), media)
    return messages.DeclareRtpLeg(0, leg)


async def test_a_leg_keeps_its_port_however_often_it_is_declared_and_frees_it_at_the_end() -> None:
    async with running_plane() as (plane, _, _):
        first = await plane.request(phone(1))
        again = await plane.request(phone(1, audio=True))
        assert isinstance(first, messages.RtpLegDeclared)
        assert isinstance(again, messages.RtpLegDeclared)
        assert (again.local_address, again.local_port) == (first.local_address, first.local_port)
        await plane.request(phone(2))
        with pytest.raises(CapacityError, match="rtp"):
            await plane.request(phone(3))
        await plane.request(messages.RemoveLeg(0, LegId("leg_1")))
        await plane.request(messages.RemoveLeg(0, LegId("leg_1")))
        assert isinstance(await plane.request(phone(3)), messages.RtpLegDeclared)


async def test_a_browser_leg_is_declared_before_and_after_its_answer() -> None:
    async with running_plane() as (plane, events, _):
        spec = messages.WebRtcLegSpec(
            LegId("leg_b"), ParticipantId("prt_b"), RoomId("room_1"), CREDENTIALS, None, (), dtls_server=True
        )
        for _ in range(2):
            reply = await plane.request(messages.DeclareWebRtcLeg(0, spec))
            assert isinstance(reply, messages.WebRtcLegDeclared)
        await eventually(
            "statistics of the leg",
            lambda: any(isinstance(e, messages.LegStatistics) and e.leg_id == "leg_b" for e in events),
        )


async def test_a_killed_worker_is_reported_once_and_fails_what_waits() -> None:
    async with running_plane() as (plane, _, losses):
        (worker,) = psutil.Process().children()
        worker.send_signal(signal.SIGKILL)
        await eventually("the loss is told", lambda: losses != [])
        with pytest.raises(PlaneLostError):
            await plane.request(phone(1))
    assert len(losses) == 1


async def test_a_worker_is_not_taken_for_silent_by_a_control_plane_that_slept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that was paused, or a process that got no time: what was said meanwhile is read first."""
    monkeypatch.setattr("bridge.plane.host.SILENCE_S", 4.0)
    async with running_plane() as (plane, events, losses):
        await eventually("it says something", lambda: bool(events))
        time.sleep(5.0)  # noqa: ASYNC251 - the loop stands still
        assert isinstance(await plane.request(phone(1)), messages.RtpLegDeclared)
        assert losses == []


async def test_a_plane_that_is_closed_leaves_nobody_waiting_for_its_worker() -> None:
    """Whoever waits would keep the daemon from ending."""
    plane = ProcessPlane(PORTS, lambda _event: None, lambda _reason: None)
    await plane.start(20.0)
    (worker,) = psutil.Process().children()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run())
        worker.suspend()
        asked = tasks.create_task(refused(plane))
        await asyncio.sleep(0)
        running.cancel()
        worker.kill()
        await plane.aclose()
        assert await within(5.0, asked)


async def refused(plane: ProcessPlane) -> bool:
    try:
        await plane.request(phone(1))
    except PlaneLostError:
        return True
    return False
