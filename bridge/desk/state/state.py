"""The desk's state: what there is, and what is asked of it often. `fact` is the one way to change it."""

from collections import deque
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Any

from bridge.desk.centre.account import Directory
from bridge.desk.centre.expert import Expert, Proof
from bridge.desk.centre.queue import Profile, Queue
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.companion import LinkState
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.state.line import Lines
from bridge.desk.state.snapshot import DeskSnapshot
from bridge.desk.value import replace
from bridge.errors import NotFoundError
from bridge.ids import InteractionId, OfferId, ParticipantId, QueueId, SeatId, UserId

if TYPE_CHECKING:
    from bridge.desk.centre.figures import QueueFigures


_INDEXED = frozenset({"participants", "seats", "flows", "transfer", "callback"})


class DeskState:
    """Interactions, experts and live offers.

    `interactions` holds the live ones and, up to `ended_kept` at each new one, those that ended last.
    """

    __slots__ = (
        "_busy",
        "_ended",
        "_ended_kept",
        "_engaged",
        "_idle",
        "_offer_of_seat",
        "_offer_to",
        "_wrapping",
        "connecting",
        "declared",
        "dialing",
        "directory",
        "experts",
        "figures",
        "flowing",
        "forgotten",
        "interactions",
        "lines",
        "linked",
        "live",
        "noticed_at",
        "notified_at",
        "offers",
        "profiles",
        "proofs",
        "queues",
        "seeking",
        "transferring",
    )

    def __init__(self, ended_kept: int) -> None:
        self.interactions: dict[InteractionId, Interaction] = {}
        self.experts: dict[UserId, Expert] = {}
        self.offers: dict[OfferId, Offer] = {}
        self.queues: dict[QueueId, Queue] = {}  # the configured ones, with what was declared over them
        self.declared: dict[QueueId, Queue] = {}
        self.profiles: dict[UserId, Profile] = {}
        self.directory = Directory()
        self.figures: dict[QueueId, QueueFigures] = {}
        self.notified_at: dict[QueueId, float] = {}
        self.noticed_at: dict[str, tuple[float, ...]] = {}  # by group, what flows wrote within the last hour
        # Heartbeats are not journaled: after a restart every desktop proves itself anew.
        self.proofs: dict[UserId, Proof] = {}
        self.lines = Lines()
        # Indexes, kept where values are put: live interactions, those with a live seat, who is in which.
        self.live: dict[InteractionId, None] = {}
        self.seeking: dict[InteractionId, None] = {}
        self.flowing: dict[InteractionId, None] = {}
        self.transferring: dict[InteractionId, None] = {}
        self.linked: dict[InteractionId, None] = {}  # with a companion link that can expire
        self.connecting: dict[InteractionId, None] = {}  # with somebody whose media is waited for
        self.dialing: dict[InteractionId, None] = {}  # with a callback that rings
        self._engaged: dict[UserId, dict[InteractionId, None]] = {}
        self._wrapping: dict[UserId, dict[tuple[InteractionId, ParticipantId], None]] = {}
        self._busy: set[UserId] = set()
        self._idle: dict[ParticipantRole, dict[UserId, Expert]] = {role: {} for role in ParticipantRole}
        self._offer_to: dict[UserId, Offer] = {}
        self._offer_of_seat: dict[SeatId, Offer] = {}
        self._ended: deque[InteractionId] = deque()
        self._ended_kept = ended_kept
        self.forgotten = 0

    def interaction(self, interaction_id: InteractionId) -> Interaction:
        """Raises NotFoundError."""
        try:
            return self.interactions[interaction_id]
        except KeyError:
            raise NotFoundError(f"no interaction {interaction_id}") from None

    def expert(self, user_id: UserId) -> Expert:
        """Raises NotFoundError."""
        try:
            return self.experts[user_id]
        except KeyError:
            raise NotFoundError(f"no user {user_id} has connected yet") from None

    def offer_to(self, user_id: UserId) -> Offer | None:
        """The live offer to `user_id`; there is at most one."""
        return self._offer_to.get(user_id)

    def offer_of(self, seat_id: SeatId) -> Offer | None:
        """The live offer of a seat; there is at most one."""
        return self._offer_of_seat.get(seat_id)

    def queue(self, queue_id: QueueId) -> Queue:
        """Raises NotFoundError."""
        try:
            return self.queues[queue_id]
        except KeyError:
            raise NotFoundError(f"no queue {queue_id}") from None

    def profile(self, user_id: UserId) -> Profile:
        """A user of whom nothing was said has no skills, the video licence and room for one interaction."""
        if user_id in self.directory.configured:
            return self.directory.configured[user_id][1]
        return self.profiles.get(user_id) or Profile(user_id)

    def all_profiles(self) -> Iterator[Profile]:
        """Of everybody of whom something was said."""
        yield from (profile for _, profile in self.directory.configured.values())
        configured = self.directory.configured
        yield from (profile for profile in self.profiles.values() if profile.user_id not in configured)

    def is_busy(self, user_id: UserId) -> bool:
        """Derived, never stored with the user: a flag could stick."""
        return user_id in self._busy

    def is_wrapping_up(self, user_id: UserId) -> bool:
        return user_id in self._wrapping

    def wrapping_up(self) -> tuple[InteractionId, ...]:
        """The interactions after which somebody is still at work."""
        return tuple({id_: None for work in self._wrapping.values() for id_, _ in work})

    def takes_offers(self, expert: Expert, proof_s: float, now: float) -> bool:
        """Ready, with a desktop that proved itself a moment ago if that is asked for."""
        if not expert.takes_offers:
            return False
        proof = self.proofs.get(expert.user_id)
        return not proof_s or (proof is not None and proof.expires_at > now)

    def idle_experts(self, role: ParticipantRole, proof_s: float, now: float) -> list[Expert]:
        """Who can be rung now: those who take offers and are not busy. Asked at each step while somebody waits."""
        idle = self._idle[role].values()
        return [expert for expert in idle if not proof_s or self.takes_offers(expert, proof_s, now)]

    def can_show_video(self, user_id: UserId, proof_s: float) -> bool:
        """Has the licence and, where desktops prove themselves, a camera that works."""
        if not self.profile(user_id).video:
            return False
        proof = self.proofs.get(user_id)
        return not proof_s or (proof is not None and proof.camera)

    def engagements_of(self, user_id: UserId) -> tuple[InteractionId, ...]:
        """The interactions `user_id` takes part in, at most the capacity of the profile."""
        return tuple(self._engaged.get(user_id, ()))

    def put(self, interaction: Interaction) -> None:
        """One that is new, or from a snapshot."""
        id_ = interaction.interaction_id
        self.interactions[id_] = interaction = replace(interaction, version=max(1, interaction.version))
        if interaction.ended_at is None:
            self.live[id_] = None
        self._note_changes(None, interaction, _INDEXED)

    def change(self, interaction_id: InteractionId, /, **changes: Any) -> None:
        """The place where an interaction is replaced by what it has become."""
        was = self.interactions[interaction_id]
        now = self.interactions[interaction_id] = replace(was, version=was.version + 1, **changes)
        self._note_changes(was, now, changes)

    def _note_changes(self, was: Interaction | None, now: Interaction, changed: Container[str]) -> None:
        """Most changes touch either parties, seats or flows."""
        id_ = now.interaction_id
        if "participants" in changed:
            self._note_parties(was, now)
            links = [link for p in now.participants for link in p.companions]
            _index(self.linked, id_, listed=any(link.state is LinkState.OPEN for link in links))
            waits = any([p.connect_by is not None for p in now.participants])
            _index(self.connecting, id_, listed=waits)
        if "seats" in changed:
            self.lines.move(was, now)
            _index(self.seeking, id_, listed=bool(now.seats))
        if "flows" in changed:
            _index(self.flowing, id_, listed=bool(now.flows))
        if "transfer" in changed:
            _index(self.transferring, id_, listed=now.transfer is not None)
        if "callback" in changed:
            callback = now.callback
            _index(self.dialing, id_, listed=callback is not None and callback.dial_by is not None)

    def _note_parties(self, was: Interaction | None, now: Interaction) -> None:
        for participant in was.participants if was is not None else ():
            self._forget_work(participant, now.interaction_id)
        for participant in now.participants:
            self._note_work(participant, now.interaction_id)
        for participant in (*(was.participants if was is not None else ()), *now.participants):
            if participant.user_id is not None:
                self._weigh(participant.user_id)

    def put_participant(self, event: Any, /, **changes: Any) -> None:
        """Replaces the participant an event is about by one with `changes`."""
        interaction = self.interactions[event.interaction_id]
        participant = replace(interaction.participant(event.participant_id), **changes)
        self.change(event.interaction_id, participants=interaction.participants_with(participant))

    def put_expert(self, expert: Expert) -> None:
        was = self.experts.get(expert.user_id)
        if was is not None and was.role is not expert.role:
            self._idle[was.role].pop(expert.user_id, None)
        self.experts[expert.user_id] = expert
        self._note_idle(expert)

    def put_offer(self, offer: Offer) -> None:
        self.offers[offer.offer_id] = offer
        self._offer_to[offer.user_id] = offer
        self._offer_of_seat[offer.seat_id] = offer
        self._weigh(offer.user_id)

    def take_offer(self, offer_id: OfferId) -> Offer:
        """It is over."""
        offer = self.offers.pop(offer_id)
        del self._offer_to[offer.user_id]
        del self._offer_of_seat[offer.seat_id]
        self._weigh(offer.user_id)
        return offer

    def put_profile(self, profile: Profile) -> None:
        self.profiles[profile.user_id] = profile
        self._weigh(profile.user_id)

    def _weigh(self, user_id: UserId) -> None:
        """Whether there is room for one more, after anything changed that speaks for or against it."""
        engaged = self._engaged.get(user_id)
        if (
            user_id in self._offer_to
            or user_id in self._wrapping
            or (engaged is not None and len(engaged) >= self.profile(user_id).capacity)
        ):
            self._busy.add(user_id)
        else:
            self._busy.discard(user_id)
        expert = self.experts.get(user_id)
        if expert is not None:
            self._note_idle(expert)

    def _note_idle(self, expert: Expert) -> None:
        if expert.takes_offers and expert.user_id not in self._busy:
            self._idle[expert.role][expert.user_id] = expert
        else:
            self._idle[expert.role].pop(expert.user_id, None)

    def _forget_work(self, participant: Participant, id_: InteractionId) -> None:
        user_id = participant.user_id
        if user_id is None:
            return
        if participant.is_live:
            engaged = self._engaged[user_id]
            engaged.pop(id_, None)
            if not engaged:
                del self._engaged[user_id]
        elif participant.state is ParticipantState.WRAP_UP:
            wrapping = self._wrapping[user_id]
            wrapping.pop((id_, participant.participant_id), None)
            if not wrapping:
                del self._wrapping[user_id]

    def _note_work(self, participant: Participant, id_: InteractionId) -> None:
        if participant.user_id is None:
            return
        if participant.is_live:
            self._engaged.setdefault(participant.user_id, {})[id_] = None
        elif participant.state is ParticipantState.WRAP_UP:
            self._wrapping.setdefault(participant.user_id, {})[id_, participant.participant_id] = None

    def retire(self, interaction_id: InteractionId) -> None:
        """Keeps an ended interaction readable for a while."""
        del self.live[interaction_id]
        self._ended.append(interaction_id)

    def make_room(self) -> None:
        """Forgets the oldest beyond `ended_kept`. When one opens: those that end in a step are read after it."""
        while len(self._ended) > self._ended_kept:
            gone = self.interactions.pop(self._ended.popleft())
            for participant in gone.participants:
                self._forget_work(participant, gone.interaction_id)  # who was still wrapping up is free
                if participant.user_id is not None:
                    self._weigh(participant.user_id)
            self.forgotten += 1

    # --- over a restart -----------------------------------------------------------------------------------

    def snapshot(self) -> DeskSnapshot:
        """Cheap: the values never change, so only their containers are copied. Indexes are not in it."""
        return DeskSnapshot(
            interactions=tuple(self.interactions.values()),
            ended=tuple(self._ended),
            experts=tuple(self.experts.values()),
            offers=tuple(self.offers.values()),
            forgotten=self.forgotten,
            declared=tuple(self.declared.values()),
            profiles=tuple(self.profiles.values()),
            accounts=tuple(self.directory.accounts.values()),
            standings=tuple(self.directory.standings.values()),
            figures=tuple(self.figures.items()),
            notified_at=tuple(self.notified_at.items()),
            noticed_at=tuple(self.noticed_at.items()),
        )

    def restore(self, snapshot: DeskSnapshot) -> None:
        """The counterpart of `snapshot`, in an empty state."""
        for interaction in snapshot.interactions:
            self.put(interaction)
        self._ended.extend(snapshot.ended)
        for expert in snapshot.experts:
            self.put_expert(expert)
        for offer in snapshot.offers:
            self.put_offer(offer)
        self.declared.update((queue.queue_id, queue) for queue in snapshot.declared)
        self.queues.update(self.declared)
        for profile in snapshot.profiles:
            self.put_profile(profile)
        for account in snapshot.accounts:
            self.directory.put(account)
        self.directory.standings.update((standing.user_id, standing) for standing in snapshot.standings)
        self.figures.update(snapshot.figures)
        self.notified_at.update(snapshot.notified_at)
        self.noticed_at.update(snapshot.noticed_at)
        self.forgotten = snapshot.forgotten


def _index(index: dict[InteractionId, None], interaction_id: InteractionId, *, listed: bool) -> None:
    if listed:
        index[interaction_id] = None
    else:
        index.pop(interaction_id, None)
