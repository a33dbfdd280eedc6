"""A session description within a body: all of it, or one of its parts (RFC 5621)."""

from bridge.errors import ParseError
from signaling.sip.wire.uri import find_parameter, parse_parameters

SDP_TYPE = "application/sdp"
MULTIPART = "multipart/"
MAX_PARTS = 16  # those behind are not looked at
_PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})


def media_type(content_type: str) -> str:
    """Without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def find_sdp(body: bytes, content_type: str) -> bytes | None:
    """None if there is none. Of several the first: trunks put what they tell each other (ISUP, QSIG, where a caller
    is) beside it."""
    kind = media_type(content_type)
    if kind == SDP_TYPE:
        return body
    if not kind.startswith(MULTIPART):
        return None
    return next((part for headers, part in _parts(body, content_type) if _is_session(headers)), None)


def asks_too_much(body: bytes, content_type: str) -> bool:
    """Whether a part must be understood that is no session description."""
    if not media_type(content_type).startswith(MULTIPART):
        return False
    return any(
        "handling=required" in headers.get("content-disposition", "").replace(" ", "").lower()
        for headers, _ in _parts(body, content_type)
        if not _is_session(headers)
    )


def _is_session(headers: dict[str, str]) -> bool:
    return (
        media_type(headers.get("content-type", "")) == SDP_TYPE
        and media_type(headers.get("content-disposition", "")) in ("", "session")
        and headers.get("content-transfer-encoding", "").strip().lower() in _PLAIN_ENCODINGS
    )


def _parts(body: bytes, content_type: str) -> list[tuple[dict[str, str], bytes]]:
    _, semicolon, rest = content_type.partition(";")
    try:
        boundary = (find_parameter(parse_parameters(semicolon + rest), "boundary") or "").strip('"')
    except ParseError:
        return []
    if not boundary:
        return []
    delimiter = b"\n--" + boundary.encode("utf-8", "surrogateescape")
    found = []
    for piece in (b"\n" + body).split(delimiter, MAX_PARTS + 1)[1 : MAX_PARTS + 1]:
        if piece.startswith(b"--"):
            break  # the last one was before
        found.append(_part(piece.partition(b"\n")[2].removesuffix(b"\r")))
    return found


def _part(text: bytes) -> tuple[dict[str, str], bytes]:
    """Without headers it begins with the empty line."""
    head, separator, content = (b"\r\n" + text).partition(b"\r\n\r\n")
    if not separator:
        head, _, content = (b"\n" + text).partition(b"\n\n")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.setdefault("content-type" if name == "c" else name, value.strip())
    return headers, content
