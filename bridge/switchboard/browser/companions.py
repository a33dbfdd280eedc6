"""Use cases of companion links: an agent has one made, the caller's browser presses join, and may reload."""

import hashlib
from dataclasses import dataclass

from bridge.desk import commands
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LinkId, ParticipantId, UserId
from bridge.switchboard.browser.browsers import Browsers
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.doors import CompanionDoor
from bridge.switchboard.door.principal import VIDEO_USE, Principal
from bridge.switchboard.performance.leg import BrowserLeg
from bridge.switchboard.view.view import CompanionLinkView
from bridge.switchboard.wiring import Wiring

SECRET_MIN_CHARACTERS = 32  # of the browser's own making: 128 bits in hexadecimal
REPLACED = "the customer went on in another browser"
NAME = "companion"


@dataclass(frozen=True)
class Ticket:
    """What a link's signed token says."""

    link_id: LinkId
    interaction_id: InteractionId
    participant_id: ParticipantId


class Companions:
    """A guest is no user: its principal has the link for a name, and no scope but that of showing video."""

    __slots__ = ("_browsers", "_desktops", "_door", "_wiring")

    def __init__(self, wiring: Wiring, browsers: Browsers, desktops: Desktops) -> None:
        self._wiring = wiring
        self._browsers = browsers
        self._desktops = desktops
        self._door: CompanionDoor | None = None

    def attach(self, door: CompanionDoor) -> None:
        self._door = door

    async def create_companion_link(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        participant_id: ParticipantId | None = None,
    ) -> CompanionLinkView:
        """For the customer named, or the only one. A link made before and not used is void from now on."""
        interaction = self._desktops.admit(principal, interaction_id)
        if self._door is None:
            raise NotAllowedError("this bridge has no web door that could sign a link")
        participant = _customer(interaction, participant_id)
        link_id = self._wiring.ids.link()
        expires_at = self._wiring.clock.now() + self._wiring.policy.companion_link_s
        await self._wiring.do(
            interaction_id,
            commands.CreateCompanionLink(
                interaction_id, participant.participant_id, link_id, expires_at, principal.user_id
            ),
        )
        wall = self._wiring.portraits.wall(expires_at)
        signed = self._door.sign_link(link_id, interaction_id, participant.participant_id, wall)
        return CompanionLinkView(
            link_id, interaction_id, participant.participant_id, signed.url, signed.token, wall
        )

    async def join_companion(self, ticket: Ticket, secret: str) -> Participant:
        """Uses the link up and binds it to the browser that keeps `secret`. The same again is a reload.

        ConflictError when another browser was first, NotAllowedError when it expired or the call is over,
        NotFoundError when a newer link took its place. Only called because somebody pressed a button.
        """
        if len(secret) < SECRET_MIN_CHARACTERS:
            raise NotAllowedError(f"the secret must have at least {SECRET_MIN_CHARACTERS} characters")
        binding = hashlib.sha256(secret.encode()).hexdigest()
        command = commands.JoinCompanion(
            ticket.interaction_id, ticket.participant_id, ticket.link_id, binding
        )
        await self._wiring.do(ticket.interaction_id, command)
        self._end_replaced(ticket)
        return self._wiring.desk.interaction(ticket.interaction_id).live_participant(ticket.participant_id)

    def _end_replaced(self, ticket: Ticket) -> None:
        """The browser of an older link has to go: the customer has one companion."""
        for leg in self._wiring.legs.of(ticket.interaction_id):
            if not isinstance(leg, BrowserLeg) or leg.participant_id != ticket.participant_id:
                continue
            if str(leg.user_id) != ticket.link_id and not leg.closing:
                self._browsers.end(leg, "replaced", REPLACED, rejoin=False)


def guest(ticket: Ticket, connection_id: str) -> Principal:
    """Who a bound browser is."""
    return Principal(UserId(ticket.link_id), NAME, frozenset({VIDEO_USE}), connection_id)


def _customer(interaction: Interaction, participant_id: ParticipantId | None) -> Participant:
    if participant_id is not None:
        return interaction.live_participant(participant_id)
    customers = tuple(interaction.customers())
    if len(customers) != 1:
        raise NotFoundError("say which participant: the interaction has not exactly one customer")
    return customers[0]
