"""The one corridor behind all doors: one method per command."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.ids import InteractionId, LegId, OfferId, ParticipantId, UserId
from bridge.plane import messages
from bridge.switchboard.doors import ArrivingCall, DesktopDoor, PhoneDoor
from bridge.switchboard.principal import Principal
from bridge.switchboard.view import InteractionView, MediaAnswer, ParticipantView, TimelineView, UserView


@dataclass(frozen=True)
class AddParticipant:
    """A wish for one more participant. `second_expert` allows it while another escalation is in progress."""

    user_id: UserId
    type: str = "video"  # voice | video
    role: str = "sme"  # sme | agent
    properties: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


class Switchboard:
    """Implements `Corridor` for the SIP door and these commands for the web door.

    Every command raises a `BridgeError` (code and reason) when it cannot be carried out and then has changed
    nothing; when it returns, its events are on disk and on their way to the desktops.
    """

    def attach(self, phone_door: PhoneDoor, desktop_door: DesktopDoor) -> None:
        """Called once by the composition root, before `run`: the doors need the switchboard first."""
        raise NotImplementedError

    async def run(self) -> None:
        """Keeps deadlines and brings effects out. Ends only by cancellation or when the journal fails."""
        raise NotImplementedError

    # --- the SIP door -------------------------------------------------------------------------------------

    async def arrive(self, call: ArrivingCall) -> str:
        raise NotImplementedError

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        raise NotImplementedError

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        raise NotImplementedError

    # --- the media plane ----------------------------------------------------------------------------------

    def plane_event(self, event: messages.Event) -> None:
        """Spontaneous events only; replies go to whoever asked."""
        raise NotImplementedError

    def plane_lost(self, reason: str) -> None:
        """The worker died. All legs and rooms are declared again at the next `WorkerReady`."""
        raise NotImplementedError

    # --- desktops: presence and offers --------------------------------------------------------------------

    async def set_presence(self, principal: Principal, presence: str, role: str) -> UserView:
        """`presence`: ready | away | offline; `role`: agent | sme. Scope routing:write."""
        raise NotImplementedError

    async def accept_offer(self, principal: Principal, offer_id: OfferId) -> InteractionView:
        """Joins; the desktop now sends `offer_media`. NotFoundError if the offer is over."""
        raise NotImplementedError

    async def reject_offer(self, principal: Principal, offer_id: OfferId, reason: str) -> None:
        raise NotImplementedError

    async def connection_closed(self, principal: Principal) -> None:
        """The websocket is gone. Presence and media survive a grace period for a reconnect."""
        raise NotImplementedError

    # --- desktops: the interaction ------------------------------------------------------------------------

    async def add_participant(
        self, principal: Principal, interaction_id: InteractionId, wish: AddParticipant
    ) -> ParticipantView:
        """The same user again gives the participant there is. Another one while an escalation is in
        progress raises `ParticipantConflictError` (a ConflictError) with `.participant`."""
        raise NotImplementedError

    async def remove_participant(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        raise NotImplementedError

    async def leave(self, principal: Principal, interaction_id: InteractionId) -> None:
        raise NotImplementedError

    async def end_interaction(self, principal: Principal, interaction_id: InteractionId) -> None:
        raise NotImplementedError

    async def mute(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        raise NotImplementedError

    async def unmute(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        raise NotImplementedError

    async def hold(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        raise NotImplementedError

    async def resume(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        raise NotImplementedError

    async def set_attributes(
        self, principal: Principal, interaction_id: InteractionId, attributes: Mapping[str, str]
    ) -> InteractionView:
        raise NotImplementedError

    async def play_prompt(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        participant_id: ParticipantId | None,
        prompt: str,
    ) -> None:
        raise NotImplementedError

    # --- desktops: reading --------------------------------------------------------------------------------

    async def get_interaction(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        raise NotImplementedError

    async def list_interactions(self, principal: Principal) -> tuple[InteractionView, ...]:
        raise NotImplementedError

    async def timeline(self, principal: Principal, interaction_id: InteractionId) -> tuple[TimelineView, ...]:
        raise NotImplementedError

    async def list_users(self, principal: Principal) -> tuple[UserView, ...]:
        raise NotImplementedError

    # --- desktops: media ----------------------------------------------------------------------------------

    async def offer_media(self, principal: Principal, interaction_id: InteractionId, sdp: str) -> MediaAnswer:
        """First and later offers of the caller's own browser leg. GlareError while ours is unanswered."""
        raise NotImplementedError

    async def answer_media(self, principal: Principal, leg_id: LegId, sdp: str) -> None:
        """The answer to the offer that went out as `MediaOffered`."""
        raise NotImplementedError

    async def trickle(self, principal: Principal, leg_id: LegId, candidate: str) -> None:
        """Checks that the leg is the caller's own; ICE-lite needs no remote candidates."""
        raise NotImplementedError
