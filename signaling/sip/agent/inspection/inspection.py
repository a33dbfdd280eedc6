"""What a request must pass before it is understood (RFC 3261 section 8.2)."""

import re

import msgspec

from bridge.errors import ParseError
from signaling.sip.session.dialog import contact_uri
from signaling.sip.session.session_timer import is_too_short, min_se_headers
from signaling.sip.wire.body import SDP_TYPE, asks_too_much, find_sdp, media_type
from signaling.sip.wire.message import Essentials, Headers, Request, readable
from signaling.sip.wire.response import warning
from signaling.sip.wire.uri import parse_name_address, parse_uri, unescape

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "SUBSCRIBE")
ALLOW = ("Allow", ", ".join(METHODS))
EXTENSIONS = ("100rel", "timer", "replaces", "norefersub")
SUPPORTED = ("Supported", ", ".join(EXTENSIONS))
ACCEPT = ("Accept", f"{SDP_TYPE}, multipart/mixed")
# Known of, but not done here: 405 instead of 501 (section 21.5.2).
_KNOWN_METHODS = frozenset({"MESSAGE", "NOTIFY", "PUBLISH", "REGISTER"})

# A number may have parameters within its user part: who attested it, where it was ported to, by which trunk group it
# came (RFC 3261 section 19.1.6, RFC 4694, RFC 4904, RFC 8588). Whom it is about they do not change.
_NUMBER = re.compile(r"(?:[+0-9A-Da-d*#().\-]|%2[3AaBb])+;")


class Refusal(msgspec.Struct, frozen=True, gc=False):
    status: int
    headers: Headers = ()


def inspect(request: Request, essentials: Essentials) -> Refusal | None:
    """Why the request cannot be handled, None if it can. ACK is never refused: it has no response."""
    if request.method not in METHODS:
        return Refusal(405 if request.method in _KNOWN_METHODS else 501, (ALLOW,))
    if not request.uri[:4].lower().startswith(("sip:", "sips", "tel:")):
        return Refusal(416)
    if request.method == "CANCEL":
        return None  # section 8.2.2.3: Require is not looked at
    unknown = [tag for tag in request.every("Require") if tag and tag.lower() not in EXTENSIONS]
    if unknown:
        return Refusal(420, (("Unsupported", ", ".join(unknown)),))
    if request.method in ("INVITE", "UPDATE") and is_too_short(request):
        return Refusal(422, min_se_headers())
    return _inspect_invite(request, essentials) if request.method == "INVITE" else None


def _inspect_invite(request: Request, essentials: Essentials) -> Refusal | None:
    # Section 8.1.1.8; RFC 2543 did not ask for a Contact, and within a dialog there is one already.
    if essentials.via.branch_is_unique and not essentials.to_tag and not contact_uri(request):
        return Refusal(400, warning("INVITE without a usable Contact"))
    accepted = {media_type(value) for value in request.every("Accept")} - {""}
    if accepted and not accepted & {SDP_TYPE, "application/*", "*/*"}:
        return Refusal(406)
    if not request.body:
        return None
    if request.first("Content-Encoding").lower() not in ("", "identity"):
        return Refusal(415, (("Accept-Encoding", "identity"),))
    content_type = request.first("Content-Type")
    optional = "handling=optional" in request.first("Content-Disposition").replace(" ", "").lower()
    is_read = find_sdp(request.body, content_type) is not None and not asks_too_much(
        request.body, content_type
    )
    return None if is_read or optional else Refusal(415, (ACCEPT,))


def read_sdp(request_body: bytes, content_type: str) -> str:
    """The session description in a body, "" if there is none. What is not UTF-8 is for the SDP parser to refuse."""
    return (find_sdp(request_body, content_type) or b"").decode("utf-8", "replace")


def claims_video(request: Request) -> bool:
    """Whether the Contact says that its phone does video (RFC 3840 section 10.14)."""
    try:
        value = parse_name_address(request.first("Contact")).parameter("video")
    except ParseError:
        return False
    return value is not None and value.strip('"').upper() != "FALSE"


def display_user(uri: str) -> str:
    """The part of a URI that names somebody to people: a number without parameters or a name, else the URI itself."""
    try:
        parsed = parse_uri(uri)
    except ParseError:
        return readable(uri.removeprefix("tel:").partition(";")[0])
    user = parsed.user.partition(":")[0]
    if _NUMBER.match(user):
        user = user.partition(";")[0]
    return readable(unescape(user) or uri)
