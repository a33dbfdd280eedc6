"""A synthetic browser: aiortc driven over the websocket, as agent or expert, with a tone and a counter picture.

It measures by content what arrives: which tones it hears in each second, whose frames it sees and how
many of them are missing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from aiortc import (
    InvalidStateError,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from bridge.peers.beside import beside
from bridge.peers.browser.path import path_works
from bridge.peers.browser.signaling_client import (
    CommandFailedError,
    Event,
    SignalingClient,
    guest_client,
    signaling_client,
)
from bridge.peers.camera import AUDIO_RATE_HZ, Camera, Microphone, never
from bridge.peers.hearing import Hearing
from bridge.peers.picture import FrameTally, read_frame
from bridge.peers.tone import Samples, Tone
from bridge.peers.within import within

STATISTICS_S = 0.2
CLOSING_S = 15.0
OFFERS_WAITING = 16  # of the bridge, one after the other; more than this at once is a fault of the bridge


@dataclass(frozen=True)
class Appearance:
    """What a synthetic browser plays and shows, and for which tones it listens.

    `listens_for` maps a name to a frequency. `tones_hz` None is no microphone, () one that stays silent; without a
    `picture_id` there is no camera. A frame whose counter `skips` is lost before the encoder.
    """

    tones_hz: tuple[float, ...] | None
    listens_for: Mapping[str, float]
    picture_id: int | None = None
    first_counter: int = 0
    skips: Callable[[int], bool] = never


@dataclass
class Traffic:
    """What the wire carried, over all tracks. `last_packet_at` is accurate to STATISTICS_S."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    jitter_ms: float = 0.0
    last_packet_at: float = 0.0


@dataclass
class SyntheticBrowser:
    """One desktop. Use `synthetic_browser` to make one.

    `tallies` counts the frames seen by the picture id they carry; `unreadable` those that carry none.
    """

    client: SignalingClient
    appearance: Appearance
    hearing: Hearing
    tallies: dict[int, FrameTally] = field(default_factory=dict)
    unreadable: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    connected_at: float | None = None
    leg_id: str = ""
    microphone: Microphone | None = None
    camera: Camera | None = None
    peer_connection: RTCPeerConnection | None = None
    _offers: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(OFFERS_WAITING))
    _negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: asyncio.TaskGroup | None = None
    _prove_every_s: float = 0.0  # not before the first proof

    def __post_init__(self) -> None:
        self.client.on_event = self._receive_event

    async def go_ready(self, role: str) -> None:
        """Asks for offers, as `agent` or as `sme`, and proves from now on that it can take them."""
        await self.client.command("setPresence", presence="ready", role=role)
        await self.prove()

    async def prove(self) -> None:
        """What the desktop page says of itself, found out here: the devices there are, and a way for media."""
        probe = await self.client.command("getMediaProbe")
        self._prove_every_s = probe["proveEveryS"]
        works = await path_works(probe)
        look = self.appearance
        microphone, camera = look.tones_hz is not None, look.picture_id is not None
        await self.client.command("proveReady", microphone=microphone, camera=camera, ice=works)

    async def accept_offer(self, timeout_s: float = 30.0) -> str:
        """Waits for an offer, accepts it and connects its media; returns the interaction id."""
        made = await self.client.wait_for(_is_live_offer(self.client), timeout_s)
        offer = made["offer"]
        await self.client.command("acceptOffer", offerId=offer["offerId"])
        interaction_id: str = offer["interactionId"]
        await self.join(interaction_id)
        return interaction_id

    async def join(self, interaction_id: str) -> None:
        """Makes the one connection of this browser to the interaction."""
        assert self.peer_connection is None, "one connection at a time: leave first"
        connection = self.peer_connection = self._new_connection()
        async with self._negotiating:
            await connection.setLocalDescription(await connection.createOffer())
            result = await self.client.command(
                "offerMedia", interactionId=interaction_id, sdp=connection.localDescription.sdp
            )
            self.leg_id = result["legId"]
            await connection.setRemoteDescription(RTCSessionDescription(result["sdp"], "answer"))

    async def close_media(self) -> None:
        """Closes the connection without a word, as a browser does that is shut."""
        connection, self.peer_connection = self.peer_connection, None
        if connection is not None:
            await within(CLOSING_S, connection.close())

    async def run(self) -> None:
        """Answers the bridge's offers and reads what arrives, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._watch_statistics())
                self._tasks.create_task(self._keep_proving())
                while True:
                    await self._answer(await self._offers.get())
        finally:
            await self.close_media()

    def _new_connection(self) -> RTCPeerConnection:
        # No STUN server: the bridge has a host candidate, and the default one is a stranger's.
        connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        connection.on("track", self._receive_track)
        connection.on("connectionstatechange", self._note_connection_state)
        look = self.appearance
        if look.tones_hz is not None:
            self.microphone = Microphone(Tone(look.tones_hz, AUDIO_RATE_HZ))
            connection.addTrack(self.microphone)
        if look.picture_id is not None:
            self.camera = Camera(look.picture_id, look.first_counter, look.skips)
            connection.addTrack(self.camera)
        return connection

    def _note_connection_state(self) -> None:
        connection = self.peer_connection
        if connection is not None and connection.connectionState == "connected":
            self.connected_at = asyncio.get_running_loop().time()

    def _receive_event(self, event: Event) -> None:
        if event["event"] == "mediaOffered":
            self._offers.put_nowait(event)

    async def _answer(self, offered: Event) -> None:
        async with self._negotiating:
            connection = self.peer_connection
            if connection is None or offered["legId"] != self.leg_id:
                return  # an offer for a leg we closed meanwhile
            try:
                await connection.setRemoteDescription(RTCSessionDescription(offered["sdp"], "offer"))
                await connection.setLocalDescription(await connection.createAnswer())
            except InvalidStateError:
                # Closed while this was worked on, by either side: nobody waits for an answer.
                if self.peer_connection is connection and not await _closes(connection):
                    raise
                return
            answer = connection.localDescription.sdp
            try:
                await self.client.command("answerMedia", legId=offered["legId"], sdp=answer)
            except CommandFailedError as refused:
                # The call ended while this was worked on: nobody waits for an answer.
                if refused.refusal != "not_found":
                    raise

    def _receive_track(self, track: MediaStreamTrack) -> None:
        assert self._tasks is not None
        read = self._listen(track) if track.kind == "audio" else self._watch(track)
        self._tasks.create_task(read)

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                self.hearing.receive(mono(frame), asyncio.get_running_loop().time())

    async def _watch(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame)
                reading = read_frame(frame)
                if reading is None:
                    self.unreadable += 1
                else:
                    self.tallies.setdefault(reading.picture_id, FrameTally()).receive(reading.counter)

    async def _keep_proving(self) -> None:
        while True:
            await asyncio.sleep(self._prove_every_s or STATISTICS_S)
            if self._prove_every_s:
                with contextlib.suppress(CommandFailedError):  # the bridge is away: who comes back says so
                    await self.prove()

    async def _watch_statistics(self) -> None:
        while True:
            await asyncio.sleep(STATISTICS_S)
            if self.peer_connection is not None:
                self._note_statistics(await self.peer_connection.getStats())

    def _note_statistics(self, report: Mapping[str, Any]) -> None:
        received = [entry for entry in report.values() if entry.type == "inbound-rtp"]
        sent = [entry for entry in report.values() if entry.type == "outbound-rtp"]
        packets = sum(entry.packetsReceived for entry in received)
        if packets > self.traffic.packets_received:
            self.traffic.last_packet_at = asyncio.get_running_loop().time()
        self.traffic.packets_received = max(packets, self.traffic.packets_received)
        self.traffic.packets_sent = sum(entry.packetsSent for entry in sent)
        self.traffic.packets_lost = sum(entry.packetsLost for entry in received)
        # aiortc counts jitter in units of the RTP clock: only the audio one is known to be 48 kHz.
        jitters = [entry.jitter for entry in received if entry.kind == "audio"]
        self.traffic.jitter_ms = max(jitters, default=0) * 1000 / AUDIO_RATE_HZ


async def _closes(connection: RTCPeerConnection) -> bool:
    """Whether it is closed or about to be: aiortc refuses everything at once and says so at the end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            while connection.connectionState != "closed":  # noqa: ASYNC110 - its event may be over already
                await asyncio.sleep(STATISTICS_S)
    return connection.connectionState == "closed"


def mono(frame: av.AudioFrame) -> Samples:
    """The mean of the channels of a packed 16 bit frame, as aiortc's Opus decoder gives them."""
    channels = len(frame.layout.channels)
    samples: Samples = frame.to_ndarray().reshape(-1, channels).mean(axis=1).astype(np.int16)
    return samples


def _is_live_offer(client: SignalingClient) -> Callable[[Event], bool]:
    def is_live(event: Event) -> bool:
        if event["event"] != "offerMade":
            return False
        offer_id = event["offer"]["offerId"]
        ended = (heard.event for heard in client.events if heard.event["event"] == "offerEnded")
        return all(event["offer"]["offerId"] != offer_id for event in ended)

    return is_live


@contextlib.asynccontextmanager
async def synthetic_browser(url: str, token: str, appearance: Appearance) -> AsyncIterator[SyntheticBrowser]:
    """A connected and authenticated browser; its connections end with the block."""
    async with signaling_client(url, token) as client:
        hearing = Hearing(appearance.listens_for, AUDIO_RATE_HZ)
        browser = SyntheticBrowser(client, appearance, hearing)
        async with beside(browser.run()):
            yield browser


@contextlib.asynccontextmanager
async def synthetic_companion(
    url: str, token: str, secret: str, picture_id: int
) -> AsyncIterator[SyntheticBrowser]:
    """The browser of a caller who pressed join on a companion link: a camera and no microphone."""
    async with guest_client(url, token, secret) as client:
        look = Appearance(None, {}, picture_id)
        browser = SyntheticBrowser(client, look, Hearing({}, AUDIO_RATE_HZ))
        async with beside(browser.run()):
            yield browser
