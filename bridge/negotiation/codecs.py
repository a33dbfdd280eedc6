"""Codecs by meaning: which lines of a description the bridge can work with, and how it writes them."""

import msgspec

from bridge.errors import ParseError
from bridge.plane.messages import Codec
from bridge.wire.h264 import UNIVERSAL_PROFILES, parse_fmtp
from bridge.wire.sdp_section import Attribute, MediaSection, RtpMap

TELEPHONE_EVENT = "TELEPHONE-EVENT"  # RFC 4733 section 7.1.1
RTX = "RTX"  # RFC 4588 section 8.6


class Shape(msgspec.Struct, frozen=True):
    """What makes a name in a=rtpmap the codec the bridge means."""

    name: str  # as it is written
    clock_rate_hz: int
    channels: int = 1
    static_payload_type: int | None = None  # RFC 3551 section 6
    fmtp: str = ""  # what the bridge asks of the sender
    mistaken_clock_rate_hz: int | None = None  # as some peers write it, and mean this codec
    mistaken_channels: int | None = None


SHAPES = {
    "PCMU": Shape("PCMU", 8000, static_payload_type=0),
    "PCMA": Shape("PCMA", 8000, static_payload_type=8),
    # RFC 3551 section 4.5.2: the clock is a historic error. Phones that write what is sampled mean the same.
    "G722": Shape("G722", 8000, static_payload_type=9, mistaken_clock_rate_hz=16000),
    # RFC 7587 section 7: always 48000/2, whatever is sent. Phones that count their one channel mean the same.
    "OPUS": Shape("opus", 48000, channels=2, fmtp="useinbandfec=1", mistaken_channels=1),
    "VP8": Shape("VP8", 90000),
    "H264": Shape("H264", 90000),
}

_FMTP_LIMIT = 256  # it is repeated in every section we write; browsers need 81 characters

_STATIC = {
    shape.static_payload_type: RtpMap(shape.static_payload_type, shape.name, shape.clock_rate_hz)
    for shape in SHAPES.values()
    if shape.static_payload_type is not None
}


def offered_maps(section: MediaSection) -> tuple[RtpMap, ...]:
    """The formats of a section in its order of preference; static payload types need no a=rtpmap."""
    written = section.rtp_maps
    found = (written.get(number) or _STATIC.get(number) for number in section.payload_types)
    return tuple(entry for entry in found if entry is not None)


def recognize(entry: RtpMap) -> str | None:
    """The bridge's name of this codec, None if it has none."""
    name = entry.name.upper()
    shape = SHAPES.get(name)
    if shape is None or entry.channels not in (shape.channels, shape.mistaken_channels):
        return None
    return name if entry.clock_rate_hz in (shape.clock_rate_hz, shape.mistaken_clock_rate_hz) else None


def is_forwardable(entry: RtpMap, fmtp: str) -> bool:
    """False for H.264 beyond baseline: the bridge forwards one stream to all browsers, and does not ask one
    for a profile that another cannot decode. Interleaved mode is for storage, no browser has it."""
    if entry.name.upper() != "H264":
        return True
    if len(fmtp) > _FMTP_LIMIT:
        return False
    try:
        parameters = parse_fmtp(fmtp)
    except ParseError:
        return False
    return parameters.profile.profile in UNIVERSAL_PROFILES and parameters.packetization_mode <= 1


def make_codec(entry: RtpMap, fmtp: str) -> Codec:
    """The codec of a recognized line; `fmtp` is what the peer wrote: its wishes for what it receives."""
    name = entry.name.upper()
    clock_rate_hz = SHAPES[name].clock_rate_hz
    written = entry.clock_rate_hz if entry.clock_rate_hz != clock_rate_hz else 0
    return Codec(
        name,
        entry.payload_type,
        clock_rate_hz,
        entry.channels,
        fmtp=fmtp,
        written_clock_rate_hz=written,
    )


def rtp_map_line(codec: Codec) -> Attribute:
    """The a=rtpmap line; one channel is left out (RFC 8866 section 6.6), and clock and channels are called what
    the peer calls them: one that is strict finds only its own words."""
    shape = SHAPES[codec.name]
    clock_rate_hz = codec.written_clock_rate_hz or codec.clock_rate_hz
    channels = f"/{codec.channels}" if codec.channels != 1 else ""
    return Attribute("rtpmap", f"{codec.payload_type} {shape.name}/{clock_rate_hz}{channels}")


def fmtp_parameters(text: str) -> dict[str, str]:
    """The parameters of a=fmtp by name in lower case; those without "=" have the value ""."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def bandwidth_lines(limit_bps: int) -> tuple[str, ...]:
    """Two ways to say it: old phones read the first, RFC 3890 wants the second."""
    return (f"b=AS:{limit_bps // 1000}", f"b=TIAS:{limit_bps}")
