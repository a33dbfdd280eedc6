"""What clients are shown of the desk, in replies, events and REST bodies: views in camelCase."""

from datetime import datetime

from signaling.web.protocol.flow_message import FlowRun
from signaling.web.protocol.wire import WireModel


class QueuePlace(WireModel):
    """Where the customer, or the wish for one more participant (`escalation`), waits."""

    queue_id: str
    escalation: bool
    type: str
    state: str
    since: datetime
    downgrade_reason: str


class Callback(WireModel):
    """A callback of an interaction, live or over."""

    callback_id: str
    interaction_id: str
    queue_id: str
    number: str
    state: str
    attempts: int
    not_before: datetime | None
    requested_at: datetime
    requested_by: str
    failure: str


class Queue(WireModel):
    """A queue and its figures: counts since the journal began, seconds where the name says so."""

    queue_id: str
    name: str
    role: str
    skills: dict[str, int]
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


class Ability(WireModel):
    """One medium. `send` is endpoint to bridge."""

    send: bool
    receive: bool


class Capabilities(WireModel):
    """What a participant can now, with all legs together.

    `no_video` says why there is no picture of it, `not_shown` why it is shown none of those there are; or "".
    """

    audio: Ability
    video: Ability
    screen: Ability
    no_video: str
    not_shown: str


class Diagnosis(WireModel):
    """Why one medium of a leg is silent or black, one way: `code` for programs, `text` for people."""

    leg_id: str
    medium: str
    direction: str
    code: str
    text: str


class Signal(WireModel):
    """One SIP message of a leg's call, as it passed. `text` is the message without keys, digits and credentials."""

    at: datetime
    leg_id: str
    received: bool
    transport: str
    remote: str
    summary: str
    text: str


class Supervision(WireModel):
    """How a supervisor listens in. `coached_id` hears a whisper."""

    mode: str
    coached_id: str | None


class Transfer(WireModel):
    """The transfer under way. At `expires_at` all is as before, if nothing is decided."""

    kind: str
    state: str
    initiator_id: str
    target_id: str
    held: tuple[str, ...]
    started_at: datetime
    expires_at: datetime


class CompanionLink(WireModel):
    """For whoever sends it to the customer. The token stands behind the # of the address."""

    link_id: str
    interaction_id: str
    participant_id: str
    url: str
    token: str
    expires_at: datetime


class Participant(WireModel):
    """One party of an interaction. `user_id` is null for a customer, and while one is sought in a queue."""

    participant_id: str
    role: str
    type: str
    state: str
    user_id: str | None
    name: str
    address: str
    muted: bool
    held_by_remote: bool
    sends_video: bool
    leg_ids: tuple[str, ...]
    joined_at: datetime
    disconnect_reason: str
    disconnected_by: str
    queue_id: str | None
    downgrade_reason: str
    wrap_up_by: datetime | None
    wrap_up_code: str
    wrap_up_note: str
    capabilities: Capabilities
    supervision: Supervision | None
    companion: str
    diagnoses: tuple[Diagnosis, ...]


class Interaction(WireModel):
    """The whole interaction as it stands; each event carries it, so a client never has to add up changes."""

    interaction_id: str
    state: str
    caller: str
    called: str
    attributes: dict[str, str]
    participants: tuple[Participant, ...]
    escalation_in_progress: bool
    created_at: datetime
    waiting_since: datetime | None
    ended_at: datetime | None
    end_reason: str
    ended_by: str
    waits_in: tuple[QueuePlace, ...]
    callback: Callback | None
    transfer: Transfer | None
    flows: tuple[FlowRun, ...]
    version: int


class Offer(WireModel):
    """What one sees before answering. `participant_id` is null while it comes from the waiting list."""

    offer_id: str
    interaction_id: str
    participant_id: str | None
    user_id: str
    role: str
    type: str
    state: str
    caller: str
    attributes: dict[str, str]
    offered_at: datetime
    expires_at: datetime
    queue_id: str | None
    downgrade_reason: str
    callback: bool
    customer: Capabilities


class User(WireModel):
    """A user who showed up since the bridge knows of users."""

    user_id: str
    name: str
    role: str
    presence: str
    busy: bool
    since: datetime
    status: str
    proved: bool
    fault: str


class SidebarField(WireModel):
    """Without a `label` the name stands there; without `choices` any text may be set."""

    name: str
    label: str
    choices: tuple[str, ...]
    settable: bool


class Sidebar(WireModel):
    """`others`: attributes that are no field are shown after those that are, and may be set by name."""

    fields: tuple[SidebarField, ...]
    others: bool


class TimelineEntry(WireModel):
    number: int
    at: datetime
    event: str
    facts: dict[str, str]


class Trunk(WireModel):
    """`state`: up, down or unknown (nobody asks it). `maxCalls` 0 is no bound of its own."""

    trunk_id: str
    name: str
    target: str
    state: str
    calls: int
    max_calls: int
    priority: int
