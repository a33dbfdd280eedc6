"""Keys in a session description: the a=crypto line (RFC 4568), between text and values."""

import base64
import binascii
from collections.abc import Iterable

import msgspec

from bridge.wire.sdp_section import Attribute, Crypto, parse_number

_MAX_LIFETIME_EXPONENT = 48  # RFC 3711 section 9.2: no SRTP key lives longer than 2^48 packets
_MAX_MKI_SIZE = 128  # RFC 4568 section 6.1
_INLINE = "inline:"


class Suite(msgspec.Struct, frozen=True):
    """A crypto suite: its name in SDP and the octets of its master key and salt."""

    name: str
    key_size: int
    salt_size: int

    @property
    def size(self) -> int:
        """Octets of key and salt together, as they stand in the line."""
        return self.key_size + self.salt_size


SUITES = {
    suite.name: suite
    for suite in (
        Suite("AEAD_AES_128_GCM", 16, 12),  # RFC 7714 section 14.1
        Suite("AEAD_AES_256_GCM", 32, 12),
        Suite("AES_CM_128_HMAC_SHA1_80", 16, 14),  # RFC 4568 section 6.2
        Suite("AES_256_CM_HMAC_SHA1_80", 32, 14),  # RFC 6188 section 5
        Suite("AES_CM_128_HMAC_SHA1_32", 16, 14),
        Suite("AES_256_CM_HMAC_SHA1_32", 32, 14),
    )
}
"""In our order of preference: cipher and tag in one pass first, long tags before short ones."""


class OfferedKey(msgspec.Struct, frozen=True):
    """A crypto line the bridge can work with."""

    tag: int
    suite: Suite
    key: bytes
    mki: bytes = b""  # that stands in each packet

    def __repr__(self) -> str:
        return f"OfferedKey({self.tag}, {self.suite.name})"


def read_keys(lines: Iterable[Crypto], suites: Iterable[str]) -> tuple[OfferedKey, ...]:
    """The lines of these suites that can be done, in the peer's order; the others are as if not there."""
    allowed = frozenset(suites)
    found = (_read_key(line) for line in lines if line.suite in allowed)
    return tuple(key for key in found if key is not None)


def _read_key(line: Crypto) -> OfferedKey | None:
    """None for what the bridge does not do: several keys, session parameters that change packets."""
    suite = SUITES.get(line.suite)
    if suite is None or not all(map(_is_harmless, line.session_parameters)):
        return None
    method, text = line.key_parameters[: len(_INLINE)], line.key_parameters[len(_INLINE) :]
    if method.lower() != _INLINE or ";" in text:
        return None
    encoded, *rest = text.split("|")
    mki = _read_mki(rest.pop()) if rest and ":" in rest[-1] else b""
    if mki is None or len(rest) > 1 or not all(map(_is_lifetime, rest)):
        return None
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return OfferedKey(line.tag, suite, key, mki) if len(key) == suite.size else None


def _is_harmless(parameter: str) -> bool:
    """RFC 4568 section 6.3: an unknown parameter makes the line invalid, unless a "-" stands before it."""
    name, _, value = parameter.partition("=")
    if name.upper() == "WSH":  # their replay window; ours is larger than any they may ask for
        return parse_number(value, 1 << 20) is not None
    return parameter.startswith("-")


def _is_lifetime(text: str) -> bool:
    if text.startswith("2^"):
        return parse_number(text[2:], _MAX_LIFETIME_EXPONENT) is not None
    return text.isascii() and text.isdigit() and len(text) <= 15


def _read_mki(text: str) -> bytes | None:
    """`value:length`, in octets of the packet."""
    value_text, _, size_text = text.partition(":")
    size = parse_number(size_text, _MAX_MKI_SIZE)
    if not size or not value_text.isascii() or not value_text.isdigit() or len(value_text) > 3 * size:
        return None
    value = int(value_text)
    return value.to_bytes(size, "big") if value < 1 << 8 * size else None


def crypto_line(tag: int, suite: str, key: bytes, mki: bytes = b"") -> Attribute:
    marked = f"|{int.from_bytes(mki, 'big')}:{len(mki)}" if mki else ""
    return Attribute("crypto", f"{tag} {suite} {_INLINE}{base64.b64encode(key).decode()}{marked}")
