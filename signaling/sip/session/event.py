"""What the user agent tells the one above it: frozen values, all about one call.

Texts of the peer other than SDP are made `readable`: they go to logs, screens and the journal as they are.
"""

from typing import NewType

import msgspec

from bridge.ids import NO_TRUNK, TrunkId
from signaling.sip.trunk.trunk_state import TrunkState
from signaling.sip.wire.message import Headers

CallKey = NewType("CallKey", int)  # the agent's own number of a call, never reused


class CallArrived(msgspec.Struct, frozen=True, gc=False):
    """An INVITE outside a dialog waits for `accept` or `reject`. `offer` is "" if it brought no SDP.

    `caller` and `called` are the users of From (or whom a trusted trunk names) and Request-URI, unescaped, or
    the whole URI if that has none. `headers` are those that say something about the call, routing left out.
    `trunk_id` is "" for a trunk that is gone since a restart. `claims_video`: the phone says of itself
    that it does video.
    """

    call: CallKey
    call_id: str
    caller: str
    called: str
    offer: str
    headers: Headers
    trunk_id: TrunkId = NO_TRUNK
    ways: Headers = ()  # by which the call came, as interaction data: `provenance.ways_of`
    replaces: CallKey | None = None  # the call whose place it takes (RFC 3891)
    early_only: bool = False  # ... unless somebody has answered that by now
    claims_video: bool = False


class CallAcknowledged(msgspec.Struct, frozen=True, gc=False):
    """The ACK of our 200 came. `answer` is the SDP in it: the answer, which is `owed` if the offer was in our 200."""

    call: CallKey
    answer: str
    owed: bool = False


class CallProgressed(msgspec.Struct, frozen=True, gc=False):
    """A provisional response other than 100 to our INVITE; 181 also when we follow a 3xx elsewhere.

    `answer` is its SDP: what can be heard before anybody answered. If it is `binding`, it came reliably and is
    the answer to our offer, which CallAnswered does not repeat (RFC 3262 section 5).
    """

    call: CallKey
    status: int
    answer: str = ""
    binding: bool = False


class CallAnswered(msgspec.Struct, frozen=True, gc=False):
    """The callee took our call; the ACK is on its way. `answer` is "" if a binding one was told before."""

    call: CallKey
    answer: str


class CallRefused(msgspec.Struct, frozen=True, gc=False):
    """Our call came to nothing and is over: the final status, 408 for no answer at all.

    `retry_after_s` is how long the other side wants to be left alone, 0 if it does not say.
    """

    call: CallKey
    status: int
    reason: str
    retry_after_s: int = 0


class CallReoffered(msgspec.Struct, frozen=True, gc=False):
    """A re-INVITE or UPDATE waits for `answer_reinvite` or `reject_reinvite`.

    `offer` is "" if a re-INVITE brought no SDP. An UPDATE may come before our call is answered.
    """

    call: CallKey
    offer: str


class RefreshDue(msgspec.Struct, frozen=True, gc=False):
    """The phone takes no UPDATE: a re-INVITE with the offer that holds is to keep the session from expiring."""

    call: CallKey


class DigitPressed(msgspec.Struct, frozen=True, gc=False):
    """A key by INFO: one of 0-9 * # A-D; never logged."""

    call: CallKey
    digit: str
    duration_ms: int


class PictureWanted(msgspec.Struct, frozen=True, gc=False):
    """The phone cannot show what it gets until a key frame comes (RFC 5168)."""

    call: CallKey


class ReferralArrived(msgspec.Struct, frozen=True, gc=False):
    """A REFER waits for `accept_referral` or `reject_referral`: somebody is to be called at `target`.

    `target` may end in ?Replaces=..., the dialog whose place the call is to take (RFC 3891). `referrer` is the URI
    that whoever is called may be told as who sent the call (RFC 3892), "" for none.
    """

    call: CallKey
    target: str
    referrer: str = ""


class ReofferAnswered(msgspec.Struct, frozen=True, gc=False):
    call: CallKey
    answer: str


class ReofferRefused(msgspec.Struct, frozen=True, gc=False):
    """Our re-INVITE changed nothing; the call goes on. A new offer must wait `retry_after_s`."""

    call: CallKey
    status: int
    reason: str
    retry_after_s: float


class CallEnded(msgspec.Struct, frozen=True, gc=False):
    """The last event of a call that had arrived or had been answered. `by`: local, remote or timeout."""

    call: CallKey
    by: str
    reason: str


class TrunkMoved(msgspec.Struct, frozen=True, gc=False):
    """A trunk that is asked by OPTIONS answers now, or does so no longer. `reason` is its last answer."""

    trunk_id: TrunkId
    state: TrunkState
    reason: str


AgentEvent = (
    TrunkMoved
    | CallArrived
    | CallAcknowledged
    | CallProgressed
    | CallAnswered
    | CallRefused
    | CallReoffered
    | RefreshDue
    | DigitPressed
    | PictureWanted
    | ReferralArrived
    | ReofferAnswered
    | ReofferRefused
    | CallEnded
)
