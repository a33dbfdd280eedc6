"""A desk with a clock of its own, for tests that tell a story."""

import itertools

from bridge.desk import commands, events
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.desk import Desk
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer
from bridge.desk.interaction.participant import Participant
from bridge.ids import IdSource, InteractionId, LegId, ParticipantId, RoomId, UserId

ALICE, BOB, EVE = UserId("alice"), UserId("bob"), UserId("eve")


class House:
    """`step` carries out at the house's own time and remembers what happened."""

    def __init__(self, policy: DeskPolicy | None = None) -> None:
        numbers = itertools.count(1)
        self.policy = policy or DeskPolicy()
        self.desk = Desk(self.policy, IdSource(lambda size: f"{next(numbers):0{2 * size}x}"))
        self.now = 100.0
        self.journal: list[events.DeskEvent] = []
        self._calls = 0

    def step(self, command: commands.DeskCommand) -> tuple[events.DeskEvent, ...]:
        happened = self.desk.step(command, self.now)
        self.journal += happened
        return happened

    def pass_time(self, seconds: float) -> None:
        """Moves time on, meeting every deadline at its moment."""
        until = self.now + seconds
        while (at := self.desk.timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.step(commands.ExpireDeadlines())
        self.now = until

    def call(self, *, number: str = "") -> InteractionId:
        """By default each caller has a number of their own."""
        self._calls += 1
        id_ = InteractionId(f"int_{self._calls}")
        number = number or f"+4930{self._calls}"
        leg_id, customer_id = LegId(f"leg_{self._calls}"), ParticipantId(f"prt_customer{self._calls}")
        room_id = RoomId(f"room_{self._calls}")
        self.step(commands.OpenInteraction(id_, room_id, customer_id, leg_id, number, "sip:desk"))
        return id_

    def ready(self, user_id: UserId, role: ParticipantRole = ParticipantRole.AGENT) -> None:
        self.step(commands.SetPresence(user_id, user_id.title(), role, Presence.READY))

    def ready_expert(self, user_id: UserId) -> None:
        self.ready(user_id, ParticipantRole.SME)

    def offer_to(self, user_id: UserId) -> Offer | None:
        return next((offer for offer in self.desk.offers() if offer.user_id == user_id), None)

    def accept(self, user_id: UserId) -> None:
        offer = self.offer_to(user_id)
        assert offer is not None, f"nothing rings for {user_id}"
        self.step(commands.AcceptOffer(offer.offer_id, user_id))

    def connect(self, id_: InteractionId, user_id: UserId) -> None:
        participant = self.participant(id_, user_id)
        leg_id = LegId(f"leg_{user_id}")
        self.step(commands.AttachLeg(id_, participant.participant_id, leg_id))
        self.step(commands.ConnectMedia(id_, participant.participant_id))

    def answered_call(self, user_id: UserId = ALICE, *, number: str = "") -> InteractionId:
        self.ready(user_id)
        id_ = self.call(number=number)
        self.accept(user_id)
        self.connect(id_, user_id)
        return id_

    def seek(self, id_: InteractionId, user_id: UserId, *, second_expert: bool = False) -> None:
        role, kind = ParticipantRole.SME, MediaType.VIDEO
        self.step(commands.SeekParticipant(id_, user_id, role, kind, by="alice", second_expert=second_expert))

    def interaction(self, id_: InteractionId) -> Interaction:
        return self.desk.interaction(id_)

    def participant(self, id_: InteractionId, user_id: UserId) -> Participant:
        participant = self.interaction(id_).participant_of(user_id)
        assert participant is not None, f"{user_id} takes no part"
        return participant

    def customer(self, id_: InteractionId) -> Participant:
        return next(p for p in self.interaction(id_).participants if p.is_customer)

    def leave(self, id_: InteractionId, user_id: UserId) -> None:
        participant_id = self.participant(id_, user_id).participant_id
        self.step(commands.DisconnectParticipant(id_, participant_id, user_id, "left"))
