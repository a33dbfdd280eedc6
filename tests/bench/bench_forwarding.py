"""CPU of the whole media worker per packet, in rooms of two browsers, beside stock aiortc in the same run.

Legs, ICE, DTLS, SRTP, NACK and RTX, transport-cc feedback, reports, forwarder and mixer are all in it. Video is
forwarded; audio is decoded, mixed and encoded by both bridges, so video alone is measured first.
"""

import asyncio
import time
from collections.abc import Iterator

from bridge.codec.opus import OpusDecoder, OpusEncoder
from tests.bench import janus
from tests.bench.figure import Figure, middle
from tests.bench.footage import OPUS, spoken
from tests.bench.janus_rooms import measure_janus
from tests.bench.relay_rooms import measure_relay
from tests.bench.rooms import AUDIO_PPS, AUDIO_SHARE, VIDEO_PPS, RoomLoad
from tests.bench.worker_rooms import measure_worker

ROOMS = 10
WINDOWS = 5
AIM_US = 60.0
CODEC_ROUNDS = 9


def run(window_s: float) -> Iterator[str | Figure]:
    yield f"{ROOMS} rooms of two browsers through the media worker"
    worker = asyncio.run(measure_worker(ROOMS, WINDOWS, window_s))
    yield "one room of two through stock aiortc"
    relay = measure_relay(WINDOWS, window_s)
    ours = worker.rooms
    yield f"{ROOMS} rooms of two through Janus"
    theirs, why = _janus(window_s)

    def beside(name: str, value: float, peer: float, aim: float | None = None, note: str = "") -> Figure:
        return Figure("forwarding", name, value, "us/packet", peer, "aiortc MediaRelay", aim, note)

    yield beside(
        f"video, {VIDEO_PPS} packets/s a browser",
        ours.video_us,
        relay.video_us,
        AIM_US,
        f"{ROOMS} rooms of two, all the worker does; aiortc: one room, decodes and encodes",
    )
    yield beside(
        f"video and audio, {VIDEO_PPS + AUDIO_PPS} packets/s a browser",
        ours.both_us,
        relay.both_us,
        note="video forwarded, audio decoded, mixed and encoded; all talk",
    )
    yield beside(
        "of it, an audio packet",
        ours.audio_us,
        relay.audio_us,
        note="difference of the two loads: its decoding, the mix, its encoding; what is no forwarding",
    )
    codec_us = _codec_us()
    note = "one decode and one encode of the same payloads, in this process"
    yield Figure("forwarding", "of that, libopus", codec_us, "us/packet", note=note)
    yield Figure(
        "forwarding",
        "video and audio, all but libopus",
        ours.both_us - AUDIO_SHARE * codec_us,
        "us/packet",
        aim=AIM_US,
        note="the difference of the two figures: what the bridge's own code and the kernel cost",
    )
    yield from _beside_janus(ours, theirs, why)
    note = "ticks, checks, reports"
    yield Figure("forwarding", "a silent leg, per second", worker.idle_us, "us", note=note)


def _codec_us() -> float:
    """CPU of libopus for a leg and 20 ms."""
    decoder, encoder, payloads = OpusDecoder(), OpusEncoder(), spoken(OPUS, 1)
    costs = []
    for _ in range(CODEC_ROUNDS):
        began = time.process_time()
        for payload in payloads:
            encoder.encode(decoder.decode(payload))
        costs.append((time.process_time() - began) / len(payloads) * 1e6)
    return middle(costs)


def _janus(window_s: float) -> tuple[RoomLoad | None, str]:
    """Its load, or why there is none."""
    if not janus.is_installed():
        return None, janus.MISSING
    try:
        return measure_janus(ROOMS, WINDOWS, window_s), ""
    except janus.JanusError as error:
        return None, f"no figures beside Janus in this run: {error}"


def _beside_janus(ours: RoomLoad, theirs: RoomLoad | None, why: str) -> Iterator[Figure]:
    """The same rooms through Debian's Janus; FreeSWITCH and LiveKit are no packages of Debian."""
    if theirs is None:
        yield Figure("forwarding", "video, beside Janus", ours.video_us, "us/packet", note=why)
        return
    peer = f"{janus.NAME} VideoRoom, Debian default but ICE-lite"
    rooms = f"{ROOMS} rooms of two both; Janus has two connections a browser"
    yield Figure(
        "forwarding", "video, beside Janus", ours.video_us, "us/packet", theirs.video_us, peer, note=rooms
    )
    yield Figure(
        "forwarding",
        "video and audio, beside Janus",
        ours.both_us,
        "us/packet",
        theirs.both_us,
        peer,
        note="Janus forwards the audio as it is, we mix it: see conference for its mixer",
    )
