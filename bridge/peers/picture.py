"""The picture a synthetic camera shows: who it is and which frame, readable after any codec and scaling.

The upper half is a grid of 8 x 4 bright and dark cells, row by row, most significant bit first:
8 bits picture id, 16 bits frame counter, 8 bits check sum (CRC-8, polynomial 0x07, start 0xFF: neither a
black nor a white picture is valid). The lower half moves, so that the encoder has work to do.
tests/interop/probe.js reads the same grid from a canvas.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

COLUMNS = 8
ROWS = 4
COUNTER_MODULUS = 1 << 16
BRIGHT = 215  # inside the limited range (16-235), so that no conversion clips
DARK = 40
MIDDLE = (BRIGHT + DARK) // 2
DOUBT = 25  # a cell this near the middle is not read: better no reading than a wrong one
GREY = 128
SAMPLES = (0.3, 0.4, 0.5, 0.6, 0.7)  # where a cell is looked at: away from its blurred edges


class Reading(NamedTuple):
    """What one frame says about itself."""

    picture_id: int
    counter: int


def compose(width: int, height: int, reading: Reading) -> Plane:
    """A whole frame as planar yuv420p, shape (height * 3 / 2, width). Width and height must be even."""
    frame = np.full((height * 3 // 2, width), GREY, np.uint8)
    luma = frame[:height]
    ramp = (np.arange(width)[None, :] + np.arange(height // 2, height)[:, None] + 3 * reading.counter) % 256
    luma[height // 2 :] = 60 + ramp // 2
    draw(luma, reading)
    return frame


def draw(luma: Plane, reading: Reading) -> None:
    """Draws the grid into the upper half of a luma plane."""
    height, width = luma.shape
    strip = height // 2
    bits = np.unpackbits(np.frombuffer(_word(reading), np.uint8)).reshape(ROWS, COLUMNS)
    cells = np.where(bits == 1, BRIGHT, DARK).astype(np.uint8)
    rows = np.arange(strip) * ROWS // strip
    columns = np.arange(width) * COLUMNS // width
    luma[:strip] = cells[rows[:, None], columns[None, :]]


def read(luma: Plane) -> Reading | None:
    """Reads the grid from a luma plane of any size; None = it is not there or not legible."""
    height, width = luma.shape
    ys = _sample_points(height // 2, ROWS)
    xs = _sample_points(width, COLUMNS)
    samples = luma[np.ix_(ys, xs)].reshape(ROWS, len(SAMPLES), COLUMNS, len(SAMPLES))
    levels = samples.mean(axis=(1, 3))
    if (np.abs(levels - MIDDLE) < DOUBT).any():
        return None
    word = np.packbits(levels > MIDDLE).tobytes()
    reading = Reading(word[0], int.from_bytes(word[1:3], "big"))
    return reading if _word(reading) == word else None


def read_frame(frame: av.VideoFrame) -> Reading | None:
    """Reads the grid from a decoded frame, of which only the luma plane is looked at."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return read(luma[: frame.height, : frame.width])


def _sample_points(length: int, cells: int) -> npt.NDArray[np.intp]:
    points = (np.arange(cells)[:, None] + np.array(SAMPLES)[None, :]) * length / cells
    whole: npt.NDArray[np.intp] = points.astype(np.intp)
    return whole.ravel()


def _word(reading: Reading) -> bytes:
    word = bytes([reading.picture_id]) + (reading.counter % COUNTER_MODULUS).to_bytes(2, "big")
    return word + bytes([_crc8(word)])


def _crc8(data: bytes) -> int:
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


class FrameTally:
    """Counts which frames of one camera arrived. Repeated and late frames change nothing.

    `modulus` is where the counter begins again: a camera that plays a file in a loop wraps at its length.
    """

    __slots__ = ("_first", "_last", "_modulus", "_seen")

    def __init__(self, modulus: int = COUNTER_MODULUS) -> None:
        self._modulus = modulus
        self._first: int | None = None
        self._last = 0
        self._seen = 0

    def receive(self, counter: int) -> None:
        if self._first is None:
            self._first = self._last = counter
            self._seen = 1
            return
        ahead = (counter - self._last) % self._modulus
        if 0 < ahead < self._modulus // 2:
            self._last += ahead
            self._seen += 1

    @property
    def seen(self) -> int:
        return self._seen

    @property
    def expected(self) -> int:
        """How many frames lie between the first and the last seen, both included."""
        return 0 if self._first is None else self._last - self._first + 1

    @property
    def missing(self) -> int:
        return self.expected - self._seen

    @property
    def missing_ratio(self) -> float:
        """1.0 when nothing came at all: no picture is not a perfect picture."""
        return self.missing / self.expected if self.expected else 1.0


def write_y4m(path: Path, size: tuple[int, int], frames_per_second: int, readings: Iterable[Reading]) -> None:
    """Writes an uncompressed video file, as Chromium's fake camera takes it."""
    width, height = size
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{frames_per_second}:1 Ip A1:1 C420\n".encode())
        for reading in readings:
            file.write(b"FRAME\n")
            file.write(compose(width, height, reading).tobytes())
