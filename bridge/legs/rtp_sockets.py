"""Where a phone's leg gets its sockets from."""

import asyncio
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.transport.batch import PacketIO
from bridge.transport.ports import RtpPortPool


@dataclass(frozen=True)
class RtpSockets:
    """What all phone legs of a worker share."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    pool: RtpPortPool
    io: PacketIO
    timeout_s: float
