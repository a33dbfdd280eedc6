"""What desktops see of the desk: values with wall-clock times, nothing that must stay inside."""

from collections.abc import Callable, Mapping

import msgspec

from bridge.ids import (
    CallbackId,
    FlowId,
    FlowRunId,
    InteractionId,
    LegId,
    LinkId,
    OfferId,
    ParticipantId,
    QueueId,
    TrunkId,
    UserId,
)
from bridge.negotiation import Refusal


class AbilityView(msgspec.Struct, frozen=True, gc=False):
    """One medium. `send` is endpoint to bridge."""

    send: bool = False
    receive: bool = False


class CapabilitiesView(msgspec.Struct, frozen=True, gc=False):
    """What a participant can now, with all legs together.

    `no_video` says why there is no picture of it, `not_shown` why it is shown none of those there are; or "".
    """

    audio: AbilityView = AbilityView()
    video: AbilityView = AbilityView()
    screen: AbilityView = AbilityView()
    no_video: str = ""
    not_shown: str = ""


class DiagnosisView(msgspec.Struct, frozen=True, gc=False):
    """Why one medium of a leg is silent or black, one way: `code` for programs, `text` for people.

    `direction`: up is what the endpoint sends, down what it gets. The codes are those of `diagnosis.Cause`.
    """

    leg_id: LegId
    medium: str  # audio | video
    direction: str  # up | down
    code: str
    text: str


class SignalView(msgspec.Struct, frozen=True, gc=False):
    """One message on the wire of a leg's call; `text` is masked."""

    at: float
    leg_id: LegId
    received: bool
    transport: str
    remote: str
    summary: str
    text: str


class SupervisionView(msgspec.Struct, frozen=True, gc=False):
    """How a supervisor listens in."""

    mode: str  # monitor | whisper | coach
    coached_id: ParticipantId | None


class TransferView(msgspec.Struct, frozen=True, gc=False):
    """The transfer under way. `expires_at` is when all is as before, if nothing is decided."""

    kind: str  # consult | blind
    state: str  # seeking | consulting | transferring
    initiator_id: ParticipantId
    target_id: ParticipantId
    held: tuple[ParticipantId, ...]
    started_at: float
    expires_at: float


class CompanionLinkView(msgspec.Struct, frozen=True, gc=False):
    """To be sent to the customer; nobody else is shown the token. Used up by pressing join, not by opening."""

    link_id: LinkId
    interaction_id: InteractionId
    participant_id: ParticipantId
    url: str
    token: str
    expires_at: float


class ParticipantView(msgspec.Struct, frozen=True, gc=False):
    """`state` is one of the eight of the architecture, "in-session" for one who hears and is heard."""

    participant_id: ParticipantId
    role: str  # customer | agent | sme | supervisor
    type: str  # voice | video
    state: str
    user_id: UserId | None  # None for a customer
    name: str
    address: str  # a phone's number or URI, "" for a user
    muted: bool
    held_by_remote: bool  # the phone itself pressed hold
    leg_ids: tuple[LegId, ...]
    joined_at: float  # wall clock, seconds since 1970, as are all times here
    disconnect_reason: str = ""
    disconnected_by: str = ""
    sends_video: bool = False
    queue_id: QueueId | None = None  # the queue one came through, or is sought in
    downgrade_reason: str = ""  # why it is voice although video was asked for
    wrap_up_by: float | None = None
    wrap_up_code: str = ""
    wrap_up_note: str = ""
    capabilities: CapabilitiesView = CapabilitiesView()
    supervision: SupervisionView | None = None
    companion: str = ""  # of a customer's link: open | bound | ""
    diagnoses: tuple[DiagnosisView, ...] = ()  # of all legs, as told last


class QueuePlaceView(msgspec.Struct, frozen=True, gc=False):
    """Where the customer, or the wish for one more participant, waits."""

    queue_id: QueueId
    escalation: bool
    type: str  # voice | video
    state: str  # open | offered
    since: float
    downgrade_reason: str = ""


class CallbackView(msgspec.Struct, frozen=True, gc=False):
    callback_id: CallbackId
    interaction_id: InteractionId
    queue_id: QueueId
    number: str
    state: str  # waiting | dialing | answered | failed | canceled
    attempts: int
    not_before: float | None
    requested_at: float
    requested_by: str
    failure: str = ""


class QueueView(msgspec.Struct, frozen=True, gc=False):
    """A queue and its figures: counts since the journal began, seconds where the name says so."""

    queue_id: QueueId
    name: str
    role: str
    skills: Mapping[str, int]
    skill_match: str
    video_enabled: bool
    strategy: str
    max_depth: int | None
    timeout_s: float | None
    wrap_up_s: float
    wrap_up_codes: tuple[str, ...]
    answer_target_s: float
    waiting: int
    longest_wait_s: float
    entered: int
    offered: int
    answered: int
    answered_in_target: int
    abandoned: int
    overflowed: int
    average_handle_s: float | None
    average_wrap_up_s: float | None


class FlowView(msgspec.Struct, frozen=True, gc=False):
    """A flow that can be run."""

    flow_id: FlowId
    name: str
    kind: str  # inbound | escalation | transfer
    digits: str
    asks_for_video: bool


class FlowRunView(msgspec.Struct, frozen=True, gc=False):
    """A flow on its way through an interaction; `step` is "" once it is through."""

    flow_run_id: FlowRunId
    flow_id: FlowId
    kind: str
    step: str
    started_by: str
    trigger: str  # call | user | digits
    started_at: float
    waits_until: float | None


class InteractionView(msgspec.Struct, frozen=True, gc=False):
    """One interaction from first ring to the end; its id never changes."""

    interaction_id: InteractionId
    state: str  # waiting | in-progress | ended
    caller: str
    called: str
    attributes: Mapping[str, str]
    participants: tuple[ParticipantView, ...]
    escalation_in_progress: bool
    created_at: float
    waiting_since: float | None
    ended_at: float | None = None
    end_reason: str = ""
    ended_by: str = ""
    waits_in: tuple[QueuePlaceView, ...] = ()
    callback: CallbackView | None = None
    transfer: TransferView | None = None
    flows: tuple[FlowRunView, ...] = ()  # those that run
    version: int = 0  # grows with every change, so that a writer can say which state it has seen


class Sketch:
    """An interaction's view, drawn when somebody looks at it: most are of callers who wait, and nobody does."""

    __slots__ = ("_draw", "_view", "attributes")

    def __init__(self, attributes: Mapping[str, str], draw: Callable[[], InteractionView]) -> None:
        self._draw = draw
        self._view: InteractionView | None = None
        self.attributes = attributes

    @property
    def view(self) -> InteractionView:
        if self._view is None:
            self._view = self._draw()
        return self._view


class OfferView(msgspec.Struct, frozen=True, gc=False):
    """What an expert sees before answering."""

    offer_id: OfferId
    interaction_id: InteractionId
    participant_id: ParticipantId | None  # None until accepted when it comes from the waiting list
    user_id: UserId
    role: str  # agent | sme: what one would join as
    type: str  # voice | video
    state: str  # pending | accepted | rejected | timed-out | rescinded | canceled
    caller: str
    attributes: Mapping[str, str]
    offered_at: float
    expires_at: float
    queue_id: QueueId | None = None
    downgrade_reason: str = ""  # why it is voice although video was asked for
    callback: bool = False  # the customer is called back once one has accepted
    customer: CapabilitiesView = CapabilitiesView()  # what the customer can now


class AccountView(msgspec.Struct, frozen=True, gc=False):
    """`scopes` is what a token of this user allows: by roles, permissions and the video licence."""

    user_id: UserId
    name: str
    email: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    scopes: tuple[str, ...]
    skills: Mapping[str, int]
    video: bool
    capacity: int
    external_ids: tuple[str, ...]
    disabled: bool
    has_password: bool
    configured: bool
    version: int


class UserView(msgspec.Struct, frozen=True, gc=False):
    """A user who showed up. `busy` is derived: a live offer or a live part in an interaction."""

    user_id: UserId
    name: str
    role: str  # agent | sme
    presence: str  # ready | away | offline | not-responding
    busy: bool
    since: float
    status: str = ""  # presence, or what one who is ready does or lacks: busy | wrap-up | checking | unable
    proved: bool = False  # the desktop has shown that it works
    fault: str = ""  # what it lacks


class TimelineView(msgspec.Struct, frozen=True, gc=False):
    """One entry of an interaction's audit trail: the journaled event by name and its fields as text."""

    number: int
    at: float
    event: str
    facts: Mapping[str, str]


class MediaProbe(msgspec.Struct, frozen=True, gc=False):
    """A peer at the bridge's media port that answers connectivity checks (RFC 8445) and carries nothing.

    `prove_every_s` is how often to check, and to prove oneself; `proof_required`, whether who fails is offered nothing.
    """

    candidates: tuple[str, ...]
    ice_ufrag: str
    ice_pwd: str
    fingerprint: str
    prove_every_s: float
    proof_required: bool


class MediaAnswer(msgspec.Struct, frozen=True, gc=False):
    """Reply to `media.offer`. `refused` is what the browser would send and nobody would hear."""

    leg_id: LegId
    sdp: str
    refused: tuple[Refusal, ...] = ()


class TrunkView(msgspec.Struct, frozen=True, gc=False):
    """`state` is up, down or unknown (nobody asks it); `max_calls` 0 is no bound of its own."""

    trunk_id: TrunkId
    name: str
    target: str
    state: str
    calls: int
    max_calls: int
    priority: int
