"""SIP URIs and name-addresses: text to values (RFC 3261 sections 19.1, 20.10, 25.1)."""

import re
from functools import lru_cache

import msgspec

from bridge.errors import ParseError

MAX_PORT = 65_535
# A phone says its own address in each message, and a trunk the same few in each call: what was understood once is
# taken from here. It holds the newest, none of them long.
_KNOWN = 1024
_KNOWN_CHARS = 256

# RFC 3261 section 25.1. Two repetitions that could share characters never stand side by side, so that no
# text makes these expressions go over it more than a few times (tests/unit/sip/test_sip_uri.py).
TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
QUOTED = r'"(?:[^"\\]|\\.)*"'
HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*)"
LWS = r"[ \t]*"

# A user may have a # or a letter beyond ASCII as they stand: phones dial *21*30#, and are called büro, without the
# escape that the grammar asks for. It may be empty, as gateways write who wants to be nobody (`sip:@192.0.2.1`), and
# so may a parameter (`;lr;`).
_SIP_URI = re.compile(
    r"(sips?):"
    r"(?:((?:[A-Za-z0-9\-_.!~*'()&=+$,;?/:#\x80-\U0010ffff]++|%[0-9A-Fa-f]{2})*+)@)?"
    rf"({HOST})"
    r"(?::([0-9]{1,5}))?"
    r"((?:;[^;?\s<>\"]*)*)"
    r"(?:\?([^\s<>\"]*))?\Z",
    re.IGNORECASE,
)
_OTHER_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"]+\Z")
_PARAMETER = re.compile(
    rf"{LWS};[ \t]*+(?:({TOKEN})(?:{LWS}={LWS}({QUOTED}|[^\s;,\"<>]*))?)?[ \t]*+", re.ASCII | re.DOTALL
)
# A display name without quotes is tokens. Letters beyond ASCII and signs that cannot be taken for anything else are
# taken too, as phones and carriers send them: `Müller & Co. (Berlin)`.
_NAME_ADDRESS = re.compile(
    rf"(?:({QUOTED}){LWS}|([A-Za-z0-9\-.!%*_+`'~()&/#?=$\[\]{{}}|^ \t\x80-\U0010ffff]*))<([^<>]*)>{LWS}(.*)\Z",
    re.DOTALL,
)
_PLAIN_PARAMETERS = re.compile(rf"(?:;{TOKEN}(?:=[^\s;,\"<>]+)?)+\Z", re.ASCII)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]{2})+")

Parameters = tuple[tuple[str, str], ...]


class SipUri(msgspec.Struct, frozen=True, gc=False):
    """A sip: or sips: URI. `user` is as on the wire (escaped, with a password if there is one)."""

    scheme: str
    user: str
    host: str
    port: int | None = None
    parameters: Parameters = ()
    headers: str = ""

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" if it has none, None if it is absent."""
        return find_parameter(self.parameters, name)


class NameAddress(msgspec.Struct, frozen=True, gc=False):
    """The value of From, To, Contact, Route or Record-Route. `parameters` are the header's, not the URI's."""

    uri: str
    display_name: str = ""
    parameters: Parameters = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" if it has none, None if it is absent."""
        return find_parameter(self.parameters, name)


def find_parameter(parameters: Parameters, name: str) -> str | None:
    """The value of the parameter `name` (lower case): "" if it has none, None if it is absent."""
    for key, value in parameters:
        if key == name:
            return value
    return None


def parse_parameters(text: str) -> Parameters:
    """`;name=value;flag` to pairs, names in lower case, values as written. One semicolon too many says nothing.

    Raises ParseError.
    """
    if _PLAIN_PARAMETERS.match(text):
        plain = [part.partition("=") for part in text[1:].split(";")]
        return tuple([(name.lower(), value) for name, _, value in plain])
    pairs = []
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise ParseError("parameters break their grammar")
        if match[1]:
            pairs.append((match[1].lower(), match[2] or ""))
        position = match.end()
    return tuple(pairs)


def parse_uri(text: str) -> SipUri:
    """Raises ParseError for anything but a sip: or sips: URI."""
    return _known_uri(text) if len(text) <= _KNOWN_CHARS else _parse_uri(text)


def _parse_uri(text: str) -> SipUri:
    match = _SIP_URI.match(text)
    if match is None:
        raise ParseError("not a SIP URI")
    scheme, user, host, port_text, parameter_text, headers = match.groups()
    port = int(port_text) if port_text else None
    if port is not None and port > MAX_PORT:
        raise ParseError("URI port out of range")
    parameters = tuple(_uri_parameter(part) for part in parameter_text.split(";") if part)
    return SipUri(scheme.lower(), user or "", host.strip("[]"), port, parameters, headers or "")


_known_uri = lru_cache(_KNOWN)(_parse_uri)


def _uri_parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.lower(), value


def request_uri(text: str) -> str:
    """A URI as a request may go to it: without the headers that one in a Contact or Record-Route may have (section
    19.1.1). Raises ParseError for what looks like a SIP URI and is none.
    """
    if "?" not in text or text[:3].lower() != "sip":
        return text
    headers = parse_uri(text).headers
    return text[: -len(headers)].removesuffix("?") if headers else text


def check_uri(text: str) -> None:
    """Raises ParseError unless `text` is a SIP URI or, by its form, a URI of another scheme."""
    if text[:4].lower() in ("sip:", "sips"):
        if _SIP_URI.match(text) is None:
            raise ParseError("SIP URI breaks its grammar")
    elif _OTHER_URI.match(text) is None:
        raise ParseError("not a URI")


def parse_name_address(text: str) -> NameAddress:
    """`"Name" <uri>;parameters` or `uri;parameters`. Raises ParseError."""
    return _known_name_address(text) if len(text) <= _KNOWN_CHARS else _parse_name_address(text)


def _parse_name_address(text: str) -> NameAddress:
    match = _NAME_ADDRESS.match(text.strip(" \t"))
    if match is None:
        return _parse_address(text)
    quoted, tokens, uri, rest = match.groups()
    check_uri(uri)
    name = _QUOTED_PAIR.sub(r"\1", quoted[1:-1]) if quoted else tokens.strip()
    return NameAddress(uri, name, parse_parameters(rest) if rest else ())


_known_name_address = lru_cache(_KNOWN)(_parse_name_address)


def _parse_address(text: str) -> NameAddress:
    """Without angle brackets all parameters are the header's, and ? and , cannot be (section 20.10)."""
    uri, semicolon, rest = text.strip(" \t").partition(";")
    uri = uri.rstrip(" \t")
    if "?" in uri or "," in uri:
        raise ParseError("a URI with ? or , needs angle brackets")
    check_uri(uri)
    return NameAddress(uri, "", parse_parameters(semicolon + rest) if semicolon else ())


def unescape(text: str) -> str:
    """`%41` to `A`; what is not UTF-8 after that becomes the replacement character."""
    return _ESCAPE.sub(_unescape_run, text)


def _unescape_run(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "replace")


def bracket(host: str) -> str:
    """`host` as it stands in a URI or Via: an IPv6 address gets its brackets."""
    return f"[{host}]" if ":" in host else host
