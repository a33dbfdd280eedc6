"""Who calls, and by which ways the call came: what is believed of it, and what of it is told.

P-Asserted-Identity (RFC 3325) counts from trusted trunks only; Privacy (RFC 3323) is respected; of Diversion
(RFC 5806), History-Info (RFC 7044) and Referred-By (RFC 3892) the people and reasons are kept, not the URIs'
parameters, which may carry what is nobody's business.
"""

from contextlib import suppress
from urllib.parse import unquote

from bridge.errors import ParseError
from signaling.sip.agent.inspection.inspection import display_user
from signaling.sip.wire.message import Essentials, Headers, Request, readable
from signaling.sip.wire.uri import NameAddress, parse_name_address, parse_uri

ANONYMOUS = "anonymous"
MAX_ENTRIES = 8
MAX_CHARS = 256
_HIDES_ASSERTED = frozenset({"id", "user", "header"})
# Names that say who somebody is, by the word of whoever sent them: told by no other way than `caller_of`.
ASSERTIONS = frozenset({"P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy"})


def caller_of(request: Request, essentials: Essentials, *, trusted: bool) -> str:
    """The number or name of the caller, "anonymous" if that is what the caller wants to be."""
    privacy = _privacy(request)
    asserted = request.every("P-Asserted-Identity") if trusted and not privacy & _HIDES_ASSERTED else ()
    for value in asserted:
        with suppress(ParseError):
            return display_user(parse_name_address(value).uri)
    sender = essentials.from_address.uri
    hidden = "user" in privacy or sender.lower().endswith("@anonymous.invalid")
    return ANONYMOUS if hidden else display_user(sender)


def ways_of(request: Request) -> Headers:
    """What the interaction keeps as data: `sip_diversion`, `sip_history` and `sip_referred_by`, if there."""
    found = (
        ("sip_diversion", _join(request, "Diversion", "reason")),
        ("sip_history", _join(request, "History-Info", "index")),
        ("sip_referred_by", _join(request, "Referred-By", "")),
    )
    return tuple((name, text) for name, text in found if text)


def referrer_of(request: Request, remote_address: str, *, trusted: bool) -> str:
    """The URI of Referred-By that may be passed on (RFC 3892), "" for none.

    Of a trusted trunk whoever it names, of anybody else only themselves: `remote_address`, the phone as the dialog
    knows it. Its parameters are left out, they speak of a body that stays here.
    """
    values = request.every("Referred-By")
    try:
        (value,) = values
        uri = parse_name_address(value).uri.partition("?")[0]
        named, known = parse_uri(uri), parse_uri(parse_name_address(remote_address).uri)
    except (ValueError, ParseError):  # none, or several
        return ""
    if not uri.isascii() or not uri.isprintable():
        return ""
    is_own = (named.user, named.host.lower()) == (known.user, known.host.lower())
    return uri if trusted or is_own else ""


def _join(request: Request, header: str, parameter: str) -> str:
    entries = []
    for value in request.every(header)[:MAX_ENTRIES]:
        with suppress(ParseError):
            entries.append(_describe(parse_name_address(value), parameter))
    return readable(", ".join(entries))[:MAX_CHARS]


def _describe(address: NameAddress, parameter: str) -> str:
    uri, _, headers = address.uri.partition("?")
    said = unquote(headers).lower()
    hidden = (address.parameter("privacy") or "").strip('"').lower() not in ("", "off")
    hidden = hidden or ("privacy=" in said and "privacy=none" not in said)
    who = ANONYMOUS if hidden else display_user(uri)
    why = (address.parameter(parameter) or "").strip('"') if parameter else ""
    return f"{who} ({why})" if why else who


def _privacy(request: Request) -> frozenset[str]:
    values = ";".join(request.every("Privacy")).split(";")
    return frozenset(value.strip().lower() for value in values) - {"", "none"}
