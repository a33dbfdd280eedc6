"""Replaces: one call takes the place of another (RFC 3891)."""

from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from bridge.errors import ParseError
from signaling.sip.session.dialog import DialogKey
from signaling.sip.session.invite_session import CallState, InviteSession
from signaling.sip.session.registry import CallRegistry
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.message import Headers, Request
from signaling.sip.wire.uri import find_parameter, parse_parameters, parse_uri

MAX_CHARS = 512
_ANSWERED = frozenset({CallState.ANSWERED, CallState.CONFIRMED})
_RINGING = frozenset({CallState.CALLING, CallState.PROCEEDING})  # at somebody our INVITE went to


class Replaces(msgspec.Struct, frozen=True):
    """`dialog` as we see it: the To tag is ours."""

    dialog: DialogKey
    early_only: bool = False


def parse_replaces(text: str) -> Replaces | None:
    """None for what names no dialog (section 6.1)."""
    call_id, semicolon, rest = text[:MAX_CHARS].partition(";")
    try:
        parameters = parse_parameters(semicolon + rest) if semicolon else ()
    except ParseError:
        return None
    to_tag, from_tag = find_parameter(parameters, "to-tag"), find_parameter(parameters, "from-tag")
    if not call_id.strip() or not to_tag or not from_tag:
        return None
    early_only = find_parameter(parameters, "early-only") is not None
    return Replaces((call_id.strip(), to_tag, from_tag), early_only)


class Replaced(NamedTuple):
    """Whose place is asked for. `early_only`: while it rings, and not once somebody answered."""

    session: InviteSession
    early_only: bool


def find_replaced(
    request: Request, trunk: Trunk | None, registry: CallRegistry, trunks: Trunks
) -> Replaced | int | None:
    """The call whose place an INVITE asks for (section 3), or the status that refuses it."""
    values = request.every("Replaces")
    if not values:
        return None
    wanted = parse_replaces(values[0]) if len(values) == 1 else None
    if wanted is None:
        return 400
    session = registry.find(wanted.dialog)
    if session is None or session.state is CallState.ARRIVING:
        return 481  # nobody takes over what rings here
    if session.state not in _ANSWERED | _RINGING:
        return 603  # it is about to end
    if _trunk_with(session, wanted.dialog, trunks) is not trunk:
        return 403  # only who could have been in the call itself may take it
    if wanted.early_only and session.state in _ANSWERED:
        return 486
    return Replaced(session, wanted.early_only)


def _trunk_with(session: InviteSession, key: DialogKey, trunks: Trunks) -> Trunk | None:
    """The trunk of the phone in the dialog: a call to a SIP URI goes by none, but its phone may be of one."""
    dialog = session.dialog_with(key[2])
    if session.trunk is not None or dialog is None:
        return session.trunk
    return trunks.of(dialog.flow.host)


def replacing_headers(target: str) -> Headers:
    """What an INVITE to a Refer-To with ?Replaces=... says. Whatever else its URI wants is not said."""
    for part in parse_uri(target).headers.split("&"):
        name, _, value = part.partition("=")
        text = unquote(value)
        if name.lower() == "replaces" and text.isprintable() and parse_replaces(text) is not None:
            return (("Require", "replaces"), ("Replaces", text))
    return ()
