"""The audio section of a phone's description: read from its text, written into ours."""

import msgspec

from bridge.negotiation.codecs import (
    SHAPES,
    TELEPHONE_EVENT,
    make_codec,
    offered_maps,
    recognize,
    rtp_map_line,
)
from bridge.negotiation.phone.section import PhoneSection, Reach, connection_of
from bridge.negotiation.phone.transport import (
    KeySource,
    PhoneTransport,
    SrtpPolicy,
    SrtpUse,
    random_key,
    transport_lines,
)
from bridge.plane.messages import Codec
from bridge.wire.sdes import SUITES
from bridge.wire.sdp_section import Attribute, Attributes, Direction, MediaSection

PTIME_MS = 20  # the metronome's tick


class PhonePreferences(msgspec.Struct, frozen=True):
    """What the bridge takes from and offers to a phone, codecs in order of preference.

    No `video_codecs`: voice only. `video_bps` is the most the bridge sends to a phone that names no limit of
    its own, and what it asks the phone to keep to: nobody measures what a path to a phone carries.
    """

    codecs: tuple[str, ...] = ("OPUS", "G722", "PCMU", "PCMA")
    dtmf: bool = True
    inband_dtmf: bool = False
    info_dtmf: bool = False  # keys go to the phone beside the media
    video_codecs: tuple[str, ...] = ("H264", "VP8")
    video_bps: int = 1_000_000
    reach: Reach = None
    srtp: SrtpUse = "off"
    srtp_suites: tuple[str, ...] = tuple(SUITES)
    srtp_keys: KeySource = random_key

    @property
    def srtp_policy(self) -> SrtpPolicy:
        return SrtpPolicy(self.srtp, self.srtp_suites)


class PhoneAudio(msgspec.Struct, frozen=True):
    """The audio section of a peer's description, understood. `others` are what both can beside `codec`, and
    `other_events` its telephone-events of another clock."""

    section: PhoneSection
    codec: Codec
    dtmf_payload_type: int | None
    dtmf_clock_rate_hz: int
    others: tuple[Codec, ...] = ()
    other_events: tuple[int, ...] = ()


def understand_audio(
    media: MediaSection,
    section: PhoneSection,
    preferences: PhonePreferences,
    preferred: Codec | None,
    *,
    in_order: bool,
) -> PhoneAudio | None:
    """The section as audio the bridge can do, None if it cannot. `in_order`: the peer's order decides."""
    known = _known_codecs(media, preferences)
    names = tuple(known) if in_order else preferences.codecs
    if preferred is not None:
        names = (preferred.name, *names)
    codec = next((known[name] for name in names if name in known), None)
    if codec is None:
        return None
    (event, event_clock), *events = _ordered_events(media, codec) if preferences.dtmf else [(None, 0)]
    others = tuple(other for other in known.values() if other is not codec)
    other_events = tuple(number for number, _ in events if number is not None)
    return PhoneAudio(section, codec, event, event_clock, others, other_events)


def _known_codecs(section: MediaSection, preferences: PhonePreferences) -> dict[str, Codec]:
    """By name, in the order of the section."""
    parameters = section.format_parameters
    known: dict[str, Codec] = {}
    for entry in offered_maps(section):
        name = recognize(entry)
        if name in preferences.codecs:
            known.setdefault(name, make_codec(entry, parameters.get(entry.payload_type, "")))
    return known


def also_sent(audio: PhoneAudio, offered: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """What a phone may send beside `audio.codec` after its answer to our offer: all it accepted, by our numbers
    (RFC 3264 section 6.1) and by its own."""
    accepted = (audio.codec, *audio.others)
    names = {codec.name for codec in accepted}
    by_number = {codec.payload_type: codec for codec in offered if codec.name in names}
    for codec in accepted:
        by_number.setdefault(codec.payload_type, codec)
    taken = (audio.codec.payload_type, audio.dtmf_payload_type)
    return tuple(codec for number, codec in by_number.items() if number not in taken)


def also_pressed(audio: PhoneAudio, offered: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers of a phone's keys beside its own, after its answer to our offer: ours, of any clock, as it may
    have accepted one of each. None if it takes no keys: then they may mean anything."""
    if audio.dtmf_payload_type is None:
        return ()
    taken = {codec.payload_type for codec in (audio.codec, *audio.others)} | {audio.dtmf_payload_type}
    return tuple(number for number in offered if number not in taken)


def _ordered_events(section: MediaSection, codec: Codec) -> list[tuple[int | None, int]]:
    """The payload types and clocks of telephone-event: first that with the codec's clock, as both share one stream
    (RFC 4733 section 2.1); without one any, for a digit with a wrong duration is better than none."""
    events = [entry for entry in offered_maps(section) if entry.name.upper() == TELEPHONE_EVENT]
    events.sort(key=lambda entry: entry.clock_rate_hz != codec.clock_rate_hz)
    return [(entry.payload_type, entry.clock_rate_hz) for entry in events] or [(None, 0)]


def write_audio(
    address: str,
    port: int,
    transport: PhoneTransport,
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
        *transport_lines(port, transport),
        Attribute(direction.value),
    ]
    numbers = (*(codec.payload_type for codec in codecs), *(payload_type for payload_type, _ in events))
    formats = tuple(str(number) for number in numbers)
    return MediaSection(
        "audio", port, transport.protocol, formats, Attributes(tuple(lines)), connection_of(address)
    )
