"""The audio section of a phone's description: read from its text, written into ours."""

import ipaddress

import msgspec

from bridge.negotiation.codecs import (
    SHAPES,
    TELEPHONE_EVENT,
    make_codec,
    offered_maps,
    recognize,
    rtp_map_line,
)
from bridge.plane.messages import Codec
from bridge.wire.sdp import Origin, SessionDescription, serialize_session_description
from bridge.wire.sdp_section import Attribute, Attributes, Connection, Direction, MediaSection, make_direction

PTIME_MS = 20  # the metronome's tick
_PLAIN_RTP = ("RTP/AVP", "RTP/AVPF")


class PhonePreferences(msgspec.Struct, frozen=True):
    """What the bridge takes from and offers to a phone. `codecs` is in order of preference."""

    codecs: tuple[str, ...] = ("OPUS", "G722", "PCMU", "PCMA")
    dtmf: bool = True


class PhoneAudio(msgspec.Struct, frozen=True):
    """The audio section of a peer's description, understood. `direction` is the phone's."""

    index: int
    connection_address: str
    port: int
    rtcp_port: int
    direction: Direction
    codec: Codec
    dtmf_payload_type: int | None
    dtmf_clock_rate_hz: int


def understand_audio(
    remote: SessionDescription,
    index: int,
    preferences: PhonePreferences,
    preferred: Codec | None,
    *,
    in_order: bool,
) -> PhoneAudio | None:
    """The section as audio the bridge can do, None if it cannot. `in_order`: the peer's order decides."""
    section = remote.media[index]
    connection = remote.connection_of(section)
    if section.kind != "audio" or not section.port or section.protocol not in _PLAIN_RTP:
        return None
    if connection is None or not _is_usable(connection.address):
        return None
    codec = _choose_codec(section, preferences, preferred, in_order=in_order)
    if codec is None:
        return None
    event, event_clock = _choose_event(section, codec) if preferences.dtmf else (None, 0)
    direction = remote.direction(section)
    if is_unspecified(connection.address):
        # RFC 3264 section 8.4: "hold" as RFC 2543 wrote it; the phone hears nothing.
        direction = make_direction(sends=direction.sends, receives=False)
    return PhoneAudio(
        index=index,
        connection_address=connection.address,
        port=section.port,
        rtcp_port=section.rtcp_port or min(section.port + 1, 65535),  # RFC 3550 section 11, RFC 3605
        direction=direction,
        codec=codec,
        dtmf_payload_type=event,
        dtmf_clock_rate_hz=event_clock,
    )


def _choose_codec(
    section: MediaSection, preferences: PhonePreferences, preferred: Codec | None, *, in_order: bool
) -> Codec | None:
    parameters = section.format_parameters
    known: dict[str, Codec] = {}
    for entry in offered_maps(section):
        name = recognize(entry)
        if name in preferences.codecs:
            known.setdefault(name, make_codec(entry, parameters.get(entry.payload_type, "")))
    if preferred is not None and preferred.name in known:
        return known[preferred.name]
    names = tuple(known) if in_order else preferences.codecs
    return next((known[name] for name in names if name in known), None)


def _choose_event(section: MediaSection, codec: Codec) -> tuple[int | None, int]:
    """The payload type and clock of telephone-event: that with the codec's clock, as both share one stream
    (RFC 4733 section 2.1); without one any, for a digit with a wrong duration is better than none."""
    events = [entry for entry in offered_maps(section) if entry.name.upper() == TELEPHONE_EVENT]
    matching = [entry for entry in events if entry.clock_rate_hz == codec.clock_rate_hz]
    chosen = next(iter(matching or events), None)
    return (None, 0) if chosen is None else (chosen.payload_type, chosen.clock_rate_hz)


def _is_usable(address: str) -> bool:
    """A unicast IP literal. Host names would need a look-up per call, and multicast is not for calls."""
    try:
        return not ipaddress.ip_address(address).is_multicast
    except ValueError:
        return False


def is_unspecified(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified


def refuse(section: MediaSection) -> MediaSection:
    """The same m= line with port 0 (RFC 3264 section 6)."""
    formats = section.formats or ("0",)
    return MediaSection(section.kind, 0, section.protocol, formats)


def write_audio(
    address: str,
    port: int,
    protocol: str,
    direction: Direction,
    codecs: tuple[Codec, ...],
    events: tuple[tuple[int, int], ...],
) -> MediaSection:
    lines = []
    for codec in codecs:
        lines.append(rtp_map_line(codec))
        if fmtp := SHAPES[codec.name].fmtp:
            lines.append(Attribute("fmtp", f"{codec.payload_type} {fmtp}"))
    for payload_type, clock_rate_hz in events:
        lines.append(Attribute("rtpmap", f"{payload_type} telephone-event/{clock_rate_hz}"))
        lines.append(Attribute("fmtp", f"{payload_type} 0-15"))  # RFC 4733 section 7.1.1: DTMF only
    lines += [
        Attribute("ptime", str(PTIME_MS)),
        Attribute("rtcp", str(port + 1)),
        Attribute(direction.value),
    ]
    numbers = (*(codec.payload_type for codec in codecs), *(payload_type for payload_type, _ in events))
    formats = tuple(str(number) for number in numbers)
    return MediaSection("audio", port, protocol, formats, Attributes(tuple(lines)), _connection(address))


def _connection(address: str) -> Connection:
    return Connection(address, "IP6" if ":" in address else "IP4")


def write_description(address: str, session_id: int, version: int, media: tuple[MediaSection, ...]) -> str:
    connection = _connection(address)
    origin = Origin("-", str(session_id), str(version), connection.address_type, address)
    return serialize_session_description(
        SessionDescription(origin, name="warmbridge", connection=connection, media=media)
    )
