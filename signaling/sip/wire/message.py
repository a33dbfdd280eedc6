"""SIP messages: bytes to values and back (RFC 3261 sections 7, 20 and 25).

Tolerant in: folded lines, compact names, odd white space, bare LF. Strict out. Nothing here loops over a
message more than a fixed number of times, and everything it builds is bounded by `MAX_MESSAGE_BYTES`.
"""

import re

import msgspec

from bridge.errors import ParseError
from signaling.sip.wire.uri import LWS, TOKEN, NameAddress, check_uri, parse_name_address, parse_uri
from signaling.sip.wire.via import Via, parse_via

MAX_MESSAGE_BYTES = 65_535  # RFC 3261 section 18.1.1: implementations must handle what UDP can carry
MAX_HEADERS = 256  # the longest RFC 4475 message has 40
MAX_READABLE_CHARS = 512
MAX_CSEQ = 2**31 - 1  # section 8.1.1.5
MAX_FORWARDS = 255  # section 20.22

Headers = tuple[tuple[str, str], ...]

# Section 7.3.3, RFC 3515, RFC 3892, RFC 4028, RFC 6665.
_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
}
_NAMES = (
    "Accept",
    "Allow",
    "Allow-Events",
    "Authorization",
    "Call-ID",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Diversion",
    "Event",
    "Expires",
    "From",
    "History-Info",
    "Info-Package",
    "Max-Forwards",
    "Min-SE",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Privacy",
    "RAck",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "Reason",
    "Record-Route",
    "Recv-Info",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Remote-Party-ID",
    "Replaces",
    "Require",
    "Retry-After",
    "Route",
    "RSeq",
    "Session-Expires",
    "Subject",
    "Subscription-State",
    "Supported",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "WWW-Authenticate",
    "Warning",
)
_CANONICAL = {name.lower(): name for name in _NAMES} | _COMPACT
_AS_WRITTEN = {name: name for name in _NAMES} | _CANONICAL  # by far the most headers are found here
# A second value of one of these says that two elements may read two different messages out of one.
_ONCE = frozenset({"From", "To", "Call-ID", "CSeq", "Content-Length", "Max-Forwards", "Content-Type"})

_ECHOED = {"Via", "From", "To", "Call-ID", "CSeq"}  # by every response, section 8.2.6.2

_HEADER = re.compile(rf"({TOKEN}){LWS}:{LWS}(.*)\Z", re.ASCII | re.DOTALL)
# Those that turn the direction of what follows count too: they make one name look like another.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_FOLD = re.compile(r"\n[ \t]+")
_TOKEN = re.compile(rf"{TOKEN}\Z", re.ASCII)
_CSEQ = re.compile(rf"([0-9]{{1,32}})[ \t]+({TOKEN})\Z", re.ASCII)
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)


class SipParseError(ParseError):
    """A message against the grammar; `status` is what to answer if it was a request."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What requests and responses share. Header names are canonical, values unfolded and stripped."""

    headers: Headers
    body: bytes = b""

    def first(self, name: str) -> str:
        """The first value of a header as it stands, "" if there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a header in order, those written in one line with commas taken apart."""
        found: list[str] = []
        for key, value in self.headers:
            if key == name:
                found.extend(split_commas(value) if "," in value else (value,))
        return tuple(found)


class Request(Message, frozen=True, gc=False, kw_only=True):
    method: str
    uri: str


class Response(Message, frozen=True, gc=False, kw_only=True):
    status: int
    reason: str


class Essentials(msgspec.Struct, frozen=True, gc=False):
    """The headers every message must have, understood (RFC 3261 section 8.1.1)."""

    via: Via
    call_id: str
    from_address: NameAddress
    to_address: NameAddress
    cseq_number: int
    cseq_method: str
    from_tag: str
    to_tag: str


def split_commas(value: str) -> list[str]:
    """`a, "b,c" <d,e>` to its elements: commas in quotes or angle brackets do not part them."""
    parts: list[str] = []
    start = 0
    quoted = bracketed = False
    escaped = False
    for position, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            bracketed = character == "<"
        elif character == "," and not bracketed:
            parts.append(value[start:position].strip(" \t"))
            start = position + 1
    parts.append(value[start:].strip(" \t"))
    return parts


def readable(text: str) -> str:
    """`text` of a peer fit for logs, screens and databases: valid, without characters that control, bounded."""
    if text.isascii() and text.isprintable():
        return text[:MAX_READABLE_CHARS]
    text = text[:MAX_READABLE_CHARS].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROL.sub("\ufffd", text)


# --- bytes to values --------------------------------------------------------------------------------------


def parse_message(data: bytes) -> Request | Response:
    """One whole message. What follows the body it announces is ignored (section 18.3). Raises ParseError."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise SipParseError("message too large", 513)
    lines, rest = _head_lines(data)
    start_line = lines[0]
    headers = tuple([_parse_header(line) for line in lines[1:]])
    body = _take_body(headers, rest)
    if start_line[:4].upper() == "SIP/":
        status, reason = _parse_status_line(start_line)
        return Response(headers=headers, body=body, status=status, reason=reason)
    method, uri = _parse_request_line(start_line)
    return Request(headers=headers, body=body, method=method, uri=uri)


def _head_lines(data: bytes) -> tuple[list[str], bytes]:
    data = data.lstrip(b"\r\n")  # section 7.5: empty lines before the start line are ignored
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        head, separator, rest = data.partition(b"\n\n")
    if not separator:
        raise SipParseError("no empty line after the headers")
    # surrogateescape keeps bytes that are not UTF-8 as they came.
    text = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if "\r" in text:
        raise SipParseError("a carriage return alone")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\n", MAX_HEADERS + 2)
    if len(lines) > MAX_HEADERS + 1:
        raise SipParseError("too many headers", 513)
    return lines, rest


def _parse_header(line: str) -> tuple[str, str]:
    written, colon, rest = line.partition(":")
    if colon and written in _AS_WRITTEN:
        return _AS_WRITTEN[written], rest.strip(" \t")
    match = _HEADER.match(line)
    if match is None:
        raise SipParseError("a line that is no header")
    name, value = match.groups()
    return _CANONICAL.get(name.lower(), name), value.rstrip(" \t")


def _take_body(headers: Headers, rest: bytes) -> bytes:
    for name, value in headers:
        if name == "Content-Length":
            length = parse_content_length(value)
            if length > len(rest):
                raise SipParseError("body shorter than its Content-Length")
            return rest[:length]
    return rest


def parse_content_length(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise SipParseError("Content-Length is no number")
    return int(value)


def _parse_status_line(line: str) -> tuple[int, str]:
    match = _STATUS.match(line)
    if match is None:
        raise SipParseError("status line breaks its grammar")
    return int(match[1]), match[2] or ""


def _parse_request_line(line: str) -> tuple[str, str]:
    """Exactly one space between the three parts: RFC 4475 section 3.1.2.9 asks to refuse the rest."""
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.match(parts[0]):
        raise SipParseError("request line breaks its grammar")
    method, uri, version = parts
    if version.upper() != "SIP/2.0":
        raise SipParseError("SIP version is not 2.0", 505 if version[:4].upper() == "SIP/" else 400)
    check_uri(uri)
    if uri[:3].lower() == "sip" and "?" in uri and parse_uri(uri).headers:
        raise SipParseError("Request-URI with headers")  # section 19.1.5
    return method, uri


def parse_essentials(message: Request | Response) -> Essentials:
    """What no message can do without, checked. Raises ParseError."""
    found: dict[str, str] = {}
    for name, value in message.headers:
        if name in _ONCE:
            if name in found:
                raise SipParseError(f"{name} twice")
            found[name] = value
        elif name == "Via":
            found.setdefault(name, value)
        elif name == "Contact" and isinstance(message, Request):
            # In an answer one without sense only moves nothing: without it a call that was taken would be lost.
            _check_contacts(value)
    _check_max_forwards(found.get("Max-Forwards", "70"))
    try:
        call_id, cseq_text, via_text = found["Call-ID"], found["CSeq"], found["Via"]
        from_text, to_text = found["From"], found["To"]
    except KeyError as error:
        raise SipParseError(f"{error.args[0]} is missing") from None
    number, method = _parse_cseq(cseq_text)
    if isinstance(message, Request) and method != message.method:
        raise SipParseError("CSeq method is not the request's")
    if not call_id or " " in call_id:
        raise SipParseError("Call-ID breaks its grammar")
    via = parse_via(split_commas(via_text)[0] if "," in via_text else via_text)
    sender, receiver = parse_name_address(from_text), parse_name_address(to_text)
    tags = sender.parameter("tag") or "", receiver.parameter("tag") or ""
    return Essentials(via, call_id, sender, receiver, number, method, *tags)


def to_tag_of(data: bytes) -> str:
    """Of a whole message; "" if it has none, or makes no sense."""
    try:
        return parse_essentials(parse_message(data)).to_tag
    except ParseError:
        return ""


def _parse_cseq(text: str) -> tuple[int, str]:
    match = _CSEQ.match(text)
    if match is None or int(match[1]) > MAX_CSEQ:
        raise SipParseError("CSeq breaks its grammar")
    return int(match[1]), match[2]


def _check_contacts(text: str) -> None:
    for contact in split_commas(text) if "," in text else (text,):
        if contact != "*":
            parse_name_address(contact)


def _check_max_forwards(text: str) -> None:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= MAX_FORWARDS):
        raise SipParseError("Max-Forwards out of range")


def salvage_request(data: bytes) -> Request | None:
    """A request good enough to be answered 400, read without checks; None if there is no telling whom to."""
    try:
        lines, _ = _head_lines(data[:MAX_MESSAGE_BYTES])
    except ParseError:
        return None
    method = lines[0].partition(" ")[0]
    if "SIP/" not in lines[0].upper() or not _TOKEN.match(method) or method.upper().startswith("SIP/"):
        return None
    headers: list[tuple[str, str]] = []
    seen = set()
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = _CANONICAL.get(name.strip(" \t").lower(), "")
        if name in _ECHOED and (name == "Via" or name not in seen):
            seen.add(name)
            headers.append((name, value.strip(" \t")))
    if seen != _ECHOED:
        return None
    return Request(headers=tuple(headers), method=method, uri="")


# --- values to bytes --------------------------------------------------------------------------------------


def serialize_message(message: Request | Response) -> bytes:
    """Content-Length is always written, last. A line break in a header is our mistake: ValueError."""
    if isinstance(message, Request):
        lines = [f"{message.method} {message.uri} SIP/2.0"]
    else:
        lines = [f"SIP/2.0 {message.status} {message.reason}"]
    lines.extend([f"{name}: {value}" for name, value in message.headers if name != "Content-Length"])
    lines.append(f"Content-Length: {len(message.body)}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a SIP header must not contain a line break")
    return text.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + message.body


def quote(text: str) -> str:
    """`text` as a quoted-string that cannot break out of its header."""
    printable = "".join(character for character in text if character >= " " and character != "\x7f")
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def with_top_via(request: Request, top: str | None) -> Request:
    """The request with `top` in place of its topmost Via; as it is for None."""
    if top is None:
        return request
    headers = list(request.headers)
    at = next(index for index, (name, _) in enumerate(headers) if name == "Via")
    value = headers[at][1]
    others = split_commas(value)[1:] if "," in value else []
    headers[at] = ("Via", ", ".join([top, *others]))
    return Request(headers=tuple(headers), body=request.body, method=request.method, uri=request.uri)
