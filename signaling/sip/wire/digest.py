"""Digest authentication (RFC 7616 as RFC 8760 brings it to SIP): challenges and their answers, as text and values."""

import hashlib
import re
from collections.abc import Iterable, Mapping

import msgspec

from bridge.errors import ParseError
from signaling.sip.wire.message import quote

# RFC 8760 section 2.4: the algorithms, best first.
ALGORITHMS: Mapping[str, str] = {"SHA-256": "sha256", "MD5": "md5"}
MAX_HEADER_CHARACTERS = 4096
_PARAMETER = re.compile(
    r'[ \t]*([A-Za-z0-9_*!%.+~\-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))[ \t]*(?:,|\Z)'
)
_QUOTED_PAIR = re.compile(r"\\(.)")


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """What a server asks. `has_qop` is False for an RFC 2069 server, which counts nothing."""

    realm: str
    nonce: str
    algorithm: str
    opaque: str = ""
    has_qop: bool = True
    stale: bool = False


class Credentials(msgspec.Struct, frozen=True, gc=False):
    """What a client answers."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    qop: str = ""
    cnonce: str = ""
    nonce_count: str = ""
    opaque: str = ""


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Those of WWW-Authenticate or Proxy-Authenticate that can be answered here, as the server likes them best."""
    found = []
    for value in values:
        try:
            given = _parse(value)
        except ParseError:
            continue
        algorithm = given.get("algorithm", "MD5").upper()
        options = {option.strip().lower() for option in given.get("qop", "").split(",")}
        if algorithm in ALGORITHMS and given.get("nonce") and "realm" in given and options & {"", "auth"}:
            stale = given.get("stale", "").lower() == "true"
            found.append(
                Challenge(
                    given["realm"],
                    given["nonce"],
                    algorithm,
                    given.get("opaque", ""),
                    "auth" in options,
                    stale,
                )
            )
    return tuple(found)


def serialize_challenge(challenge: Challenge) -> str:
    stale = ", stale=true" if challenge.stale else ""
    return (
        f'Digest realm={quote(challenge.realm)}, nonce={quote(challenge.nonce)}, qop="auth", '
        f"algorithm={challenge.algorithm}{stale}"
    )


def parse_credentials(value: str) -> Credentials:
    """An Authorization header. Raises ParseError for one that misses what it must have."""
    given = _parse(value)
    try:
        return Credentials(
            username=given["username"],
            realm=given["realm"],
            nonce=given["nonce"],
            uri=given["uri"],
            response=given["response"].lower(),
            algorithm=given.get("algorithm", "MD5").upper(),
            qop=given.get("qop", ""),
            cnonce=given.get("cnonce", ""),
            nonce_count=given.get("nc", ""),
            opaque=given.get("opaque", ""),
        )
    except KeyError as error:
        raise ParseError(f"digest credentials without {error.args[0]}") from error


def serialize_credentials(credentials: Credentials) -> str:
    parts = [f"{name}={quote(getattr(credentials, name))}" for name in ("username", "realm", "nonce", "uri")]
    parts += [f"response={quote(credentials.response)}", f"algorithm={credentials.algorithm}"]
    if credentials.qop:
        parts += [
            f"qop={credentials.qop}",
            f"nc={credentials.nonce_count}",
            f"cnonce={quote(credentials.cnonce)}",
        ]
    if credentials.opaque:
        parts.append(f"opaque={quote(credentials.opaque)}")
    return f"Digest {', '.join(parts)}"


def compute_response(credentials: Credentials, method: str, password: str) -> str:
    """What `response` must be (RFC 7616 section 3.4.1)."""
    algorithm = credentials.algorithm
    secret = _hash(algorithm, f"{credentials.username}:{credentials.realm}:{password}")
    what = _hash(algorithm, f"{method}:{credentials.uri}")
    if not credentials.qop:
        return _hash(algorithm, f"{secret}:{credentials.nonce}:{what}")
    middle = f"{credentials.nonce}:{credentials.nonce_count}:{credentials.cnonce}:{credentials.qop}"
    return _hash(algorithm, f"{secret}:{middle}:{what}")


def _hash(algorithm: str, text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")  # as they came: text of a peer need not be UTF-8
    return hashlib.new(ALGORITHMS[algorithm], octets, usedforsecurity=False).hexdigest()


def _parse(value: str) -> dict[str, str]:
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest" or len(value) > MAX_HEADER_CHARACTERS:
        raise ParseError("not a digest")
    given: dict[str, str] = {}
    position = 0
    rest = rest.strip()
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            raise ParseError("a digest breaks its grammar")
        name, quoted, token = match.groups()
        given.setdefault(name.lower(), _QUOTED_PAIR.sub(r"\1", quoted) if token is None else token)
        position = match.end()
    return given
