"""Real VP8 and H.264 streams of two cameras, forwarded to one viewer that decodes them with FFmpeg."""

import random
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs import depayload
from aiortc.codecs.base import Decoder, Encoder
from aiortc.codecs.h264 import H264Decoder, H264Encoder
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket as ReferencePacket

from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds
from bridge.wire.rtp import RtpPacket, serialize_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, H264, VP8, up_spec

SEQUENCE_START = {60: 65_500, 200: 17}


class RealCamera:
    """Encodes a plain grey of one brightness."""

    def __init__(self, encoder: Encoder, codec: Codec, luma: int) -> None:
        self.luma = luma
        self._encoder = encoder
        self._codec = codec
        self._sequence_number = SEQUENCE_START[luma]
        self._frames = 0

    def frame(self, *, key: bool) -> list[bytes]:
        noise = np.random.default_rng(self._frames).integers(-8, 8, (240, 320))
        picture = np.full((360, 320), 128, dtype=np.uint8)
        picture[:240] = self.luma + noise
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self._frames * 3000, Fraction(1, 90_000)
        self._frames += 1
        payloads, timestamp = self._encoder.encode(frame, force_keyframe=key)
        packets = []
        for place, payload in enumerate(payloads):
            packets.append(
                serialize_rtp(
                    RtpPacket(
                        self._codec.payload_type,
                        self._sequence_number,
                        timestamp & 0xFFFFFFFF,
                        self.luma,
                        payload,
                        marker=place == len(payloads) - 1,
                    )
                )
            )
            self._sequence_number = self._sequence_number + 1 & 0xFFFF
        return packets


class RealViewer:
    """aiortc's way from packets to pictures."""

    def __init__(self, decoder: Decoder, codec: Codec) -> None:
        self.lumas: list[float] = []
        self._decoder = decoder
        self._codec = RTCRtpCodecParameters(
            mimeType=f"video/{codec.name}", clockRate=90_000, payloadType=codec.payload_type
        )
        self._buffer = JitterBuffer(capacity=128, is_video=True)

    def receive(self, data: bytes) -> None:
        packet = ReferencePacket.parse(data)
        packet._data = depayload(self._codec, packet.payload)  # type: ignore[attr-defined]
        _, encoded = self._buffer.add(packet)
        if encoded is not None:
            for frame in self._decoder.decode(encoded):
                assert isinstance(frame, av.VideoFrame)
                self.lumas.append(float(frame.to_ndarray()[:240].mean()))


@pytest.mark.parametrize(
    ("codec", "encoder", "decoder"),
    [
        pytest.param(VP8, Vp8Encoder, Vp8Decoder, id="VP8"),
        pytest.param(H264, H264Encoder, H264Decoder, id="H264"),
    ],
)
def test_a_decoder_follows_the_switch_without_a_broken_picture(
    codec: Codec, encoder: Callable[[], Encoder], decoder: Callable[[], Decoder]
) -> None:
    viewer = RealViewer(decoder(), codec)
    spec = DownTrackSpec("1", "video", (codec,), ExtensionIds(mid=4), 0xAAAA)
    down_track = DownTrack(spec, viewer.receive)
    chance = random.Random(3)
    now = 0.0
    for luma in (60, 200, 60):
        camera, up_track = RealCamera(encoder(), codec, luma), UpTrack(up_spec(codec), FEEDBACK_SSRC)
        for number in range(20):
            if number == 3:
                up_track.add(down_track)
            packets = camera.frame(key=number in (0, 5))
            chance.shuffle(packets)
            for packet in packets:
                up_track.receive(packet, now)
            now += 1 / 30
        up_track.remove(down_track)
    seen = [round(luma / 20) * 20 for luma in viewer.lumas]
    # frames 5 to 19 of each camera; the last one stays in the buffer, as nothing comes behind it
    assert seen == [60] * 15 + [200] * 15 + [60] * 14
