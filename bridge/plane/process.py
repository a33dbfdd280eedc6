"""The media worker as a process: `python -m bridge.plane.process FD`, started by `bridge.plane.host`.

It reads its `WorkerConfig` and then commands from the socketpair, and ends when that closes. Signals for the
whole group (Ctrl-C in a terminal) are the daemon's to answer: it drains first and closes the socket last.
"""

import asyncio
import gc
import signal
import socket
import sys

import msgspec
import structlog
import uvloop

from bridge.clock import SystemClock
from bridge.errors import PlaneLostError, SettingsError
from bridge.logs import configure_logs
from bridge.plane import messages
from bridge.plane.frames import FrameReader, FrameWriter
from bridge.plane.worker import Worker
from bridge.settings.process import Log

log = structlog.get_logger()
_ENCODER = msgspec.msgpack.Encoder()
_CONFIG = msgspec.msgpack.Decoder(messages.WorkerConfig)
_COMMAND: msgspec.msgpack.Decoder[messages.Command] = msgspec.msgpack.Decoder(messages.Command)


async def run_worker(sock: socket.socket) -> None:
    """Runs one worker over `sock` until the other side closes it."""
    reader, writer = await asyncio.open_connection(sock=sock)
    frames, commands = FrameWriter(writer), FrameReader(reader)
    first = await commands.read_one()
    if first is None:
        return
    config = _CONFIG.decode(first)
    configure_logs(Log.model_validate({"level": config.log_level, "format": config.log_format}))

    def emit(event: messages.Event) -> None:
        try:
            frames.write(_ENCODER.encode(event))
        except PlaneLostError as error:
            log.error("! control plane lost", reason=error.reason)

    worker = Worker(config, SystemClock(), emit)
    try:
        await worker.start()
    except SettingsError as error:
        emit(messages.CommandRefused(0, error.code, error.reason))
        await frames.drain()
        return
    # What is alive now lives as long as the process: keep it out of every later pass (37-266 ms otherwise).
    gc.collect()
    gc.freeze()
    try:
        while (together := await commands.read()) is not None:
            for frame in together:
                worker.execute(_COMMAND.decode(frame))
    finally:
        worker.close()


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.settimeout(0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(sock))
    return 0


if __name__ == "__main__":
    sys.exit(main())
