"""INFO: keys and wishes for a fresh picture, said beside the media (RFC 6086; RFC 5168 and older custom)."""

import re

from bridge.errors import ParseError
from signaling.sip.agent.request.requester import Requester, ignore
from signaling.sip.session.event import DigitPressed, PictureWanted
from signaling.sip.session.invite_session import CallState, InviteSession
from signaling.sip.session.registry import CallRegistry
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.wire.body import media_type
from signaling.sip.wire.message import Headers, Request
from signaling.sip.wire.response import make_response

DTMF_RELAY = "application/dtmf-relay"
DTMF = "application/dtmf"
MEDIA_CONTROL = "application/media_control+xml"
PICTURE_FAST_UPDATE = (  # RFC 5168 section 7
    b'<?xml version="1.0" encoding="utf-8"?>\r\n<media_control><vc_primitive><to_encoder><picture_fast_update/>'
    b"</to_encoder></vc_primitive></media_control>\r\n"
)
ACCEPT = ("Accept", f"{DTMF_RELAY}, {DTMF}, {MEDIA_CONTROL}")
RECEIVES_NONE = ("Recv-Info", "")  # RFC 6086 section 4.2.2: the packages we take
LONGEST_MS = 10_000
USUAL_MS = 160  # of a key whose length is not said

KEYPAD = "0123456789*#ABCD"
# Some say RFC 4733's numbers for the two that are no digits. 16 is hook flash: no key.
_KEYS = {
    **{key: key for key in KEYPAD},
    "10": "*",
    "11": "#",
    "12": "A",
    "13": "B",
    "14": "C",
    "15": "D",
}
_NO_KEYS = frozenset({"16", "!", "FLASH"})
_FIELD = re.compile(r"[ \t]*([A-Za-z]+)[ \t]*=[ \t]*([^\s]*)[ \t]*\r?\Z")
_TOUCHED = (CallState.ANSWERED, CallState.CONFIRMED)


def ask_for_picture(session: InviteSession, requester: Requester, now: float) -> None:
    """Asks the peer's camera for a key frame; what it answers changes nothing."""
    if session.state is CallState.CONFIRMED and session.dialog is not None:
        headers = (("Content-Type", MEDIA_CONTROL),)
        requester.send_within(session.dialog, "INFO", now, ignore, headers, PICTURE_FAST_UPDATE)


class Information:
    """Takes INFO within a call. What a key is never stands in a log, nor in an answer."""

    __slots__ = ("_layer", "_registry")

    def __init__(self, layer: TransactionLayer, registry: CallRegistry) -> None:
        self._layer = layer
        self._registry = registry

    def receive(self, session: InviteSession, arrived: RequestArrived, now: float) -> None:
        status, headers = self._take(session, arrived.request)
        self._layer.respond(arrived.key, status, make_response(arrived.request, status, headers=headers), now)

    def _take(self, session: InviteSession, request: Request) -> tuple[int, Headers]:
        if session.state not in _TOUCHED:
            return 481, ()
        if request.first("Info-Package"):
            return 469, (RECEIVES_NONE,)
        kind = media_type(request.first("Content-Type"))
        try:
            if not request.body:
                return 200, ()
            if kind == DTMF_RELAY:
                self._press(session, *parse_relay(request.body))
            elif kind == DTMF:
                self._press(session, parse_key(request.body.decode("ascii", "replace")), USUAL_MS)
            elif kind == MEDIA_CONTROL:
                if b"picture_fast_update" in request.body:
                    self._registry.emit(PictureWanted(session.key))
            else:
                return 415, (ACCEPT,)
        except ParseError:
            return 400, ()
        return 200, ()

    def _press(self, session: InviteSession, key: str, duration_ms: int) -> None:
        if key:
            self._registry.emit(DigitPressed(session.key, key, duration_ms))


def parse_relay(body: bytes) -> tuple[str, int]:
    """`Signal=5` and `Duration=160` in any order; the key is "" for hook flash. Raises ParseError."""
    fields = {}
    for line in body[:256].decode("ascii", "replace").split("\n"):
        match = _FIELD.match(line)
        if match is not None:
            fields[match[1].lower()] = match[2]
    duration = fields.get("duration", "")
    said = duration.isascii() and duration.isdigit() and len(duration) < 8
    return parse_key(fields.get("signal", "")), min(int(duration), LONGEST_MS) if said else USUAL_MS


def parse_key(text: str) -> str:
    """Raises ParseError for what is on no keypad; the reason does not repeat it."""
    text = text.strip().upper()
    if text in _NO_KEYS:
        return ""
    if text not in _KEYS:
        raise ParseError("no key of a phone")
    return _KEYS[text]
