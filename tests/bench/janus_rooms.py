"""Rooms of two through Janus' VideoRoom: the same browsers' packets, forwarded. It forwards audio too, unmixed."""

import contextlib
import multiprocessing
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bridge.plane.messages import Fingerprint, IceCredentials
from bridge.wire.sdp import parse_session_description
from tests.bench.cpu import CpuMeter
from tests.bench.footage import OPUS
from tests.bench.janus import Handle, JanusApi, JanusError, running_janus
from tests.bench.janus_browsers import run_pairs
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
    video_ssrc,
)
from tests.bench.rooms import RoomLoad, Window

SETTLE_S = 3.0
TRIES = 3  # on a busy machine one of forty ICE agents sometimes gives up


def measure_janus(rooms: int, windows: int, window_s: float) -> RoomLoad:
    """Video alone, then with audio. JanusError where it cannot be done on this machine now."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(JanusError):
            return _measured(rooms, windows, window_s)
    return _measured(rooms, windows, window_s)


def _measured(rooms: int, windows: int, window_s: float) -> RoomLoad:
    spawning = multiprocessing.get_context("spawn")
    orders, theirs = spawning.Pipe()
    process = spawning.Process(target=run_pairs, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        with running_janus() as (api, pid):
            _connect(api, orders, rooms)
            meter = CpuMeter(pid)
            loads = []
            for audio in (False, True):
                orders.send((True, audio))
                time.sleep(SETTLE_S)
                loads.append([_window(meter, orders, window_s) for _ in range(windows)])
            orders.send(None)
            process.join(5.0)
            return RoomLoad(*loads)
    finally:
        process.kill()
        process.join()


def _window(meter: CpuMeter, orders: Connection, window_s: float) -> Window:
    before, cpu_s = _tally(orders), meter.seconds()
    time.sleep(window_s)
    after, cpu_s = _tally(orders), meter.seconds() - cpu_s
    return Window(cpu_s, after.media_received - before.media_received)


def _tally(orders: Connection) -> Tally:
    orders.send("tally")
    tally = orders.recv()
    assert isinstance(tally, Tally)
    return tally


def _connect(api: JanusApi, orders: Connection, rooms: int) -> None:
    legs = 2 * rooms
    orders.send(legs)
    fingerprint, ports = orders.recv()
    for room in range(1, rooms + 1):
        api.attach("videoroom").ask({"request": "create", "room": room, "publishers": 2, "videocodec": "vp8"})
    side = _Side(fingerprint, _own_address(), ports)
    for number in range(legs):  # at once each: Janus gives a connection that is not checked some seconds
        orders.send(_publish(api.attach("videoroom"), number, side))
        _expect_up(orders)
    for number in range(legs):
        orders.send(_watch(api.attach("videoroom"), number, legs, side))
        _expect_up(orders)


def _expect_up(orders: Connection) -> None:
    outcome = orders.recv()
    if outcome != "up":
        raise JanusError(f"a connection {outcome}")


@dataclass(frozen=True)
class _Side:
    """What all browsers have in common, and the port of each connection."""

    fingerprint: Fingerprint
    host: str
    ports: list[int]


def _own_address() -> str:
    """What Janus takes for this machine: it does not use 127.0.0.1. The packets stay on loopback all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        host: str = sock.getsockname()[0]
        return host


def _publish(handle: Handle, number: int, side: _Side) -> Invitation:
    handle.ask({"request": "join", "ptype": "publisher", "room": number // 2 + 1, "id": number + 1})
    offer = _description(number, side, "sendonly", number)
    _, answer = handle.ask({"request": "publish"}, ("offer", offer))
    return _invitation(answer, number, number)


def _watch(handle: Handle, number: int, legs: int, side: _Side) -> Invitation:
    feed = (number ^ 1) + 1
    request = {"request": "join", "ptype": "subscriber", "room": number // 2 + 1, "streams": [{"feed": feed}]}
    _, offer = handle.ask(request)
    answer = _description(legs + number, side, "recvonly")
    handle.ask({"request": "start"}, ("answer", answer))
    return _invitation(offer, legs + number, number)


def _credentials(connection: int) -> IceCredentials:
    return IceCredentials(f"brws{connection}", f"browser-password-{connection:06}")


def _invitation(description: str, connection: int, number: int) -> Invitation:
    """What Janus' side of the description says."""
    session = parse_session_description(description)
    section = session.media[0]
    algorithm, value = session.fingerprints(section)[0]
    ufrag, password = session.inherited(section, "ice-ufrag"), session.inherited(section, "ice-pwd")
    candidate = section.attributes.value("candidate")
    assert ufrag is not None
    assert password is not None
    assert candidate is not None
    _, _, _, _, host, port, *_ = candidate.split(" ")
    ours = IceCredentials(ufrag, password)
    return Invitation(
        (host, int(port)), Fingerprint(algorithm, value), ours, _credentials(connection), number
    )


def _description(connection: int, side: _Side, direction: str, sends: int | None = None) -> str:
    """A browser's offer or answer, as far as Janus reads it."""
    ice = _credentials(connection)
    shared = (
        "c=IN IP4 0.0.0.0",
        f"a={direction}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{ice.ufrag}",
        f"a=ice-pwd:{ice.pwd}",
        f"a=fingerprint:{side.fingerprint.algorithm} {side.fingerprint.value}",
        "a=setup:active",
        f"a=candidate:1 1 udp 2015363327 {side.host} {side.ports[connection]} typ host",
        f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid",
        f"a=extmap:{TRANSPORT_CC_ID} "
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    )
    audio = (
        f"m=audio 9 UDP/TLS/RTP/SAVPF {OPUS.payload_type}",
        f"a=mid:{AUDIO_MID}",
        f"a=rtpmap:{OPUS.payload_type} opus/48000/2",
        f"a=fmtp:{OPUS.payload_type} {OPUS.fmtp}",
        *shared,
        *([f"a=ssrc:{audio_ssrc(sends)} cname:browser"] if sends is not None else ()),
    )
    video = (
        f"m=video 9 UDP/TLS/RTP/SAVPF {VP8_TYPE} {RTX_TYPE}",
        f"a=mid:{VIDEO_MID}",
        f"a=rtpmap:{VP8_TYPE} VP8/90000",
        *(f"a=rtcp-fb:{VP8_TYPE} {kind}" for kind in ("nack", "nack pli", "transport-cc")),
        f"a=rtpmap:{RTX_TYPE} rtx/90000",
        f"a=fmtp:{RTX_TYPE} apt={VP8_TYPE}",
        *shared,
        *([f"a=ssrc:{video_ssrc(sends)} cname:browser"] if sends is not None else ()),
    )
    bundle = f"a=group:BUNDLE {AUDIO_MID} {VIDEO_MID}"
    head = ("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", bundle)
    return "\r\n".join((*head, *audio, *video, ""))
