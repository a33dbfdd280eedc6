"""One video packet on its way from an up track to the down tracks: what was read of it, once for all."""

import msgspec

from bridge.media.video.effective_codec import EffectiveCodec
from bridge.plane.messages import Codec
from bridge.rtp.unwrap import PictureIdUnwrap, Unwrap
from bridge.wire import h264, vp8

VIDEO_CLOCK_RATE_HZ = 90_000  # RFC 7741 section 6.1, RFC 6184 section 8.1


class VideoPacket(msgspec.Struct, frozen=True, gc=False):
    """`payload` lies at `start`..`end` of `data`, an unprotected RTP packet without its padding.

    `picture_id` and `tl0picidx` are unwrapped, and meaningless where `descriptor` has none.
    """

    data: bytes
    start: int
    end: int
    index: int
    media_time: int
    codec: Codec
    marker_bit: int
    starts_key_frame: bool = False
    descriptor: vp8.Vp8Descriptor | None = None
    picture_id: int = 0
    tl0picidx: int = 0


class VideoReader:
    """Reads the packets of one stream; remembers what the next packet's meaning depends on."""

    __slots__ = (
        "_began",
        "_declared",
        "_effective",
        "_frame_intact",
        "_media_time",
        "_newest",
        "_picture_id",
        "_tl0picidx",
    )

    def __init__(self) -> None:
        self._declared: Codec | None = None
        self._effective: EffectiveCodec | None = None
        self._picture_id = PictureIdUnwrap()
        self._tl0picidx = Unwrap(8)
        self._newest = -1
        self._media_time = -1
        self._frame_intact = False
        self._began = False  # the newest frame is a key frame, and its beginning was told

    def codec_of(self, declared: Codec) -> Codec:
        """What packets of this payload format are known to be."""
        if declared is not self._declared:
            self._declared = declared
            self._effective = EffectiveCodec(declared) if declared.name == "H264" else None
        return declared if self._effective is None else self._effective.codec

    def read(self, packet: VideoPacket) -> VideoPacket:
        """The packet with what its payload says. Raises ParseError when the payload is broken."""
        self._follow(packet)
        if packet.start == packet.end:  # mere padding: keeps the sequence whole, says nothing
            return packet
        if packet.codec.name == "VP8":
            return self._read_vp8(packet)
        found = h264.look(packet.data, packet.start, packet.end)
        starts = self._starts_h264(packet, found)
        codec = packet.codec
        if self._effective is not None:
            codec = self._effective.receive(packet.data, packet.start, packet.end, found)
        if not starts and codec is packet.codec:
            return packet
        return msgspec.structs.replace(packet, codec=codec, starts_key_frame=starts)

    def _starts_h264(self, packet: VideoPacket, found: h264.PayloadLook) -> bool:
        """An SPS, or the first of the slices of an IDR picture if no SPS can belong before it: started without the
        SPS the picture stays black, and one that comes late has no place any more; started at a later slice it
        is torn."""
        is_newest = packet.index == self._newest
        if is_newest and self._began:
            return False
        if found & h264.PayloadLook.SPS:
            self._began = is_newest
            return True
        if found & h264.PayloadLook.IDR_START and is_newest and self._frame_intact:
            self._began = True
            return True
        return False

    def _follow(self, packet: VideoPacket) -> None:
        """Keeps track of whether all of the newest frame up to here was seen."""
        ahead = packet.index - self._newest
        if ahead < 1:
            return
        is_next_frame = packet.media_time != self._media_time
        if ahead > 1:
            self._frame_intact = False
        elif is_next_frame:
            self._frame_intact = True
        if is_next_frame:
            self._began = False
        self._newest = packet.index
        self._media_time = packet.media_time

    def _read_vp8(self, packet: VideoPacket) -> VideoPacket:
        descriptor = vp8.parse_descriptor(packet.data, packet.start, packet.end)
        bits = descriptor.picture_id_bits
        tl0picidx = descriptor.tl0picidx
        return VideoPacket(
            packet.data,
            packet.start,
            packet.end,
            packet.index,
            packet.media_time,
            packet.codec,
            packet.marker_bit,
            vp8.starts_key_frame(packet.data, descriptor, packet.start),
            descriptor,
            self._picture_id(descriptor.picture_id, bits) if bits else 0,
            0 if tl0picidx is None else self._tl0picidx(tl0picidx),
        )
