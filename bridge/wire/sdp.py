"""Session descriptions (RFC 8866): text to values and back. What they mean (RFC 3264): bridge.negotiation.

Tolerant in: CRLF or LF, unknown lines and attributes kept, missing t= and s=, odd o=, NUL at the end.
Strict out: CRLF, RFC order.
"""

import re

import msgspec

from bridge.errors import ParseError
from bridge.wire.sdp_section import Attribute, Attributes, Connection, Direction, MediaSection, parse_number

MAX_SIZE_BYTES = 64 * 1024  # a 12-track browser offer measures 30 kB
MAX_LINE_CHARACTERS = 4096  # sprop-parameter-sets and long fmtp stay below 1 kB
MAX_MEDIA_SECTIONS = 64
MAX_FORMATS = 128  # there are 128 payload types

_LINE_END = re.compile(r"\r\n|\n|\r")  # not splitlines(): it also cuts at U+2028 and control characters
_FORBIDDEN = re.compile(r"[\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_LINE = re.compile(r"[a-z]=")
_LINE_ORDER = "iuepbrzk"  # RFC 8866 section 5, of the lines that are kept as read; others come last
_PLACES = {letter: place for place, letter in enumerate(_LINE_ORDER)}
_SESSION_ONLY = "vostr"


class Origin(msgspec.Struct, frozen=True):
    """The o= line (RFC 8866 section 5.2). Ids stay text: they may be longer than 64 bits."""

    username: str = "-"
    session_id: str = "0"
    session_version: str = "0"
    address_type: str = "IP4"
    address: str = "0.0.0.0"


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
    text = text.rstrip("\x00")  # as gateways count it that send what they have in C
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
        origin, name, timing, connection, Attributes(tuple(attributes)), other_lines=_in_order(others)
    )


def _parse_media(lines: list[str]) -> MediaSection:
    words = lines[0][2:].split()
    if len(words) < 3:
        raise ParseError(f"SDP line {lines[0][:60]!r} needs a medium, a port and a protocol.")
    kind, ports, protocol, *formats = words
    if len(formats) > MAX_FORMATS:
        raise ParseError(f"SDP m= line has {len(formats)} formats; the bridge reads {MAX_FORMATS}.")
    port_text, _, count_text = ports.partition("/")
    port, count = parse_number(port_text, 65535), parse_number(count_text or "1", 65535)
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
            case letter:
                others += [] if letter in _SESSION_ONLY else [line]
    return MediaSection(
        kind,
        port,
        protocol,
        tuple(formats),
        Attributes(tuple(attributes)),
        connection,
        count,
        _in_order(others),
    )


def _in_order(lines: list[str]) -> tuple[str, ...]:
    if len(lines) > 1:
        lines = sorted(lines, key=lambda line: _PLACES.get(line[0], len(_PLACES)))
    return tuple(lines)


def _parse_origin(text: str) -> Origin:
    """Nothing hangs on it, so a broken one costs no call."""
    words = text.split()
    if len(words) < 5:
        return Origin()
    # A display name with spaces is seen in user names, and no name at all: the last five fields are what counts.
    session_id, version, _, address_type, address = words[-5:]
    return Origin("_".join(words[:-5]) or "-", session_id, version, address_type, address)


def _parse_connection(text: str) -> Connection:
    words = text.split()
    if len(words) != 3:
        raise ParseError("SDP c= line needs three fields.")
    return Connection(words[2], words[1])


def _parse_attribute(text: str) -> Attribute:
    name, colon, value = text.partition(":")
    return Attribute(name.strip(), value if colon else None)


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
