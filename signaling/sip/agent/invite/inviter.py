"""What every INVITE of ours has, the first of a call as the later ones: its headers, its ACK and its CANCEL."""

import msgspec

from signaling.sip.agent.inspection.inspection import ACCEPT, ALLOW, SUPPORTED, read_sdp
from signaling.sip.agent.request.requester import Requester, ignore
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.invite_session import InviteSession
from signaling.sip.transaction.outcome import TransactionKey
from signaling.sip.transaction.transaction_layer import CREDENTIALS, make_cancel
from signaling.sip.wire.body import SDP_TYPE
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Request, Response, quote
from signaling.sip.wire.via import parse_via


class Inviter:
    """Knows how we look, and sends."""

    __slots__ = ("_identity", "_requester")

    def __init__(self, identity: LocalIdentity, requester: Requester) -> None:
        self._identity = identity
        self._requester = requester

    def headers(self, transport: str, towards: str, sdp: str) -> Headers:
        contact = ("Contact", self._identity.contact(transport, towards))
        headers = (contact, ALLOW, SUPPORTED, ACCEPT, ("User-Agent", self._identity.product))
        return (*headers, ("Content-Type", SDP_TYPE)) if sdp else headers

    def make_ack(self, dialog: Dialog, number: int, key: TransactionKey | None) -> tuple[Request, Flow]:
        """The ACK of a 2xx is a request of its own, with number and credentials of its INVITE, which is known
        by `key` (sections 13.2.2.4 and 22.1)."""
        flow = dialog.next_hop()
        ack = self._requester.make_within(dialog, "ACK", number, self._identity.new_branch(), flow)
        sent = self._requester.sent_request(key) if key is not None else None
        proof = [header for header in sent[0].headers if header[0] in CREDENTIALS] if sent is not None else []
        return msgspec.structs.replace(ack, headers=(*ack.headers, *proof)), flow

    def cancel(self, session: InviteSession, now: float) -> None:
        sent = self._requester.sent_request(session.client_key)
        if sent is None:
            return
        self._requester.give_up(session.client_key)
        self._requester.let_go(session.client_key, now)
        invite, flow = sent
        request = make_cancel(invite, reason_headers(session))
        branch = parse_via(invite.every("Via")[0]).branch
        self._requester.send(request, branch, flow, now, ignore)


def reason_headers(session: InviteSession) -> Headers:
    """Why we end the call, for people (RFC 3326)."""
    text = session.why[1]
    return (("Reason", f"SIP;cause=200;text={quote(text)}"),) if text else ()


def sdp_of(response: Response) -> str:
    return read_sdp(response.body, response.first("Content-Type"))
