"""The picture of a synthetic phone: a counter film in VP8 or H.264 over RTP, and a reader of what comes."""

import asyncio
import contextlib
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from aiortc.codecs import depayload, get_decoder, get_encoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket as ReferencePacket

from bridge.errors import ParseError
from bridge.peers.camera import VIDEO_CLOCK_RATE_HZ, Beat
from bridge.peers.phone.rtp_pair import RtpPair, is_rtcp
from bridge.peers.picture import FrameTally, Reading, compose, read_frame
from bridge.plane.messages import Codec, RtpVideo
from bridge.wire.rtcp import (
    FullIntraRequest,
    PictureLossIndication,
    ReceiverReport,
    RtcpPacket,
    parse_rtcp,
    serialize_rtcp,
)
from bridge.wire.rtp import RtpPacket, serialize_rtp

if TYPE_CHECKING:
    from aiortc.codecs.base import Decoder, Encoder
    from aiortc.jitterbuffer import JitterFrame
    from av.frame import Frame

SIZE = (320, 240)
FRAMES_PER_SECOND = 15
BUFFERED_PACKETS = 128
ASK_EVERY_S = 0.5


class PicturePhone(asyncio.DatagramProtocol):
    """Sends its film while that is agreed; `tallies` counts the frames it reads by their picture id."""

    def __init__(self, picture_id: int, token_hex: Callable[[int], str]) -> None:
        self._picture_id = picture_id
        self._ssrc = int(token_hex(4), 16)
        self._sequence_number = int(token_hex(2), 16)
        self._pair = RtpPair()
        self._video: RtpVideo | None = None
        self._encoder: Encoder | None = None
        self._decoders: dict[int, tuple[RTCRtpCodecParameters, Decoder, JitterBuffer]] = {}
        self._key_frame_due = False
        self._ask_at = 0.0
        self.tallies: dict[int, FrameTally] = {}
        self.unreadable = 0
        self.ssrcs: set[int] = set()  # of all streams that came
        self.sent = 0
        self.key_frames_asked = 0

    @property
    def port(self) -> int:
        return self._pair.address[1]

    @property
    def pair(self) -> RtpPair:
        """Its sockets, and the keys of what goes over them."""
        return self._pair

    async def open(self, host: str) -> None:
        await self._pair.open(host, self, self)

    def close(self) -> None:
        self._pair.close()

    def follow(self, video: RtpVideo | None) -> None:
        """Does what is agreed from now on. None: a voice call."""
        before, self._video = self._video, video
        codec = video.down_codecs[0] if video is not None else None
        if codec is None:
            self._encoder = None
        elif self._encoder is None or before is None or before.down_codecs[0] != codec:
            self._encoder = get_encoder(_parameters(codec))
        taken_before = () if before is None else before.up_codecs
        if video is not None and video.up_codecs == taken_before:
            return  # a stream that goes on is decoded on
        self._decoders = {}
        for taken in video.up_codecs if video is not None else ():
            parameters = _parameters(taken)
            buffer = JitterBuffer(capacity=BUFFERED_PACKETS, is_video=True)
            self._decoders[taken.payload_type] = (parameters, get_decoder(parameters), buffer)

    async def run(self) -> None:
        """A picture on each beat, until cancelled."""
        beat = Beat(1 / FRAMES_PER_SECOND)
        while True:
            number = await beat.next()
            if self._video is not None and self._video.sends and self._pair.is_open:
                self._send_picture(self._video, number)

    def _send_picture(self, video: RtpVideo, number: int) -> None:
        if self._encoder is None:
            return
        picture = compose(*SIZE, Reading(self._picture_id, number))
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number * VIDEO_CLOCK_RATE_HZ // FRAMES_PER_SECOND
        frame.time_base = Fraction(1, VIDEO_CLOCK_RATE_HZ)
        payloads, timestamp = self._encoder.encode(frame, force_keyframe=self._key_frame_due)
        self._key_frame_due = False
        remote = (video.remote_address, video.remote_port)
        for place, payload in enumerate(payloads):
            last = place == len(payloads) - 1
            self._sequence_number = self._sequence_number + 1 & 0xFFFF
            packet = RtpPacket(
                video.down_codecs[0].payload_type,
                self._sequence_number,
                timestamp & 0xFFFFFFFF,
                self._ssrc,
                payload,
                marker=last,
            )
            self._pair.send(serialize_rtp(packet), remote)
        self.sent += 1

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        plain = self._pair.read(data)
        if plain is None:
            return
        if is_rtcp(plain):
            self._receive_rtcp(plain)
            return
        with contextlib.suppress(ValueError):  # aiortc's word for what is no RTP or no payload of the codec
            self._receive_rtp(ReferencePacket.parse(plain))

    def _receive_rtp(self, packet: ReferencePacket) -> None:
        found = self._decoders.get(packet.payload_type)
        if found is None:
            return
        self.ssrcs.add(packet.ssrc)
        parameters, decoder, buffer = found
        packet._data = depayload(parameters, packet.payload)  # type: ignore[attr-defined] # noqa: SLF001
        lost, encoded = buffer.add(packet)
        frames = _decode(decoder, encoded) if encoded is not None else []
        if lost or (encoded is not None and not frames):
            self._ask_for_key_frame(packet.ssrc)
        for frame in frames:
            reading = read_frame(frame) if isinstance(frame, av.VideoFrame) else None
            if reading is None:
                self.unreadable += 1
            else:
                self.tallies.setdefault(reading.picture_id, FrameTally()).receive(reading.counter)

    def _ask_for_key_frame(self, ssrc: int) -> None:
        """What cannot be decoded began before this phone heard that it would, or lost its beginning."""
        now = asyncio.get_running_loop().time()
        if self._video is None or now < self._ask_at:
            return
        self._ask_at = now + ASK_EVERY_S
        request: list[RtcpPacket] = [ReceiverReport(self._ssrc, ()), PictureLossIndication(self._ssrc, ssrc)]
        self._pair.send(serialize_rtcp(request), (self._video.remote_address, self._video.remote_port))

    def _receive_rtcp(self, data: bytes) -> None:
        with contextlib.suppress(ParseError):
            asked = (PictureLossIndication, FullIntraRequest)
            if any(isinstance(item, asked) for item in parse_rtcp(data)):
                self.key_frames_asked += 1
                self._key_frame_due = True


def _decode(decoder: "Decoder", encoded: "JitterFrame") -> "list[Frame]":
    try:
        return decoder.decode(encoded)
    except ValueError:  # VP8 that did not begin with a key frame makes pictures of no size
        return []


def _parameters(codec: Codec) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(
        mimeType=f"video/{codec.name}", clockRate=codec.clock_rate_hz, payloadType=codec.payload_type
    )
