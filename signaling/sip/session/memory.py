"""What is written down of a call, so that another process can take it up: text and bytes, no timers.

A call is remembered before its 200 leaves, when the ACK came, and at each re-INVITE.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

import msgspec

from bridge.errors import ParseError
from bridge.ids import LegId
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.invite_session import CallState, InviteSession
from signaling.sip.session.session_timer import Interval
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, readable, serialize_message

# Requests of ours since the last writing; a CSeq that was used already would be refused (section 12.2.2). A picture
# asked for each second of a day fits, and a call may see twenty thousand restarts before its numbers run out.
CSEQ_GAP = 100_000


class Phase(StrEnum):
    ARRIVING = "arriving"  # an INVITE has no final response yet
    ANSWERED = "answered"  # our 200 may not have arrived, its ACK has not
    CONFIRMED = "confirmed"
    CALLING = "calling"  # our INVITE has no final response yet


RETURNING = frozenset({Phase.ARRIVING, Phase.ANSWERED, Phase.CONFIRMED})


class CallMemory(msgspec.Struct, frozen=True):
    """`invite` is the INVITE that waits for its end, theirs or ours, `success` our 200 to theirs."""

    phase: Phase
    outbound: bool = False
    dialog: Dialog | None = None
    invite: bytes = b""
    flow: Flow | None = None
    success: bytes = b""
    late_offer: bool = False
    interval: Interval | None = None


def remember(session: InviteSession) -> CallMemory | None:
    """The call as it is; None if nothing of it is worth keeping."""
    if session.state is CallState.CONFIRMED:
        interval = session.expiry.interval
        return CallMemory(Phase.CONFIRMED, session.outbound, session.dialog, interval=interval)
    pending = session.pending
    if pending is None:
        return None
    invite = serialize_message(pending.request)
    memory = CallMemory(Phase.ARRIVING, dialog=session.dialog, invite=invite, flow=pending.flow)
    if session.state is CallState.ARRIVING:
        return memory
    if session.state is CallState.ANSWERED and session.success is not None:
        return _answered(memory, session, session.success[0])
    return None


def remember_calling(session: InviteSession, sent: tuple[Request, Flow] | None) -> CallMemory | None:
    """A call of ours that may still ring: `sent` is its INVITE and where it went."""
    if sent is None or session.state not in (CallState.CALLING, CallState.PROCEEDING):
        return None
    return CallMemory(Phase.CALLING, outbound=True, invite=serialize_message(sent[0]), flow=sent[1])


def remember_answer(session: InviteSession, success: bytes) -> CallMemory | None:
    """The call as it will be once `success`, our 200, has left."""
    memory = remember(session)
    if memory is None or memory.phase is not Phase.ARRIVING:
        return memory
    return _answered(memory, session, success)


def _answered(memory: CallMemory, session: InviteSession, success: bytes) -> CallMemory:
    late = session.late_offer
    return msgspec.structs.replace(memory, phase=Phase.ANSWERED, success=success, late_offer=late)


def serialize_memory(memory: CallMemory) -> bytes:
    try:
        return msgspec.json.encode(memory)
    except UnicodeEncodeError:  # headers may hold bytes that are no UTF-8
        return json.dumps(msgspec.to_builtins(memory)).encode()


def returning_legs(memories: Mapping[LegId, bytes]) -> frozenset[LegId]:
    """The legs among those remembered whose calls can go on: taken up, or arriving once more."""
    returning = set()
    for leg_id, body in memories.items():
        with suppress(ParseError):
            if parse_memory(body).phase in RETURNING:
                returning.add(leg_id)
    return frozenset(returning)


def arriving_call_id(body: bytes) -> str:
    """The Call-ID of the INVITE that will arrive once more, as it is told then; "" if this is another memory."""
    with suppress(ParseError):
        memory = parse_memory(body)
        if memory.phase is Phase.ARRIVING and memory.dialog is not None:
            return readable(memory.dialog.call_id)
    return ""


def parse_memory(body: bytes) -> CallMemory:
    """Raises ParseError."""
    try:
        return msgspec.convert(json.loads(body), CallMemory)
    except (ValueError, msgspec.ValidationError) as error:
        raise ParseError(f"what was remembered of a SIP call cannot be read: {error}") from error


def continued(dialog: Dialog) -> Dialog:
    """The dialog for the next process: numbers not used yet, and no connection of the last one's."""
    number = dialog.local_cseq + CSEQ_GAP
    flow = msgspec.structs.replace(dialog.flow, connection=0)
    return msgspec.structs.replace(dialog, local_cseq=number, flow=flow)
