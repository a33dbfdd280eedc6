"""A log that cannot be written: neither an error nor a wait reaches whoever logs, and what is missing is said."""

import contextlib
import fcntl
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.log_stream import LogStream

LINE = json.dumps({"event": "= answered", "leg": "leg_1", "more": "x" * 300}) + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(end)


def read_all(reader: int) -> str:
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)
    found = b""
    while True:
        try:
            found += os.read(reader, 1 << 16)
        except BlockingIOError:
            return found.decode()


def test_a_line_is_there_as_soon_as_it_is_written(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    stream = LogStream(writer)
    stream.write("Größe \udc80\n")
    assert read_all(reader) == "Größe \\udc80\n"
    assert stream.lost == 0


def test_a_reader_that_stands_still_is_not_waited_for_and_hears_what_it_missed(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    stream = LogStream(writer)
    for _ in range(2000):
        stream.write(LINE)
    assert stream.lost > 1000
    missed = stream.lost
    lines = read_all(reader).splitlines()
    assert len(lines) + missed >= 2000
    stream.write(LINE)
    *_, told, last = read_all(reader).splitlines()
    assert json.loads(told) == {"lines": missed, "event": "x log lines lost", "level": "warning"}
    assert last + "\n" == LINE
    stream.write(LINE)
    assert read_all(reader) == LINE


def test_a_reader_that_is_gone_costs_lines(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    stream = LogStream(writer)
    stream.write(LINE)
    assert stream.lost == 1


def test_on_a_full_disk_lines_are_missing_and_those_after_it_are_whole(tmp_path: Path) -> None:
    """By the limit of a file's size, which stops a write in the middle of a line as a full disk does."""
    path = tmp_path / "log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with path.open("ab") as file:
        stream = LogStream(file.fileno())
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINE) * 5 // 2, before[1]))
            for _ in range(5):
                stream.write(LINE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert stream.lost == 3
        stream.write(LINE)
    first, second, cut, told, last = path.read_text().splitlines(keepends=True)
    assert first == second == last == LINE
    assert LINE.startswith(cut.rstrip("\n"))
    assert json.loads(told)["lines"] == 3
