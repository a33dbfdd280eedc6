"""Responses to a request (RFC 3261 section 8.2.6)."""

import re
from zlib import crc32

from bridge.errors import ParseError
from signaling.sip.wire.message import Headers, Request, Response, quote, serialize_message
from signaling.sip.wire.uri import parse_name_address

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    469: "Bad Info Package",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}
MAX_RETRY_AFTER_S = 3600  # whoever asks for more is asked again after an hour
_SECONDS = re.compile(r"([0-9]{1,9})(?:[ \t;(]|\Z)", re.ASCII)
_ECHOED = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})


def make_response(
    request: Request, status: int, *, to_tag: str = "", headers: Headers = (), body: bytes = b""
) -> bytes:
    """A response with the request's Via, From, To, Call-ID and CSeq, then `headers`.

    A To without tag gets `to_tag`, or one derived from the request, so that a retransmission answered
    without a transaction gets the same (section 8.2.7). A 100 stays without.
    """
    echoed = []
    for name, value in request.headers:
        if name not in _ECHOED:
            continue
        if name == "To" and status > 100 and not _has_tag(value):
            echoed.append((name, f"{value};tag={to_tag or _derived_tag(request)}"))
        else:
            echoed.append((name, value))
    return serialize_message(
        Response(
            headers=(*echoed, *headers),
            body=body,
            status=status,
            reason=REASONS.get(status, "Unknown"),
        )
    )


def _has_tag(to: str) -> bool:
    """As a parameter of the header: one in its URI or name is none."""
    if "tag" not in to.lower():
        return False
    try:
        return parse_name_address(to).parameter("tag") is not None
    except ParseError:
        return True  # of a request that is refused for it: echoed as it came


def _derived_tag(request: Request) -> str:
    text = request.first("Via") + request.first("Call-ID")
    return f"{crc32(text.encode('utf-8', 'surrogateescape')):08x}"


def retry_after(seconds: int) -> Headers:
    return (("Retry-After", str(seconds)),)


def parse_retry_after(response: Response | None) -> int:
    """How long a refusal asks to be left alone (section 20.33); 0 without the header or without sense."""
    if response is None:
        return 0
    match = _SECONDS.match(response.first("Retry-After"))
    return min(int(match[1]), MAX_RETRY_AFTER_S) if match else 0


def warning(text: str) -> Headers:
    """Why, for people (section 20.43; 399 is the miscellaneous one)."""
    return (("Warning", f"399 warmbridge {quote(text)}"),)
