"""What the benches' browsers send: a VP8 clip and an Opus loop, encoded once, the same for every bridge."""

from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from bridge.codec.audio import encoder_for, encoding_profile
from bridge.codec.sample import Samples
from bridge.plane.messages import Codec

WIDTH, HEIGHT = 640, 360
FRAMES_PER_S = 30
PACKETS_PER_FRAME = 4  # 120 packets a second, as measurements.md
FRAME_BYTES = PACKETS_PER_FRAME * 1030
CLIP_FRAMES = 60
BLOCK = 20
SPEECH_FRAMES = 100
OPUS = Codec("OPUS", 111, 48_000, 2, fmtp="useinbandfec=1")


@cache
def vp8_clip() -> tuple[bytes, ...]:
    """Encoded frames to be sent in a loop; the first is a key frame.

    Each is filled up to a frame's share of the bitrate: a decoder does not look at what follows the last
    partition, and so every bridge gets the same number of packets of the same size.
    """
    context = av.CodecContext.create("libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = WIDTH, HEIGHT
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, FRAMES_PER_S)
    context.framerate = Fraction(FRAMES_PER_S)
    context.bit_rate = 8 * FRAME_BYTES * FRAMES_PER_S // 2
    context.options = {"deadline": "realtime", "cpu-used": "-8", "max-intra-rate": "150"}
    coarse = np.random.default_rng(1).integers(60, 200, (HEIGHT * 3 // 2 // BLOCK, WIDTH // BLOCK), np.uint8)
    texture = coarse.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    packets: list[bytes] = []
    for number in range(CLIP_FRAMES):
        frame = av.VideoFrame.from_ndarray(np.roll(texture, 3 * number, axis=1), format="yuv420p")
        frame.pts = number
        packets += map(bytes, context.encode(frame))
    packets += map(bytes, context.encode(None))
    return tuple(packet.ljust(FRAME_BYTES, b"\0") for packet in packets)


def speech(seed: int, rate_hz: int, gain: float) -> Samples:
    """Something with pitch, formants and pauses, of two seconds."""
    rng = np.random.default_rng(seed)
    instants = np.arange(SPEECH_FRAMES * rate_hz // 50) / rate_hz
    pitch = 110 + 60 * rng.random()
    voiced = sum(np.sin(2 * np.pi * pitch * n * instants) / n for n in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * (2 + rng.random()) * instants) + 0.5, 0, 1)
    noise = rng.normal(0, 0.02, len(instants))
    return ((voiced * envelope * 0.3 + noise) * gain).astype(np.float32)


def spoken(codec: Codec, seed: int, gain: float = 0.5) -> list[bytes]:
    """What a phone or browser would send; a browser's Opus is SILK or hybrid, with the VAD bit."""
    encoder = encoder_for(encoding_profile(codec, 5))
    frames = speech(seed, encoder.rate_hz, gain).reshape(SPEECH_FRAMES, -1)
    return [encoder.encode(frame) for frame in frames]
