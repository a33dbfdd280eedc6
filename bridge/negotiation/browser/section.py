"""One m= section of a browser leg: read from the browser's description, written into ours."""

import re

import msgspec

from bridge.ids import TrackId
from bridge.negotiation.codecs import (
    RTX,
    SHAPES,
    bandwidth_lines,
    fmtp_parameters,
    is_forwardable,
    make_codec,
    offered_maps,
    recognize,
    rtp_map_line,
)
from bridge.plane.messages import Codec, ExtensionIds, Fingerprint, IceCredentials
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import (
    Attribute,
    Attributes,
    Connection,
    Direction,
    ExtensionMap,
    MediaSection,
    RtpMap,
)

PROTOCOL = "UDP/TLS/RTP/SAVPF"  # RFC 8829 section 5.1.2; the others there are accepted too
_PROTOCOLS = (PROTOCOL, "RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVP")
CNAME = "warmbridge"  # one clock sends all our streams (RFC 8834 section 4.9)

MAX_EXTENSION_ID = 14  # of a one-byte header (RFC 8285 section 4.2)
EXTENSION_FIELDS = {
    "urn:ietf:params:rtp-hdrext:sdes:mid": "mid",  # RFC 9143 section 15
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": "audio_level",  # RFC 6464 section 3
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": "transport_cc",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": "abs_send_time",
}
_FEEDBACK = {
    "audio": ("transport-cc",),
    "video": ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"),
}
_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")  # RFC 8866 section 9, token
_SSRC_LIMIT = 8  # a simulcast camera has three
_MID_LIMIT = 16  # what a one-byte header extension carries (RFC 8285 section 4.2)


class Format(msgspec.Struct, frozen=True):
    """One codec of a section with the feedback agreed for it."""

    codec: Codec
    feedback: tuple[str, ...] = ()

    @property
    def payload_types(self) -> tuple[int, ...]:
        rtx = self.codec.rtx_payload_type
        return (self.codec.payload_type,) if rtx is None else (self.codec.payload_type, rtx)


class Section(msgspec.Struct, frozen=True):
    """One m= line as it stands. Directions are the bridge's.

    A section that is not `live` is an m= line with port 0: refused, stopped, or free for another use.
    `for_down` marks those the bridge opened to send video; in all others the browser may send too.
    `may_send` is what the browser's own description said: it takes media here.
    """

    kind: str
    mid: str = ""
    protocol: str = PROTOCOL
    refused_formats: tuple[str, ...] = ()
    live: bool = False
    for_down: bool = False
    formats: tuple[Format, ...] = ()
    extensions: tuple[ExtensionMap, ...] = ()
    sends: bool = False
    receives: bool = False
    may_send: bool = False
    reduced_size_rtcp: bool = False
    content: str = ""  # "slides" is a shared screen (RFC 4796)
    up_ssrcs: tuple[int, ...] = ()
    up_rtx_ssrcs: tuple[int, ...] = ()
    ssrc: int = 0
    rtx_ssrc: int | None = None
    source: TrackId | None = None
    label: str = ""
    limit_bps: int | None = None  # what the browser is to send at most

    @property
    def shows(self) -> str:
        """audio, video or screen."""
        return "screen" if self.kind == "video" and self.content == "slides" else self.kind

    @property
    def codecs(self) -> tuple[Codec, ...]:
        return tuple(entry.codec for entry in self.formats)

    @property
    def extension_ids(self) -> ExtensionIds:
        known = {EXTENSION_FIELDS[entry.uri]: entry.id for entry in self.extensions}
        return ExtensionIds(**known)


class Transport(msgspec.Struct, frozen=True):
    """The BUNDLE transport as one side describes it. `setup` is the text of a=setup, "" if absent."""

    ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]
    setup: str
    candidates: tuple[str, ...] = ()


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def is_live(remote: SessionDescription, section: MediaSection) -> bool:
    """Not port 0, or port 0 only because it is bundled (Firefox; RFC 9143 section 6)."""
    return section.port != 0 or (section.attributes.has("bundle-only") and section.mid in remote.bundle)


def is_usable(remote: SessionDescription, section: MediaSection) -> bool:
    """Live audio or video that can share the one transport."""
    return (
        section.kind in ("audio", "video")
        and section.protocol in _PROTOCOLS
        and is_live(remote, section)
        and section.mid in remote.bundle
        and is_token(section.mid)
        and len(section.mid) <= _MID_LIMIT
        and section.attributes.has("rtcp-mux")
    )


def refuse(section: MediaSection) -> Section:
    """The section with port 0 in our description (RFC 3264 section 6)."""
    mid = section.mid if is_token(section.mid) else ""
    return Section(section.kind, mid, section.protocol, section.formats or ("0",))


def read_formats(section: MediaSection, audio: tuple[str, ...], video: tuple[str, ...]) -> tuple[Format, ...]:
    """What both sides can: for audio the one best codec, for video all, in the browser's order; else nothing."""
    if section.kind not in _FEEDBACK:
        return ()
    accepted = audio if section.kind == "audio" else video
    parameters, feedback = section.format_parameters, section.feedback
    maps = offered_maps(section)
    retransmissions = _read_retransmissions(maps, parameters)
    found: list[Format] = []
    for entry in maps:
        fmtp = parameters.get(entry.payload_type, "")
        if recognize(entry) not in accepted or not is_forwardable(entry, fmtp):
            continue
        rtx = retransmissions.get(entry.payload_type)
        codec = msgspec.structs.replace(make_codec(entry, fmtp), rtx_payload_type=rtx)
        offered = (*feedback.get(entry.payload_type, ()), *feedback.get(None, ()))
        wanted = tuple(name for name in _FEEDBACK[section.kind] if name in offered)
        found.append(Format(codec, wanted))
    if section.kind == "audio":
        found.sort(key=lambda entry: accepted.index(entry.codec.name))
        return tuple(found[:1])
    return tuple(found)


def _read_retransmissions(maps: tuple[RtpMap, ...], parameters: dict[int, str]) -> dict[int, int]:
    """RTX payload type by the payload type it repairs (RFC 4588 section 8.6, apt)."""
    found: dict[int, int] = {}
    for entry in maps:
        if entry.name.upper() == RTX:
            repaired = fmtp_parameters(parameters.get(entry.payload_type, "")).get("apt", "")
            if repaired.isascii() and repaired.isdigit():
                found.setdefault(int(repaired[:4]), entry.payload_type)
    return found


def read_extensions(section: MediaSection) -> tuple[ExtensionMap, ...]:
    """The header extensions the bridge knows, each once, as far as they fit one-byte headers."""
    found: dict[str, ExtensionMap] = {}
    for entry in section.extension_maps:
        if entry.uri in EXTENSION_FIELDS and entry.id <= MAX_EXTENSION_ID:
            found.setdefault(entry.uri, entry)
    return tuple(found.values())


def read_ssrcs(section: MediaSection) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The SSRCs of the media and of their retransmissions, place by place (RFC 5576, FID)."""
    pairs = [group.ssrcs for group in section.ssrc_groups if group.semantics == "FID"]
    repair = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    repairing = set(repair.values())
    known = dict.fromkeys(line.ssrc for line in section.ssrcs)
    media = tuple(ssrc for ssrc in known if ssrc not in repairing)[:_SSRC_LIMIT]
    return media, tuple(repair[ssrc] for ssrc in media if ssrc in repair)


def write_section(section: Section, direction: Direction, transport: Transport) -> MediaSection:
    """The section in our description. Port 9 stands for "see candidates" (RFC 8829 section 5.2.1)."""
    connection = Connection("0.0.0.0")  # RFC 8829 section 5.2.1: no address but the candidates
    if not section.live:
        lines = (Attribute("mid", section.mid),) if section.mid else ()
        return MediaSection(
            section.kind,
            0,
            section.protocol,
            section.refused_formats or ("0",),
            Attributes(lines),
            connection,
        )
    lines = (
        Attribute("mid", section.mid),
        Attribute(direction.value),
        *(Attribute("extmap", f"{entry.id} {entry.uri}") for entry in section.extensions),
        *(_stream_lines(section) if direction.sends else _resting_lines(section)),
        Attribute("rtcp-mux"),
        *((Attribute("rtcp-rsize"),) if section.reduced_size_rtcp else ()),
        *(line for entry in section.formats for line in _format_lines(entry)),
        *_transport_lines(transport),
    )
    numbers = tuple(str(number) for entry in section.formats for number in entry.payload_types)
    limits = () if section.limit_bps is None else bandwidth_lines(section.limit_bps)
    return MediaSection(
        section.kind, 9, section.protocol, numbers, Attributes(lines), connection, other_lines=limits
    )


def _stream_lines(section: Section) -> list[Attribute]:
    stream, track = section.label, (section.source or section.label).replace("/", "-") + "-" + section.mid
    lines = [Attribute("msid", f"{stream} {track[-64:]}"), *_group_lines(section)]
    for ssrc in _ssrcs(section):
        lines.append(Attribute("ssrc", f"{ssrc} cname:{CNAME}"))
        lines.append(Attribute("ssrc", f"{ssrc} msid:{stream} {track[-64:]}"))
    return lines


def _resting_lines(section: Section) -> list[Attribute]:
    """The SSRCs of a section that sent before and may send again.

    A browser that no longer finds them takes its decoder down; when the same SSRC comes back, Chromium
    decodes it and shows nothing (seen with Chromium 156).
    """
    if not section.ssrc:
        return []
    cnames = (Attribute("ssrc", f"{ssrc} cname:{CNAME}") for ssrc in _ssrcs(section))
    return [*_group_lines(section), *cnames]


def _group_lines(section: Section) -> list[Attribute]:
    if section.rtx_ssrc is None:
        return []
    return [Attribute("ssrc-group", f"FID {section.ssrc} {section.rtx_ssrc}")]


def _ssrcs(section: Section) -> tuple[int, ...]:
    return (section.ssrc,) if section.rtx_ssrc is None else (section.ssrc, section.rtx_ssrc)


def _format_lines(entry: Format) -> list[Attribute]:
    codec = entry.codec
    lines = [rtp_map_line(codec)]
    lines += [Attribute("rtcp-fb", f"{codec.payload_type} {name}") for name in entry.feedback]
    # H.264 must name the profile and mode it accepts (RFC 6184 section 8.2.2); ours is the browser's own.
    fmtp = codec.fmtp if codec.name == "H264" else SHAPES[codec.name].fmtp
    if fmtp:
        lines.append(Attribute("fmtp", f"{codec.payload_type} {fmtp}"))
    if codec.rtx_payload_type is not None:
        lines.append(Attribute("rtpmap", f"{codec.rtx_payload_type} rtx/{codec.clock_rate_hz}"))
        lines.append(Attribute("fmtp", f"{codec.rtx_payload_type} apt={codec.payload_type}"))
    return lines


def _transport_lines(transport: Transport) -> list[Attribute]:
    return [
        Attribute("ice-ufrag", transport.ice.ufrag),
        Attribute("ice-pwd", transport.ice.pwd),
        *(Attribute("fingerprint", f"{entry.algorithm} {entry.value}") for entry in transport.fingerprints),
        Attribute("setup", transport.setup),
        *(Attribute("candidate", candidate) for candidate in transport.candidates),
        Attribute("end-of-candidates"),
    ]
