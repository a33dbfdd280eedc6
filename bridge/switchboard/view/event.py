"""Events to desktops. Those with a `number` are journaled: the number is the journal's sequence number."""

import msgspec

from bridge.ids import InteractionId, LegId, ParticipantId, QueueId
from bridge.switchboard.view.view import (
    AccountView,
    DiagnosisView,
    InteractionView,
    OfferView,
    Sketch,
    TrunkView,
    UserView,
)


class InteractionUpdated(msgspec.Struct, frozen=True, gc=False):
    """Something happened in an interaction.

    `change` names the journaled event in snake_case (`interaction_opened`, `participant_added`,
    `participant_moved`, `participant_muted`, `participant_unmuted`, `remote_hold_changed`, `leg_attached`,
    `leg_detached`, `attributes_set`, `seat_opened`, `seat_filled`, `seat_closed`, `offer_made`,
    `offer_ended`, `interaction_ended`), `participant_id` whom it is about, if it is about one.
    `interaction` is the state after the command that caused it.
    """

    number: int
    interaction_id: InteractionId
    change: str
    participant_id: ParticipantId | None
    sketch: Sketch  # the same one for all events of a command

    @property
    def interaction(self) -> InteractionView:
        return self.sketch.view


class OfferMade(msgspec.Struct, frozen=True, gc=False):
    """To the user it is offered to, and nobody else."""

    number: int
    interaction_id: InteractionId
    offer: OfferView


class OfferUpdated(msgspec.Struct, frozen=True, gc=False):
    """To the user it rings for: what is known of the interaction changed, the customer's video among it."""

    number: int
    interaction_id: InteractionId
    offer: OfferView


class OfferEnded(msgspec.Struct, frozen=True, gc=False):
    """To the user it was offered to: stop ringing. `offer.state` says how it ended."""

    number: int
    interaction_id: InteractionId
    offer: OfferView
    reason: str


class UserUpdated(msgspec.Struct, frozen=True, gc=False):
    """Presence or role of a user changed; to every holder of interaction:read."""

    number: int
    user: UserView


class AccountUpdated(msgspec.Struct, frozen=True, gc=False):
    """An account was made, changed, disabled or enabled; to its user and every holder of user:read."""

    number: int
    account: AccountView


class MediaOffered(msgspec.Struct, frozen=True, gc=False):
    """The bridge's SDP offer to the connection that owns the leg; answer with `media.answer`."""

    interaction_id: InteractionId
    leg_id: LegId
    sdp: str


class MediaConnected(msgspec.Struct, frozen=True, gc=False):
    """ICE and DTLS are up (browser), or the first packet came (phone)."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId


class MediaEnded(msgspec.Struct, frozen=True, gc=False):
    """The leg is gone. `rejoin` asks the browser for a new connection (a new `media.offer`).

    `code`: consent_lost, dtls_failed, rtp_timeout, internal_error (as the plane says), plane_lost,
    no_answer (our offer was not answered), replaced (another connection of the user took over), left.
    """

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    code: str
    reason: str
    rejoin: bool


class VideoPathChosen(msgspec.Struct, frozen=True, gc=False):
    """How a down track's video is made: `path` is forward or none; `reason` says why."""

    interaction_id: InteractionId
    leg_id: LegId
    mid: str
    path: str
    reason: str


class LegDiagnosed(msgspec.Struct, frozen=True, gc=False):
    """Why a leg is silent or black, as it stands now; nothing in `diagnoses`: it is well again.

    To those inside. Told once it lasts, never journaled: it is found anew after a restart.
    """

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    diagnoses: tuple[DiagnosisView, ...]


class DigitReceived(msgspec.Struct, frozen=True, gc=False):
    """A key on somebody's phone. Never logged, never journaled."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    digit: str
    duration_ms: int


class PromptEnded(msgspec.Struct, frozen=True, gc=False):
    """A prompt asked for by `prompts.play` is through; `error` says why it could not be played."""

    interaction_id: InteractionId
    participant_id: ParticipantId | None
    prompt: str
    error: str


class QueueDepthExceeded(msgspec.Struct, frozen=True, gc=False):
    """A line is long; said at most once in the queue's `notify_every_s`. To every holder of interaction:read."""

    number: int
    queue_id: QueueId
    depth: int
    threshold: int


class PositionAnnounced(msgspec.Struct, frozen=True, gc=False):
    """A waiting customer's place, and the wait to be expected where it can be guessed."""

    number: int
    interaction_id: InteractionId
    participant_id: ParticipantId
    queue_id: QueueId
    position: int
    wait_s: float | None


class TrunkUpdated(msgspec.Struct, frozen=True, gc=False):
    """A trunk answers again, or does so no longer; `reason` is what it said last. To every holder of trunk:admin."""

    trunk: TrunkView
    reason: str


DesktopEvent = (
    InteractionUpdated
    | OfferMade
    | OfferUpdated
    | OfferEnded
    | UserUpdated
    | AccountUpdated
    | MediaOffered
    | MediaConnected
    | MediaEnded
    | VideoPathChosen
    | LegDiagnosed
    | DigitReceived
    | PromptEnded
    | QueueDepthExceeded
    | PositionAnnounced
    | TrunkUpdated
)
