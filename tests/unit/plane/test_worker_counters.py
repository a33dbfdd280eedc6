"""What the legs' packets went through is in the worker's statistics, also after the legs are gone."""

import asyncio
import socket
from typing import TypeVar

from bridge.clock import SystemClock
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.peers.ports import free_media_ports
from bridge.plane import messages
from bridge.plane.worker import Worker

HOST = "127.0.0.1"
FIRST = free_media_ports(6)
CONFIG = messages.WorkerConfig(ice_port=0, rtp_port_min=FIRST, rtp_port_max=FIRST + 3)
AUDIO = messages.RtpAudio(HOST, FIRST + 4, FIRST + 5, messages.Codec("PCMU", 0, 8000))


async def test_counters_of_legs_that_are_gone_stay_in_the_sums() -> None:
    said: asyncio.Queue[messages.Event] = asyncio.Queue()
    worker = Worker(CONFIG, SystemClock(), said.put_nowait)
    await worker.start()
    for name in ("leg_1", "leg_2"):
        leg = messages.RtpLegSpec(LegId(name), ParticipantId("prt_1"), RoomId("room_1"), AUDIO)
        worker.execute(messages.DeclareRtpLeg(1, leg))
    ports = [declared.local_port for declared in await take(said, messages.RtpLegDeclared, 2)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for port in ports:
            stranger.sendto(b"neither RTP nor RTCP", (HOST, port))
            stranger.sendto(b"\x80\x00" + bytes(170), (HOST, port))
    await asyncio.sleep(0)  # the loop reads the sockets
    await asyncio.sleep(0)
    worker.execute(messages.RemoveLeg(2, LegId("leg_1")))
    values = (await take(said, messages.WorkerStatistics, 1))[0].values
    worker.close()
    assert values["rtp_malformed_total"] == 2
    assert values["rtp_unlatched_total"] == 2
    assert values["legs"] == 1


E = TypeVar("E")


async def take(said: asyncio.Queue[messages.Event], kind: type[E], count: int) -> list[E]:
    """The next events of one kind."""
    found: list[E] = []
    async with asyncio.timeout(5.0):
        while len(found) < count:
            event = await said.get()
            if isinstance(event, kind):
                found.append(event)
    return found
