"""The video section of a phone's description: read from its text, written into ours."""

import msgspec

from bridge.errors import ParseError
from bridge.negotiation.codecs import (
    bandwidth_lines,
    fmtp_parameters,
    make_codec,
    offered_maps,
    recognize,
    rtp_map_line,
)
from bridge.negotiation.phone.audio import PhonePreferences
from bridge.negotiation.phone.section import PhonePlace, PhoneSection, connection_of
from bridge.negotiation.phone.transport import PhoneTransport, transport_lines
from bridge.plane.messages import Codec
from bridge.wire.h264 import UNIVERSAL_PROFILES, H264Parameters, parse_fmtp
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import Attribute, Attributes, Direction, MediaSection, parse_number

FEEDBACK = ("ccm fir", "nack", "nack pli")  # of a=rtcp-fb what the RTP leg understands
_FMTP_LIMIT = 256  # it is repeated in each description we write
_H264_PARAMETERS = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")
_OFFERED_FMTP = {
    # Constrained baseline level 3.1 is what every browser decodes (RFC 7742 section 6.2).
    "H264": tuple(
        f"level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id=42e01f" for mode in (1, 0)
    ),
    "VP8": ("",),
}
_MAX_BPS = 1_000_000_000


class PhoneVideo(msgspec.Struct, frozen=True):
    """The video section of a peer's description, understood. `codecs` are all that both sides can, the best
    first. `limit_bps` is what the phone wants to be sent at most, None if it does not say."""

    section: PhoneSection
    codecs: tuple[Codec, ...]
    feedback: tuple[str, ...]
    limit_bps: int | None


def understand_video(
    remote: SessionDescription, section: PhoneSection, preferences: PhonePreferences
) -> PhoneVideo | None:
    """The section as video the bridge can forward, None if it cannot."""
    media = remote.media[section.index]
    codecs = _read_codecs(media, preferences)
    if not codecs:
        return None
    return PhoneVideo(section, codecs, _read_feedback(media, codecs), _read_limit(remote, media))


def describe_formats(media: MediaSection) -> str:
    """The names of a section's formats, for the reason why none of them will do."""
    return ", ".join(dict.fromkeys(entry.name.upper() for entry in offered_maps(media))) or "none it names"


def offered_codecs(preferences: PhonePreferences, taken: frozenset[int]) -> tuple[Codec, ...]:
    """The codecs of an offer of ours, under dynamic payload types that are not `taken` as long as there are any."""
    dynamic = range(96, 128)  # RFC 3551 section 3
    numbers = iter(sorted(dynamic, key=lambda number: number in taken))
    return tuple(
        Codec(name, next(numbers), 90_000, fmtp=fmtp)
        for name in preferences.video_codecs
        for fmtp in _OFFERED_FMTP[name]
    )


def accepted_codecs(offered: tuple[Codec, ...], answered: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """What the phone may send after its answer to our offer: by our numbers, its own beside them.

    RFC 3264 section 6.1: each side sends with the numbers of the other, and some phones with their own.
    """
    wanted = {_meaning(codec) for codec in answered}
    by_number = {codec.payload_type: codec for codec in offered if _meaning(codec) in wanted}
    for codec in answered:
        by_number.setdefault(codec.payload_type, codec)
    return tuple(by_number.values())


def write_video(
    place: PhonePlace,
    transport: PhoneTransport,
    direction: Direction,
    codecs: tuple[Codec, ...],
    feedback: tuple[str, ...],
    limit_bps: int,
) -> MediaSection:
    port = place.video_port or 0
    lines: list[Attribute] = []
    for codec in codecs:
        number = codec.payload_type
        lines.append(rtp_map_line(codec))
        if codec.fmtp:
            lines.append(Attribute("fmtp", f"{number} {codec.fmtp}"))
        lines += [Attribute("rtcp-fb", f"{number} {name}") for name in feedback]
    lines += [*transport_lines(port, transport), Attribute(direction.value)]
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return MediaSection(
        "video",
        port,
        transport.protocol,
        formats,
        Attributes(tuple(lines)),
        connection_of(place.address),
        other_lines=bandwidth_lines(limit_bps),
    )


def _read_codecs(media: MediaSection, preferences: PhonePreferences) -> tuple[Codec, ...]:
    parameters = media.format_parameters
    found: list[tuple[tuple[int, ...], Codec]] = []
    for entry in offered_maps(media):
        name = recognize(entry)
        if name not in preferences.video_codecs:
            continue
        text = _essential(parameters.get(entry.payload_type, "")) if name == "H264" else ""
        rank: tuple[int, ...] = (preferences.video_codecs.index(name),)
        if name == "H264":
            h264 = _read_h264(text)
            if h264 is None:
                continue
            # What browsers send best first: what all of them decode, and slices of any size.
            rank += (h264.profile.profile not in UNIVERSAL_PROFILES, -h264.packetization_mode)
        found.append((rank, make_codec(entry, text)))
    return tuple(codec for _, codec in sorted(found, key=lambda pair: pair[0]))


def _read_h264(fmtp: str) -> H264Parameters | None:
    """None for what no browser can do: interleaved mode, profiles not known here."""
    if len(fmtp) > _FMTP_LIMIT:
        return None
    try:
        parameters = parse_fmtp(fmtp)
    except ParseError:
        return None
    return parameters if parameters.packetization_mode <= 1 else None


def _essential(fmtp: str) -> str:
    """The parameters that both sides share, without those that speak of one sender (RFC 6184 section 8.2.2)."""
    given = fmtp_parameters(fmtp)
    return ";".join(f"{name}={given[name]}" for name in _H264_PARAMETERS if name in given)


def _meaning(codec: Codec) -> tuple[str, object]:
    """Of H.264 the mode alone: phones answer a profile with their own, as baseline for constrained baseline, and
    send by our number all the same."""
    return codec.name, parse_fmtp(codec.fmtp).packetization_mode if codec.name == "H264" else None


def _read_feedback(media: MediaSection, codecs: tuple[Codec, ...]) -> tuple[str, ...]:
    """What every codec of the section is offered with."""
    offered = media.feedback
    for_all = set(offered.get(None, ()))
    sets = [for_all | set(offered.get(codec.payload_type, ())) for codec in codecs]
    return tuple(name for name in FEEDBACK if all(name in names for names in sets))


def _read_limit(remote: SessionDescription, media: MediaSection) -> int | None:
    """b=TIAS in bit/s (RFC 3890) before b=AS in kbit/s (RFC 8866 section 5.8), the section's before the call's."""
    for lines in (media.other_lines, remote.other_lines):
        for name, unit_bps in (("b=TIAS:", 1), ("b=AS:", 1000)):
            texts = (line.removeprefix(name) for line in lines if line.startswith(name))
            number = next((found for text in texts if (found := parse_number(text.strip(), _MAX_BPS))), None)
            if number:
                return min(number * unit_bps, _MAX_BPS)
    return None
