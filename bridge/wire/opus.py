"""What can be read of an Opus packet without decoding it (RFC 6716 section 3)."""

import msgspec

from bridge.errors import ParseError

CLOCK_RATE_HZ = 48_000  # RFC 7587 section 4.1: whatever the coded bandwidth
MAX_PACKET_SAMPLES = 5760  # 120 ms, RFC 6716 section 3.4 R5
_FRAME_SAMPLES_SILK = (480, 960, 1920, 2880)  # table 2
_FRAME_SAMPLES_HYBRID = (480, 960)
_FRAME_SAMPLES_CELT = (120, 240, 480, 960)
_FIRST_HYBRID, _FIRST_CELT = 12, 16
_MAX_DTX_SIZE = 2  # RFC 6716 section 3.4: a packet of one or two octets has an empty frame in it


class TableOfContents(msgspec.Struct, frozen=True, gc=False):
    """The TOC octet. `frame_samples` is at 48 kHz; `frame_count` is None for code 3 (it is in octet two)."""

    config: int
    stereo: bool
    code: int
    frame_samples: int

    @property
    def has_silk(self) -> bool:
        """Whether there is a SILK layer (SILK-only or hybrid), thus a VAD bit and perhaps FEC."""
        return self.config < _FIRST_CELT


def parse_toc(octet: int) -> TableOfContents:
    config = octet >> 3
    if config < _FIRST_HYBRID:
        samples = _FRAME_SAMPLES_SILK[config & 3]
    elif config < _FIRST_CELT:
        samples = _FRAME_SAMPLES_HYBRID[config & 1]
    else:
        samples = _FRAME_SAMPLES_CELT[config & 3]
    return TableOfContents(config, octet & 0x04 != 0, octet & 0x03, samples)


_TOCS = tuple(parse_toc(octet) for octet in range(256))


def packet_samples(payload: bytes) -> int:
    """The duration of a packet in samples at 48 kHz. Raises ParseError when it cannot be."""
    if not payload:
        raise ParseError("Opus packet is empty")
    toc = _TOCS[payload[0]]
    if toc.code == 0:
        return toc.frame_samples
    if toc.code != 3:
        return 2 * toc.frame_samples
    if len(payload) < 2:
        raise ParseError("Opus packet of code 3 lacks its frame count")
    samples = (payload[1] & 0x3F) * toc.frame_samples
    if samples == 0 or samples > MAX_PACKET_SAMPLES:
        raise ParseError("Opus packet is empty or longer than 120 ms")
    return samples


def is_dtx(payload: bytes) -> bool:
    """Whether the encoder says it will be silent for a while."""
    return len(payload) <= _MAX_DTX_SIZE


def voice_activity(payload: bytes) -> bool | None:
    """The encoder's own opinion: the SILK VAD flags (RFC 6716 section 4.2.3). None without a SILK layer, and
    where only the first of several frames is silent: the others' flags lie deeper."""
    if is_dtx(payload):
        return False
    toc = _TOCS[payload[0]]
    if not toc.has_silk:
        return None
    at = _first_frame_at(payload, toc)
    if at is None:
        return None
    frames = max(1, toc.frame_samples // 960)
    bits = payload[at]
    active = bits >> (8 - frames)
    if toc.stereo:  # the side channel's flags follow the mid channel's FEC flag
        active |= bits >> (7 - 2 * frames) & ((1 << frames) - 1)
    if active:
        return True
    is_alone = toc.code == 0 or (toc.code == 3 and payload[1] & 0x3F == 1)
    return False if is_alone else None


def has_fec(payload: bytes) -> bool:
    """Whether the packet carries the frame before it once more: the LBRR flags (section 4.2.3)."""
    if not payload:
        return False
    toc = _TOCS[payload[0]]
    if not toc.has_silk:
        return False
    at = _first_frame_at(payload, toc)
    if at is None:
        return False
    frames = max(1, toc.frame_samples // 960)
    flag = payload[at] >> (7 - frames) & 1
    if toc.stereo:
        flag |= payload[at] >> (6 - 2 * frames) & 1
    return flag != 0


def _first_frame_at(payload: bytes, toc: TableOfContents) -> int | None:
    """The offset of the first octet of the first frame; None if that frame is empty or not there."""
    at = 1
    if toc.code == 2:
        if len(payload) < 2 or payload[1] == 0:
            return None
        at += 1 if payload[1] < 252 else 2  # section 3.2.1: frame length coding
    elif toc.code == 3:
        header = _code_3_header_size(payload)
        if header is None:
            return None
        at = header
    return at if at < len(payload) else None


def _code_3_header_size(payload: bytes) -> int | None:
    """Octets before the first frame of a code 3 packet (section 3.2.5)."""
    if len(payload) < 2:
        return None
    at = 2
    if payload[1] & 0x40:  # padding length: 255 means 254 and another octet
        while at < len(payload) and payload[at] == 255:
            at += 1
        at += 1
    if payload[1] & 0x80:  # variable bitrate: a length for each frame but the last
        for number in range((payload[1] & 0x3F) - 1):
            if at >= len(payload) or (number == 0 and payload[at] == 0):
                return None
            at += 1 if payload[at] < 252 else 2
    return at
