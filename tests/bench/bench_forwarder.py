"""CPU per packet of the forward table alone: reading, rewriting, history; no SRTP, no sockets. Prints JSON lines.

Run: python -m tests.bench.bench_forwarder [packets]
"""

import json
import sys
import time

from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds
from bridge.rtp.frame import FrameKind
from bridge.rtp.jitter import JitterBuffer
from bridge.rtp.payload_shape import SHAPES
from bridge.wire.rtp import RtpPacket, parse_rtp, serialize_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, H264, VP8, Camera, up_spec

VIEWERS = (1, 2, 10)
PACKETS_PER_SECOND = 120


def stream(codec: Codec, packets: int) -> list[bytes]:
    """A camera's packets at a browser's usual size."""
    camera, sent = Camera(codec=codec), []
    for number in range(packets // 3):
        for data in camera.frame(key=number == 0):
            packet = parse_rtp(data)
            sent.append(
                serialize_rtp(
                    RtpPacket(
                        packet.payload_type,
                        packet.sequence_number,
                        packet.timestamp,
                        packet.ssrc,
                        packet.payload + bytes(1000),
                        marker=packet.marker,
                        extension_profile=packet.extension_profile,
                        extension=packet.extension,
                    )
                )
            )
    return sent


def measure(codec: Codec, viewers: int, packets: int) -> dict[str, object]:
    up_track, sent = UpTrack(up_spec(), FEEDBACK_SSRC), [0]

    def send(_: bytes) -> None:
        sent[0] += 1

    for number in range(viewers):
        spec = DownTrackSpec("5", "video", (VP8, H264), ExtensionIds(mid=4), 1 + number, 1000 + number)
        up_track.add(DownTrack(spec, send))
    incoming = stream(codec, packets)
    began = time.process_time()
    for number, data in enumerate(incoming):
        up_track.receive(data, number / PACKETS_PER_SECOND)
    spent = time.process_time() - began
    return {
        "bench": "forwarder",
        "codec": codec.name,
        "viewers": viewers,
        "cpu_us_per_packet_in": round(spent / len(incoming) * 1e6, 1),
        "cpu_us_per_packet_out": round(spent / max(1, sent[0]) * 1e6, 1),
    }


def measure_jitter_buffer(packets: int) -> dict[str, object]:
    buffer, payload, played = JitterBuffer(8000, 160, SHAPES["PCMU"]), bytes(160), 0
    began = time.process_time()
    for number in range(packets):
        now = 0.02 * number
        buffer.push(number, 160 * number, payload, now)
        played += buffer.pull(now + 0.01).kind is FrameKind.PAYLOAD
    spent = time.process_time() - began
    return {"bench": "jitter_buffer", "played": played, "cpu_us_per_frame": round(spent / packets * 1e6, 1)}


def main() -> None:
    packets = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for codec in (VP8, H264):
        for viewers in VIEWERS:
            sys.stdout.write(json.dumps(measure(codec, viewers, packets)) + "\n")
    sys.stdout.write(json.dumps(measure_jitter_buffer(packets)) + "\n")


if __name__ == "__main__":
    main()
