"""REFER: a phone sends another party elsewhere, and hears by NOTIFY how that went (RFC 3515, RFC 4488).

The subscription that a REFER makes is bounded: one in each call, `SUBSCRIBED_S` long, ended by the first final
status. Refer-To may name a dialog to be replaced (RFC 3891).
"""

from functools import partial

from bridge.errors import NotAllowedError, ParseError
from signaling.sip.agent.inspection.provenance import referrer_of
from signaling.sip.agent.request.requester import Reply, Requester
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.event import ReferralArrived
from signaling.sip.session.invite_session import CallState, InviteSession, Referral
from signaling.sip.session.registry import CallRegistry
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Request, readable
from signaling.sip.wire.response import REASONS, make_response
from signaling.sip.wire.uri import parse_name_address, parse_uri

SUBSCRIBED_S = 60
EVENT = "refer"
SIPFRAG = "message/sipfrag;version=2.0"  # RFC 3420
_SCHEMES = ("sip:", "sips:", "tel:")


class References:
    """Takes REFER and the SUBSCRIBE that some phones send after it; sends NOTIFY."""

    __slots__ = ("_identity", "_layer", "_registry", "_requester")

    def __init__(
        self, identity: LocalIdentity, layer: TransactionLayer, registry: CallRegistry, requester: Requester
    ) -> None:
        self._identity = identity
        self._layer = layer
        self._registry = registry
        self._requester = requester

    # --- theirs -------------------------------------------------------------------------------------------

    def receive(self, session: InviteSession, arrived: RequestArrived, now: float) -> None:
        """A REFER within a call: waits for `accept` or `reject`."""
        if session.state is not CallState.CONFIRMED:
            self._respond(arrived, 481, now)
            return
        if session.referral is not None:
            self._respond(arrived, 491, now)  # one after the other
            return
        try:
            target = referred_to(arrived.request)
        except ParseError:
            self._respond(arrived, 400, now)
            return
        if not _is_call(target):
            self._respond(arrived, 603, now)  # nothing but calls is made for others
            return
        silent = arrived.request.first("Refer-Sub").partition(";")[0].strip().lower() == "false"
        session.referral = Referral(arrived, arrived.essentials.cseq_number, silent=silent)
        self._registry.emit(ReferralArrived(session.key, target, _referrer(session, arrived.request)))

    def receive_subscribe(self, session: InviteSession, arrived: RequestArrived, now: float) -> None:
        """Asks again what NOTIFY tells anyhow; the time that is left stays as it is."""
        if arrived.request.first("Event").partition(";")[0].strip().lower() != EVENT:
            self._respond(arrived, 489, now, (("Allow-Events", EVENT),))
            return
        referral = session.referral
        if referral is None or referral.request is not None or session.dialog is None:
            self._respond(arrived, 481, now)
            return
        left_s = max(0, round(referral.ends_at - now))
        wanted = arrived.request.first("Expires").strip()
        contact = ("Contact", self._identity.contact(session.dialog.next_hop().transport))
        self._respond(arrived, 200, now, (("Expires", "0" if wanted == "0" else str(left_s)), contact))
        if wanted == "0":
            self._end(session, session.dialog, referral, now, "timeout")
        else:
            self._notify(session, session.dialog, referral, now, f"active;expires={left_s}")

    # --- what becomes of it -------------------------------------------------------------------------------

    def accept(self, session: InviteSession, now: float) -> int:
        """202, and the first NOTIFY. Returns the number of the REFER. Raises NotAllowedError if none waits."""
        referral, dialog = self._waiting(session), session.dialog
        request, referral.request = referral.request, None
        if request is None or dialog is None:
            return referral.number
        headers: Headers = (("Contact", self._identity.contact(dialog.next_hop().transport)),)
        if referral.silent:
            headers = (*headers, ("Refer-Sub", "false"))
        self._respond(request, 202, now, headers)
        referral.status, referral.ends_at = 100, now + SUBSCRIBED_S
        self._notify(session, dialog, referral, now, f"active;expires={SUBSCRIBED_S}")
        self._registry.settle(session)
        return referral.number

    def reject(self, session: InviteSession, status: int, headers: Headers, now: float) -> None:
        """Raises NotAllowedError if no REFER waits."""
        referral = self._waiting(session)
        session.referral = None
        if referral.request is not None:
            self._respond(referral.request, status, now, headers)

    def finish(self, session: InviteSession, number: int, status: int, now: float) -> None:
        """Tells how it went: 200 or the status of the failure. Nothing if nobody listens any more, as the phone
        that has begun another one since."""
        referral, dialog = session.referral, session.dialog
        if referral is None or referral.number != number or dialog is None:
            return
        referral.status = status
        self._end(session, dialog, referral, now, "noresource")

    def expire(self, session: InviteSession, now: float) -> None:
        """Ends what was granted for a time that is over by now."""
        referral, dialog = session.referral, session.dialog
        if referral is not None and dialog is not None and 0 < referral.ends_at <= now:
            self._end(session, dialog, referral, now, "timeout")

    def forget(self, session: InviteSession, now: float) -> None:
        """The call is over, and with it the dialog that NOTIFY goes by."""
        referral, session.referral = session.referral, None
        if referral is not None and referral.request is not None:
            self._respond(referral.request, 481, now)

    # --- inside -------------------------------------------------------------------------------------------

    def _waiting(self, session: InviteSession) -> Referral:
        referral = session.referral
        if referral is None or referral.request is None:
            raise NotAllowedError("no REFER waits for an answer")
        return referral

    def _end(
        self, session: InviteSession, dialog: Dialog, referral: Referral, now: float, reason: str
    ) -> None:
        session.referral = None
        self._notify(session, dialog, referral, now, f"terminated;reason={reason}")
        self._registry.settle(session)

    def _notify(
        self, session: InviteSession, dialog: Dialog, referral: Referral, now: float, state: str
    ) -> None:
        if referral.silent or session.state is not CallState.CONFIRMED:
            return
        headers = (
            ("Contact", self._identity.contact(dialog.next_hop().transport)),
            ("Event", f"{EVENT};id={referral.number}"),
            ("Subscription-State", state),
            ("Content-Type", SIPFRAG),
        )
        fragment = f"SIP/2.0 {referral.status} {REASONS.get(referral.status, 'Unknown')}\r\n"
        listener = partial(self._receive_reply, session, referral)
        self._requester.send_within(dialog, "NOTIFY", now, listener, headers, fragment.encode())

    def _receive_reply(self, session: InviteSession, referral: Referral, reply: Reply, _now: float) -> None:
        """Who does not want to hear it is told no more (RFC 6665 section 4.2.2)."""
        if reply.status >= 300 and session.referral is referral:
            session.referral = None
            self._registry.settle(session)

    def _respond(self, arrived: RequestArrived, status: int, now: float, headers: Headers = ()) -> None:
        self._layer.respond(arrived.key, status, make_response(arrived.request, status, headers=headers), now)


def _referrer(session: InviteSession, request: Request) -> str:
    trusted = session.trunk is not None and session.trunk.trusted
    known = session.dialog.remote_address if session.dialog is not None else ""
    return referrer_of(request, known, trusted=trusted)


def _is_call(target: str) -> bool:
    target = target.lower()
    return target.startswith(_SCHEMES) and ";method=" not in target.replace(";method=invite", "")


def referred_to(request: Request) -> str:
    """The URI of Refer-To, with its Replaces if it has one. Raises ParseError unless there is exactly one."""
    values = request.every("Refer-To")
    if len(values) != 1:
        raise ParseError("REFER needs one Refer-To")
    (value,) = values
    # Without angle brackets its ?Replaces=... cannot be meant for anybody else.
    uri = parse_name_address(value if "<" in value else f"<{value.strip()}>").uri
    if uri.lower().startswith(("sip:", "sips:")):
        parse_uri(uri)
    return readable(uri)
