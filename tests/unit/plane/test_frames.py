"""Frames between the planes: whole, in order, and bounded both ways."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.errors import PlaneLostError
from bridge.plane.frames import MAX_FRAME_BYTES, MAX_UNSENT_BYTES, FrameReader, FrameWriter


@asynccontextmanager
async def ends() -> AsyncIterator[tuple[FrameReader, FrameWriter, asyncio.StreamWriter]]:
    """A reader, the frames' writer at the other end, and the plain writer below it."""
    here, there = socket.socketpair()
    reader, back = await asyncio.open_connection(sock=here)
    _, writer = await asyncio.open_connection(sock=there)
    try:
        yield FrameReader(reader), FrameWriter(writer), writer
    finally:
        for each in (back, writer):
            each.transport.abort()


async def test_frames_come_whole_and_in_order() -> None:
    async with ends() as (reader, frames, _):
        sent = [b"", b"one", bytes(100_000)]
        for payload in sent:
            frames.write(payload)
        assert [await reader.read_one() for _ in sent] == sent


async def test_the_end_of_the_other_side_is_no_frame() -> None:
    async with ends() as (reader, frames, _):
        frames.write(b"last")
        await frames.drain()
        frames.close()
        assert frames.is_closing()
        assert await reader.read_one() == b"last"
        assert await reader.read_one() is None


async def test_a_frame_cut_off_in_the_middle_is_none() -> None:
    async with ends() as (reader, _, writer):
        writer.write(b"\x00\x00\x00\x08half")
        writer.close()
        assert await reader.read_one() is None


async def test_a_length_beyond_the_bound_is_not_waited_for() -> None:
    async with ends() as (reader, _, writer):
        writer.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        assert await reader.read_one() is None


async def write_on(frames: FrameWriter, payload: bytes, turns: int) -> None:
    """Twice as much as may wait, with some turns of the loop between the frames."""
    for _ in range(2 * MAX_UNSENT_BYTES // len(payload)):
        frames.write(payload)
        for _ in range(turns):
            await asyncio.sleep(0)


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_reader_that_stopped_counts_as_lost(turns: int) -> None:
    async with ends() as (_, frames, writer):
        payload = bytes(1 << 20)
        with pytest.raises(PlaneLostError, match="stopped reading"):
            await write_on(frames, payload, turns)
        assert frames.is_closing()
        assert writer.transport.get_write_buffer_size() <= MAX_UNSENT_BYTES + 2 * len(payload)


async def test_what_is_written_in_one_turn_leaves_together_and_in_order() -> None:
    async with ends() as (reader, frames, _):
        for number in range(100):
            frames.write(b"%d" % number)
        assert await reader.read() == [b"%d" % number for number in range(100)]
        frames.write(b"last")
        frames.close()
        assert await reader.read_one() == b"last"
        assert await reader.read_one() is None
