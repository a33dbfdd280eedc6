"""Session descriptions (RFC 8866): text to values and back. What they mean (RFC 3264): bridge.negotiation.

Tolerant in: CRLF or LF, unknown lines and attributes kept, missing t= and s=. Strict out: CRLF, RFC order.
The typed accessors skip attributes they cannot read: a broken a=ssrc must not cost the whole call.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from bridge.errors import ParseError

MAX_SIZE_BYTES = 64 * 1024  # a 12-track browser offer measures 30 kB
MAX_LINE_CHARACTERS = 4096  # sprop-parameter-sets and long fmtp stay below 1 kB
MAX_MEDIA_SECTIONS = 64
MAX_FORMATS = 128  # there are 128 payload types

_LINE_END = re.compile(r"\r\n|\n|\r")  # not splitlines(): it also cuts at U+2028 and control characters
_FORBIDDEN = re.compile(r"[\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_LINE = re.compile(r"[a-z]=")


class Direction(StrEnum):
    """RFC 8866 section 6.7, seen from whoever wrote the line."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)


_DIRECTIONS = {direction.value: direction for direction in Direction}


def make_direction(*, sends: bool, receives: bool) -> Direction:
    """The direction of one who does exactly this."""
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


class Attribute(msgspec.Struct, frozen=True):
    """One a= line. `value` is None for a property attribute such as a=rtcp-mux."""

    name: str
    value: str | None = None


class Origin(msgspec.Struct, frozen=True):
    """The o= line (RFC 8866 section 5.2). Ids stay text: they may be longer than 64 bits."""

    username: str = "-"
    session_id: str = "0"
    session_version: str = "0"
    address_type: str = "IP4"
    address: str = "0.0.0.0"


class Connection(msgspec.Struct, frozen=True):
    """The c= line (section 5.7). `address` may carry a multicast suffix or be a host name."""

    address: str
    address_type: str = "IP4"


class RtpMap(msgspec.Struct, frozen=True):
    """`name` as written; RFC 8866 section 6.6: compared without case."""

    payload_type: int
    name: str
    clock_rate_hz: int
    channels: int = 1


class ExtensionMap(msgspec.Struct, frozen=True):
    """a=extmap (RFC 8285 section 8); its own direction and attributes are dropped."""

    id: int
    uri: str


class SsrcAttribute(msgspec.Struct, frozen=True):
    """a=ssrc (RFC 5576 section 4.1)."""

    ssrc: int
    name: str
    value: str = ""


class SsrcGroup(msgspec.Struct, frozen=True):
    """a=ssrc-group (RFC 5576 section 4.2), e.g. FID: media and its retransmission."""

    semantics: str
    ssrcs: tuple[int, ...]


class Crypto(msgspec.Struct, frozen=True):
    """a=crypto (RFC 4568 section 9.1)."""

    tag: int
    suite: str
    key_parameters: str


class Group(msgspec.Struct, frozen=True):
    """a=group (RFC 5888), e.g. BUNDLE."""

    semantics: str
    mids: tuple[str, ...]


class Attributes(msgspec.Struct, frozen=True):
    """The a= lines of the session or of one media section, in their order."""

    lines: tuple[Attribute, ...] = ()

    def values(self, name: str) -> Iterator[str]:
        """The values of all lines `a=name:...`."""
        return (line.value for line in self.lines if line.name == name and line.value is not None)

    def value(self, name: str) -> str | None:
        """The first value of `a=name:...`, stripped; None if there is none."""
        found = next(self.values(name), None)
        return None if found is None else found.strip()

    def has(self, name: str) -> bool:
        return any(line.name == name for line in self.lines)

    @property
    def direction(self) -> Direction | None:
        """The last direction line, as libwebrtc takes it; None if there is none."""
        found = None
        for line in self.lines:
            found = _DIRECTIONS.get(line.name, found)
        return found

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """(algorithm in lower case, value in upper case) of each a=fingerprint (RFC 8122 section 5)."""
        pairs = (value.split() for value in self.values("fingerprint"))
        return tuple((pair[0].lower(), pair[1].upper()) for pair in pairs if len(pair) == 2)

    @property
    def groups(self) -> tuple[Group, ...]:
        words = (value.split() for value in self.values("group"))
        return tuple(Group(word[0].upper(), tuple(word[1:])) for word in words if word)


class MediaSection(msgspec.Struct, frozen=True):
    """One m= line with what belongs to it. `formats` are payload types for RTP, other tokens else."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes = Attributes()
    connection: Connection | None = None
    port_count: int = 1
    other_lines: tuple[str, ...] = ()  # i=, b=, k=, as read

    @property
    def mid(self) -> str:
        return self.attributes.value("mid") or ""

    @property
    def payload_types(self) -> tuple[int, ...]:
        """The formats that are RTP payload types, each once, in order of preference."""
        numbers = (int(text) for text in self.formats if text.isascii() and text.isdigit() and len(text) <= 3)
        return tuple(dict.fromkeys(number for number in numbers if number < 128))

    @property
    def rtp_maps(self) -> dict[int, RtpMap]:
        """By payload type; the first line of a payload type counts."""
        found: dict[int, RtpMap] = {}
        for value in self.attributes.values("rtpmap"):
            entry = _parse_rtp_map(value)
            if entry is not None:
                found.setdefault(entry.payload_type, entry)
        return found

    @property
    def format_parameters(self) -> dict[int, str]:
        """The text of a=fmtp by payload type."""
        found: dict[int, str] = {}
        for value in self.attributes.values("fmtp"):
            number, _, text = value.strip().partition(" ")
            payload_type = _parse_number(number, 127)
            if payload_type is not None:
                found.setdefault(payload_type, text.strip())
        return found

    @property
    def feedback(self) -> dict[int | None, tuple[str, ...]]:
        """a=rtcp-fb (RFC 4585 section 4.2) by payload type; the key None holds those for all ("*")."""
        found: dict[int | None, list[str]] = {}
        for value in self.attributes.values("rtcp-fb"):
            number, _, text = value.strip().partition(" ")
            key = None if number == "*" else _parse_number(number, 127)
            if key is not None or number == "*":
                found.setdefault(key, []).append(" ".join(text.split()))
        return {key: tuple(texts) for key, texts in found.items()}

    @property
    def extension_maps(self) -> tuple[ExtensionMap, ...]:
        found = []
        for value in self.attributes.values("extmap"):
            words = value.split()
            number = _parse_number(words[0].partition("/")[0], 255) if len(words) >= 2 else None
            if number:
                found.append(ExtensionMap(number, words[1]))
        return tuple(found)

    @property
    def ssrcs(self) -> tuple[SsrcAttribute, ...]:
        found = []
        for value in self.attributes.values("ssrc"):
            number, _, rest = value.strip().partition(" ")
            ssrc = _parse_number(number, 0xFFFFFFFF)
            if ssrc is not None:
                name, _, text = rest.partition(":")
                found.append(SsrcAttribute(ssrc, name, text))
        return tuple(found)

    @property
    def ssrc_groups(self) -> tuple[SsrcGroup, ...]:
        found = []
        for value in self.attributes.values("ssrc-group"):
            semantics, *texts = value.split() or [""]
            numbers = [_parse_number(text, 0xFFFFFFFF) for text in texts]
            ssrcs = tuple(number for number in numbers if number is not None)
            if ssrcs and len(ssrcs) == len(texts):
                found.append(SsrcGroup(semantics.upper(), ssrcs))
        return tuple(found)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The texts after "candidate:" (RFC 8839 section 5.1)."""
        return tuple(self.attributes.values("candidate"))

    @property
    def cryptos(self) -> tuple[Crypto, ...]:
        words = (value.split() for value in self.attributes.values("crypto"))
        tagged = ((_parse_number(word[0], 999_999_999), word) for word in words if len(word) >= 3)
        return tuple(Crypto(tag, word[1], word[2]) for tag, word in tagged if tag is not None)

    @property
    def rtcp_port(self) -> int | None:
        """The port of a=rtcp (RFC 3605), None without one."""
        number = (self.attributes.value("rtcp") or "").partition(" ")[0]
        return _parse_number(number, 65535) or None

    @property
    def ptime_ms(self) -> int | None:
        return _parse_number(self.attributes.value("ptime") or "", 1000) or None


class SessionDescription(msgspec.Struct, frozen=True):
    """A whole description. `other_lines` are the session's i=, u=, e=, p=, b=, k=, z=, r= lines as read."""

    origin: Origin = Origin()
    name: str = "-"
    timing: str = "0 0"
    connection: Connection | None = None
    attributes: Attributes = Attributes()
    media: tuple[MediaSection, ...] = ()
    other_lines: tuple[str, ...] = ()

    @property
    def bundle(self) -> tuple[str, ...]:
        """The mids of the first BUNDLE group (RFC 9143), () without one."""
        return next((group.mids for group in self.attributes.groups if group.semantics == "BUNDLE"), ())

    def direction(self, section: MediaSection) -> Direction:
        """Of one section; the session's line is the default, sendrecv where there is none (RFC 8866, 6.7)."""
        return section.attributes.direction or self.attributes.direction or Direction.SENDRECV

    def inherited(self, section: MediaSection, name: str) -> str | None:
        """The value of an attribute that may stand at either level; the section's own wins."""
        own = section.attributes.value(name)
        return own if own is not None else self.attributes.value(name)

    def fingerprints(self, section: MediaSection) -> tuple[tuple[str, str], ...]:
        return section.attributes.fingerprints or self.attributes.fingerprints

    def connection_of(self, section: MediaSection) -> Connection | None:
        return section.connection or self.connection


def parse_session_description(text: str) -> SessionDescription:
    """Reads a description. Raises ParseError for what has no grammar or passes a bound."""
    lines = _split(text)
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > MAX_MEDIA_SECTIONS:
        raise ParseError(f"SDP has {len(starts)} m= lines; the bridge reads {MAX_MEDIA_SECTIONS}.")
    session = _parse_session(lines[: starts[0]] if starts else lines)
    ends = [*starts[1:], len(lines)]
    sections = (_parse_media(lines[start:end]) for start, end in zip(starts, ends, strict=False))
    return msgspec.structs.replace(session, media=tuple(sections))


def serialize_session_description(description: SessionDescription) -> str:
    """Writes a description with CRLF, in the order of RFC 8866 section 5."""
    origin = description.origin
    early = [line for line in description.other_lines if line[0] in "iuep"]
    late = [line for line in description.other_lines if line[0] not in "iuep"]
    lines = [
        "v=0",
        f"o={origin.username} {origin.session_id} {origin.session_version}"
        f" IN {origin.address_type} {origin.address}",
        f"s={description.name}",
        *early,
        *_connection_lines(description.connection),
        *(line for line in late if line[0] == "b"),
        f"t={description.timing}",
        *(line for line in late if line[0] != "b"),
        *_attribute_lines(description.attributes),
    ]
    for section in description.media:
        lines += _media_lines(section)
    return "\r\n".join(lines) + "\r\n"


def _split(text: str) -> list[str]:
    # The size in characters is a lower bound of that in bytes: cheap, and refuses 1 MB before encoding it.
    if len(text) > MAX_SIZE_BYTES or len(text.encode("utf-8", "replace")) > MAX_SIZE_BYTES:
        raise ParseError(f"SDP is larger than {MAX_SIZE_BYTES} bytes.")
    if _FORBIDDEN.search(text):
        raise ParseError("SDP contains a control character.")
    lines = [line.rstrip() for line in _LINE_END.split(text)]
    lines = [line for line in lines if line]
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARACTERS:
            raise ParseError(f"SDP line {number} is longer than {MAX_LINE_CHARACTERS} characters.")
        if not _LINE.match(line):
            raise ParseError(f"SDP line {number} does not start with a letter and '='.")
    if not lines or lines[0] != "v=0":
        raise ParseError("SDP does not start with v=0.")
    return lines


def _parse_session(lines: list[str]) -> SessionDescription:
    origin, name, timing = Origin(), "-", "0 0"
    connection: Connection | None = None
    attributes: list[Attribute] = []
    others: list[str] = []
    for line in lines[1:]:
        match line[0]:
            case "o":
                origin = _parse_origin(line[2:])
            case "s":
                name = line[2:] or "-"
            case "t":
                timing = line[2:]
            case "c":
                connection = _parse_connection(line[2:])
            case "a":
                attributes.append(_parse_attribute(line[2:]))
            case "v":
                raise ParseError("SDP has more than one v= line.")
            case _:
                others.append(line)
    return SessionDescription(
        origin, name, timing, connection, Attributes(tuple(attributes)), other_lines=tuple(others)
    )


def _parse_media(lines: list[str]) -> MediaSection:
    words = lines[0][2:].split()
    if len(words) < 3:
        raise ParseError(f"SDP line {lines[0][:60]!r} needs a medium, a port and a protocol.")
    kind, ports, protocol, *formats = words
    if len(formats) > MAX_FORMATS:
        raise ParseError(f"SDP m= line has {len(formats)} formats; the bridge reads {MAX_FORMATS}.")
    port_text, _, count_text = ports.partition("/")
    port, count = _parse_number(port_text, 65535), _parse_number(count_text or "1", 65535)
    if port is None or not count:
        raise ParseError(f"SDP m= line has no valid port: {ports[:20]!r}.")
    connection: Connection | None = None
    attributes: list[Attribute] = []
    others: list[str] = []
    for line in lines[1:]:
        match line[0]:
            case "a":
                attributes.append(_parse_attribute(line[2:]))
            case "c":
                connection = connection or _parse_connection(line[2:])
            case _:
                others.append(line)
    return MediaSection(
        kind, port, protocol, tuple(formats), Attributes(tuple(attributes)), connection, count, tuple(others)
    )


def _parse_origin(text: str) -> Origin:
    words = text.split()
    if len(words) < 6:
        raise ParseError("SDP o= line needs six fields.")
    # A display name with spaces is seen in user names: the last five fields are what counts.
    session_id, version, _, address_type, address = words[-5:]
    return Origin("_".join(words[:-5]), session_id, version, address_type, address)


def _parse_connection(text: str) -> Connection:
    words = text.split()
    if len(words) != 3:
        raise ParseError("SDP c= line needs three fields.")
    return Connection(words[2], words[1])


def _parse_attribute(text: str) -> Attribute:
    name, colon, value = text.partition(":")
    return Attribute(name.strip(), value if colon else None)


def _parse_rtp_map(text: str) -> RtpMap | None:
    number, _, encoding = text.strip().partition(" ")
    name, *rates = encoding.strip().split("/")
    payload_type = _parse_number(number, 127)
    clock_rate_hz = _parse_number(rates[0], 10_000_000) if rates else None
    channels = _parse_number(rates[1], 255) if len(rates) > 1 else 1
    if payload_type is None or not name or not clock_rate_hz:
        return None
    return RtpMap(payload_type, name, clock_rate_hz, channels or 1)


def _parse_number(text: str, maximum: int) -> int | None:
    """A decimal number of ASCII digits up to `maximum`; int() alone takes "+1", "1_0" and Arabic digits."""
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    number = int(text)
    return number if number <= maximum else None


def _connection_lines(connection: Connection | None) -> list[str]:
    return [] if connection is None else [f"c=IN {connection.address_type} {connection.address}"]


def _attribute_lines(attributes: Attributes) -> list[str]:
    return [
        f"a={line.name}" if line.value is None else f"a={line.name}:{line.value}" for line in attributes.lines
    ]


def _media_lines(section: MediaSection) -> list[str]:
    ports = str(section.port) if section.port_count == 1 else f"{section.port}/{section.port_count}"
    return [
        " ".join((f"m={section.kind}", ports, section.protocol, *section.formats)),
        *(line for line in section.other_lines if line[0] == "i"),
        *_connection_lines(section.connection),
        *(line for line in section.other_lines if line[0] != "i"),
        *_attribute_lines(section.attributes),
    ]
