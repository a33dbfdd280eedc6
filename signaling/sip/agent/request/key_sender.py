"""Keys towards a phone by INFO, for a trunk that takes them no other way: one after the other, in their order."""

from functools import partial

from bridge.errors import CapacityError, NotAllowedError
from signaling.sip.agent.request.information import DTMF_RELAY, KEYPAD, USUAL_MS
from signaling.sip.agent.request.requester import Reply, Requester
from signaling.sip.session.invite_session import CallState, InviteSession

MAX_KEYS = 64  # of one call, that wait for their turn


class KeySender:
    """The next key goes once the phone has answered the last. What a key is stands in no log."""

    __slots__ = ("_requester", "refused")

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self.refused = 0  # keys that a phone would not have, and those behind them

    def send(self, session: InviteSession, keys: str, now: float) -> None:
        """Raises NotAllowedError if the call is not up or this is no key, CapacityError above the bound."""
        if session.state is not CallState.CONFIRMED:
            raise NotAllowedError("keys go to a call that is up")
        if any(key not in KEYPAD for key in keys):
            raise NotAllowedError("keys are 0 to 9, * and #, A to D")
        if len(session.keys) + len(keys) > MAX_KEYS:
            raise CapacityError("too many digits wait to be sent already")
        idle = not session.keys
        session.keys += keys
        if idle:
            self._send_next(session, now)

    def _send_next(self, session: InviteSession, now: float) -> None:
        if not session.keys or session.dialog is None or session.state is not CallState.CONFIRMED:
            session.keys = ""
            return
        body = f"Signal={session.keys[0]}\r\nDuration={USUAL_MS}\r\n".encode()
        listener = partial(self._receive_reply, session)
        headers = (("Content-Type", DTMF_RELAY),)
        self._requester.send_within(session.dialog, "INFO", now, listener, headers, body)

    def _receive_reply(self, session: InviteSession, reply: Reply, now: float) -> None:
        """Of a number with a hole in it nobody has any use."""
        if reply.status < 200:
            return
        if reply.status >= 300:
            self.refused += len(session.keys)
            session.keys = ""
            return
        session.keys = session.keys[1:]
        self._send_next(session, now)
