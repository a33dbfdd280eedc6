"""A camera for tests: packets of VP8 or H.264 as a browser sends them, without real pictures."""

from dataclasses import dataclass, field

from bridge.plane.messages import Codec, ExtensionIds, UpTrackSpec
from bridge.rtp.rtx import wrap_rtx
from bridge.wire.rtp import RtpPacket, serialize_rtp

VP8 = Codec("VP8", 96, 90_000, rtx_payload_type=97)
H264 = Codec("H264", 102, 90_000, rtx_payload_type=103, fmtp="packetization-mode=1;profile-level-id=42e01f")
FEEDBACK_SSRC = 7


def up_spec(*codecs: Codec, ssrcs: tuple[int, ...] = ()) -> UpTrackSpec:
    return UpTrackSpec("0", "video", codecs or (VP8, H264), ExtensionIds(mid=1, transport_cc=3), ssrcs)


@dataclass
class Camera:
    """Frames of three packets; the payload tells frame and packet: `describe` reads it back."""

    ssrc: int = 0x1111
    codec: Codec = VP8
    sequence_number: int = 65_530
    timestamp: int = 0xFFFF_F000
    picture_id: int = 0x7FFE
    tl0picidx: int = 0xFE
    wide: bool = True
    frame_number: int = 0
    rtx_sequence_number: int = 500
    sent: list[bytes] = field(default_factory=list)

    def frame(self, *, key: bool = False) -> list[bytes]:
        packets = [self._packet(place, key=key) for place in range(3)]
        self.timestamp = self.timestamp + 3000 & 0xFFFFFFFF
        self.picture_id = self.picture_id + 1 & (0x7FFF if self.wide else 0x7F)
        self.tl0picidx = self.tl0picidx + 1 & 0xFF
        self.frame_number += 1
        self.sent += packets
        return packets

    def _packet(self, place: int, *, key: bool) -> bytes:
        payload = self._vp8(place, key=key) if self.codec.name == "VP8" else self._h264(place, key=key)
        packet = RtpPacket(
            self.codec.payload_type,
            self.sequence_number,
            self.timestamp,
            self.ssrc,
            payload + self.frame_number.to_bytes(2, "big") + bytes((place,)),
            marker=place == 2,
            extension_profile=0xBEDE,
            extension=b"\x100\x31\x00\x01\x00\x00\x00",
        )
        self.sequence_number = self.sequence_number + 1 & 0xFFFF
        return serialize_rtp(packet)

    def _vp8(self, place: int, *, key: bool) -> bytes:
        picture = (0x8000 | self.picture_id).to_bytes(2, "big") if self.wide else bytes((self.picture_id,))
        head = bytes((0x90 if place == 0 else 0x80, 0xE0)) + picture + bytes((self.tl0picidx, 0x20))
        return head + bytes((0x00 if key else 0x01,))

    def _h264(self, place: int, *, key: bool) -> bytes:
        if not key:
            return b"\x41"
        return (b"\x67\x42\xe0\x1f", b"\x68\xce", b"\x65\x88")[place]

    def retransmit(self, packet: bytes) -> bytes:
        assert self.codec.rtx_payload_type is not None
        self.rtx_sequence_number += 1
        return wrap_rtx(packet, self.codec.rtx_payload_type, self.ssrc + 1, self.rtx_sequence_number)


def describe(payload: bytes) -> tuple[int, int]:
    """(frame, place in the frame) of a payload made by a `Camera`."""
    return int.from_bytes(payload[-3:-1], "big"), payload[-1]
