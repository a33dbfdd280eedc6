"""Plain RTP phones in one room, through the media worker and through Janus' AudioBridge, in the same run.

The same phones with the same payloads; both bridges receive, decode, mix N-1 at 48 kHz, encode and send 50
packets a second to every phone, which is checked by what the phones received.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.ids import LegId, ParticipantId, RoomId
from bridge.plane import messages
from bridge.plane.messages import Codec
from tests.bench import janus
from tests.bench.cpu import CpuMeter
from tests.bench.figure import Figure, middle
from tests.bench.footage import OPUS
from tests.bench.media_worker import running_worker
from tests.bench.rtp_phones import Lines, PhoneCrowd, phone_crowd

PCMU = Codec("PCMU", 0, 8_000)
SIZES = ((OPUS, 10, 3), (OPUS, 10, 10), (OPUS, 50, 3), (PCMU, 10, 10), (PCMU, 50, 50))
SETTLE_S = 5.0  # gates have closed, jitter buffers have their depth
WINDOWS = 3
IN_TIME_PPS = 48
LEAST_PPS = 5  # with fewer the costs of standing still would count as those of a packet
PEER = f"{janus.NAME} AudioBridge, RTP participants, room at 48 kHz"
ROOM = RoomId("room_bench")


@dataclass(frozen=True)
class Cost:
    """CPU by the packets that the phones got, None if they got hardly any, and how many one got in a second."""

    us: float | None
    pps: float


def run(window_s: float) -> Iterator[str | Figure]:
    for codec, phones, talkers in SIZES:
        lines = Lines(codec, phones, talkers)
        talk = "all" if talkers == phones else str(talkers)
        name = f"{codec.name}, {phones} legs over RTP, {talk} talk"
        yield name
        ours = asyncio.run(_of_worker(lines, window_s))
        theirs = _of_janus(lines, window_s) if janus.is_installed() else None
        yield Figure(
            "conference",
            name,
            ours.us or float("nan"),
            "us/packet sent",
            theirs.us if theirs else None,
            PEER if theirs else "",
            note=_note(ours, theirs),
        )


def _note(ours: Cost, theirs: Cost | None) -> str:
    if theirs is None:
        return janus.MISSING
    if min(ours.pps, theirs.pps) > IN_TIME_PPS:
        return "the whole process; each phone got its 50 packets/s, one a leg and 20 ms"
    return f"not in time: a phone got {ours.pps:.0f} of 50 packets/s from us and {theirs.pps:.0f} from Janus"


async def _of_worker(lines: Lines, window_s: float) -> Cost:
    with phone_crowd(lines) as crowd:
        async with running_worker() as worker:
            people = tuple(ParticipantId(f"prt_{n}") for n in range(lines.phones))
            rows = tuple(messages.Hearing(person, people) for person in people)
            await worker.plane.request(messages.DeclareRoom(0, messages.RoomSpec(ROOM, rows)))
            ports = []
            for number, (person, port) in enumerate(zip(people, crowd.ports, strict=True)):
                audio = messages.RtpAudio("127.0.0.1", port, port + 1, lines.codec)
                leg = messages.RtpLegSpec(LegId(f"leg_{number}"), person, ROOM, audio)
                ports.append(await worker.declare_phone(leg))
            crowd.begin(ports)
            return await asyncio.to_thread(_measured, worker.cpu, crowd, lines.phones, window_s)


def _of_janus(lines: Lines, window_s: float) -> Cost:
    with phone_crowd(lines) as crowd, janus.running_janus() as (api, pid):
        room = {"request": "create", "room": 1, "sampling_rate": 48_000, "allow_rtp_participants": True}
        api.attach("audiobridge").ask(room)
        ports = []
        for port in crowd.ports:
            rtp = {"ip": "127.0.0.1", "port": port, "payload_type": lines.codec.payload_type}
            joined, _ = api.attach("audiobridge").ask(
                {"request": "join", "room": 1, "codec": lines.codec.name.lower(), "rtp": rtp}
            )
            ports.append(joined["rtp"]["port"])
        crowd.begin(ports)
        return _measured(CpuMeter(pid), crowd, lines.phones, window_s)


def _measured(cpu: CpuMeter, crowd: PhoneCrowd, phones: int, window_s: float) -> Cost:
    time.sleep(SETTLE_S)
    costs, rates = [], []
    for _ in range(WINDOWS):
        spent, at, before = cpu.seconds(), time.monotonic(), crowd.received()
        time.sleep(window_s)
        spent, wall_s, got = cpu.seconds() - spent, time.monotonic() - at, crowd.received() - before
        costs.append(spent / max(1, got) * 1e6)
        rates.append(got / wall_s / phones)
    rate = middle(rates)
    return Cost(middle(costs) if rate > LEAST_PPS else None, rate)
