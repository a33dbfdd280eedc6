"""A random walk through everything a desk can be asked, in virtual time, with what must always hold.

The same walk serves the unit tests (some thousand steps), `tests/sim` (200,000) and the soak (millions).
"""

import random
from dataclasses import replace

from bridge.desk import commands, events
from bridge.desk.centre.account import Account, AccountRole
from bridge.desk.centre.expert import Expert, Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Overflow, OverflowTo, Profile, Queue, SkillMatch, Strategy, default_queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.desk import Desk
from bridge.desk.interaction.callback import CallbackState
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.interaction.seat import Seat, SeatState
from bridge.errors import BridgeError
from bridge.ids import IdSource, LegId, OfferId, QueueId, RoomId, UserId

WITHHELD = "anonymous"
AGENT, SME = ParticipantRole.AGENT, ParticipantRole.SME
USERS = tuple(UserId(name) for name in ("ann", "ben", "cem", "dora", "eve", "finn", "gil"))
VIDEO, VOICE, DESKS, CALLS = QueueId("video"), QueueId("voice"), QueueId("desks"), QueueId("calls")
QUEUES = (
    Queue(
        VIDEO,
        "Escalation - Video SME",
        role=SME,
        skills={"Video_Escalation": 2},
        wrap_up_s=12.0,
        wrap_up_codes=("Video Session Closed", "Other"),
        overflow=Overflow(OverflowTo.QUEUE, depth=3, wait_s=60.0, queue_id=VOICE),
        notify_depth=2,
        timeout_s=90.0,
    ),
    Queue(VOICE, "Voice SME", role=SME, video_enabled=False, timeout_s=50.0, offer_s=9.0),
    Queue(
        DESKS,
        "Desks",
        skills={"pay": 1},
        skill_match=SkillMatch.BEST,
        strategy=Strategy.MOST_SKILLED,
        wrap_up_s=7.0,
        max_depth=4,
        announce_every_s=13.0,
        timeout_s=70.0,
        leave_when_empty=True,
        join_empty=False,
    ),
    Queue(
        CALLS,
        "Callbacks",
        overflow=Overflow(OverflowTo.CALLBACK, wait_s=40.0),
        strategy=Strategy.FEWEST_HANDLED,
    ),
)
PROFILES = (
    Profile(USERS[0], {"pay": 3}),
    Profile(USERS[1], {"pay": 1}, capacity=2),
    Profile(USERS[3], {"Video_Escalation": 3}),
    Profile(USERS[4], {"Video_Escalation": 2}, video=False),
    Profile(USERS[5], {"Video_Escalation": 5}),
)
POLICY = DeskPolicy(
    max_interactions=9,
    ended_kept=12,
    missed_max=2,
    callback_retry_s=25.0,
    queues=(default_queue(), *QUEUES),
)
WITH_PROOF = DeskPolicy(
    max_interactions=9,
    ended_kept=12,
    proof_s=35.0,
    callback_attempts=2,
    callback_retry_s=25.0,
    queues=(default_queue(), *QUEUES),
)


class Walk:
    """`take` does one random thing and what it entails; `check` asserts what must hold."""

    def __init__(self, chance: random.Random, policy: DeskPolicy = POLICY) -> None:
        self.chance = chance
        self.policy = policy
        self.now = 1000.0
        self.transitions = 0
        self.calls = 0
        self._numbers = 0
        self.ids = IdSource(self._token)
        self.desk = Desk(policy, self.ids)
        self.journal: list[events.DeskEvent] = []
        self._base = self.desk.snapshot()
        self.deeds = (
            (14, self._call),
            (16, self._set_presence),
            (30, self._serve),
            (8, self._reject),
            (10, self._prove),
            (12, self._seek),
            (6, self._send_to_queue),
            (14, self._to_participant),
            (3, self._end),
            (6, self._desktop),
            (9, self._wrap_up),
            (8, self._callback),
            (12, self._dial),
            (4, self._prioritize),
            (3, self._admit_or_disable),
            (40, self._pass_time),
            (1, self._restart),
        )
        self._weights = [weight for weight, _ in self.deeds]
        for profile in PROFILES:
            self.step(commands.SetProfile(profile, "walk"))
        for user in USERS:
            account = Account(user, user.title(), (AccountRole.AGENT, AccountRole.SME))
            self.step(commands.CreateAccount(account, self.desk.profile(user), "walk"))

    def _token(self, size: int) -> str:
        self._numbers += 1
        return f"{self._numbers:0{2 * size}x}"

    # --- moving -------------------------------------------------------------------------------------------

    def take(self, which: int | None = None) -> None:
        """The deed at `which`, or one by chance."""
        (_, deed) = self.chance.choices(self.deeds, self._weights)[0] if which is None else self.deeds[which]
        deed()
        self._meet_deadlines(self.now)

    def step(self, command: commands.DeskCommand) -> bool:
        """False if it was refused; then nothing has changed."""
        self.transitions += 1
        try:
            happened = self.desk.step(command, self.now)
        except BridgeError:
            return False
        self.journal += happened
        for event in happened:
            if isinstance(event, events.OfferMade):
                self.check_offer(event)
        return True

    def _meet_deadlines(self, until: float) -> None:
        while (at := self.desk.timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.step(commands.ExpireDeadlines())
        self.now = until

    # --- the deeds ----------------------------------------------------------------------------------------

    def _call(self) -> None:
        self.calls += 1
        number = WITHHELD if self.calls % 4 == 0 else f"+49{self.calls}"
        ids = self.ids
        self.step(
            commands.OpenInteraction(
                ids.interaction(), RoomId("room"), ids.participant(), ids.leg(), number, "sip:desk"
            )
        )

    def _set_presence(self) -> None:
        user = self.chance.choice(USERS)
        role = SME if user >= "dora" else AGENT
        ready, away, off = Presence.READY, Presence.AWAY, Presence.OFFLINE
        presence = self.chance.choice((ready, ready, ready, ready, away, off))
        self.step(commands.SetPresence(user, user.title(), role, presence))

    def _prove(self) -> None:
        camera = self.chance.random() < 0.8
        microphone = self.chance.random() < 0.9
        for user in self.chance.sample(USERS, 4):
            self.step(commands.ProveReady(user, microphone, camera, ice=True))

    def _serve(self) -> None:
        """The way it should go, so that the walk gets somewhere."""
        for offer in self.desk.offers():
            if self.chance.random() < 0.8:
                self.step(commands.AcceptOffer(offer.offer_id, offer.user_id))
        for interaction in self.desk.live_interactions():
            for participant in interaction.staff():
                if participant.state is ParticipantState.CONNECTING and self.chance.random() < 0.9:
                    id_, participant_id = interaction.interaction_id, participant.participant_id
                    self.step(commands.AttachLeg(id_, participant_id, self.ids.leg()))
                    self.step(commands.ConnectMedia(id_, participant_id))

    def _reject(self) -> None:
        offers = self.desk.offers()
        if offers:
            offer = self.chance.choice(offers)
            user = offer.user_id if self.chance.random() < 0.9 else USERS[0]
            self.step(commands.RejectOffer(offer.offer_id, user, "no"))
        else:
            self.step(commands.AcceptOffer(OfferId("off_none"), USERS[0]))

    def _seek(self) -> None:
        interaction = self._pick()
        if interaction is None:
            return
        id_, second = interaction.interaction_id, self.chance.random() < 0.3
        kind = self.chance.choice(tuple(MediaType))
        if self.chance.random() < 0.6:
            queue_id = self.chance.choice((VIDEO, VIDEO, VOICE, QueueId("none")))
            self.step(commands.SeekFromQueue(id_, queue_id, kind, "walk", second_expert=second))
        else:
            user = self.chance.choice(USERS)
            self.step(commands.SeekParticipant(id_, user, SME, kind, "walk", second_expert=second))

    def _send_to_queue(self) -> None:
        interaction = self._pick()
        if interaction is not None:
            queue_id = self.chance.choice((DESKS, CALLS, VIDEO))
            self.step(commands.QueueInteraction(interaction.interaction_id, queue_id, "walk"))

    def _to_participant(self) -> None:
        interaction = self._pick()
        if interaction is None:
            return
        participant = self.chance.choice(interaction.participants)
        id_, participant_id = interaction.interaction_id, participant.participant_id
        leg_id = participant.leg_ids[0] if participant.leg_ids else LegId("leg_none")
        by = self.chance.choice((participant.user_id or "customer", "somebody"))
        deeds: tuple[commands.DeskCommand, ...] = (
            commands.DisconnectParticipant(id_, participant_id, by, "walk"),
            commands.DisconnectParticipant(id_, participant_id, by, "walk"),
            commands.MuteParticipant(id_, participant_id, "walk"),
            commands.HoldParticipant(id_, participant_id, "walk"),
            commands.ResumeParticipant(id_, participant_id, "walk"),
            commands.AttachLeg(id_, participant_id, self.ids.leg()),
            commands.DetachLeg(id_, participant_id, leg_id, "walk"),
            commands.ConnectMedia(id_, participant_id),
        )
        self.step(self.chance.choice(deeds))

    def _end(self) -> None:
        interaction = self._pick()
        if interaction is not None:
            self.step(commands.EndInteraction(interaction.interaction_id, "walk", "ended"))

    def _desktop(self) -> None:
        user = self.chance.choice(USERS)
        lost = self.chance.random() < 0.4
        self.step(commands.LoseDesktop(user) if lost else commands.ReturnDesktop(user))

    def _wrap_up(self) -> None:
        interactions = [i for i in self.desk.interactions() if any(_wraps_up(p) for p in i.participants)]
        if not interactions:
            return
        interaction = self.chance.choice(interactions)
        user = next(p.user_id for p in interaction.participants if _wraps_up(p))
        code = self.chance.choice(("Video Session Closed", "no such code"))
        self.step(commands.CompleteWrapUp(interaction.interaction_id, user or USERS[0], code, "note"))

    def _callback(self) -> None:
        interaction = self._pick()
        if interaction is None:
            return
        id_, later = interaction.interaction_id, self.now + self.chance.choice((0.0, 0.0, 30.0))
        queue_id = self.chance.choice((None, None, CALLS, VIDEO))
        if self.chance.random() < 0.8:
            self.step(commands.RequestCallback(id_, "walk", "", later, queue_id))
        else:
            self.step(commands.CancelCallback(id_, "walk"))

    def _dial(self) -> None:
        for interaction in self.desk.live_interactions():
            callback = interaction.live_callback
            if callback is None or callback.leg_id is None:
                continue
            id_ = interaction.interaction_id
            chance = self.chance.random()
            if chance < 0.5:
                self.step(commands.AnswerCallback(id_, callback.leg_id))
            elif chance < 0.8:
                status = self.chance.choice((486, 480, 603))
                self.step(commands.FailCallback(id_, callback.leg_id, "busy", status))

    def _prioritize(self) -> None:
        interaction = self._pick()
        if interaction is not None:
            word = self.chance.choice(("High", "Normal", "Low", "odd"))
            self.step(commands.SetAttributes(interaction.interaction_id, {"priority": word}, "walk"))

    def _admit_or_disable(self) -> None:
        user = self.chance.choice(USERS)
        if self.chance.random() < 0.4:
            self.step(commands.DisableAccount(user, self.now, "walk"))
        else:
            for again in USERS:
                self.step(commands.EnableAccount(again, "walk"))

    def _pass_time(self) -> None:
        self._meet_deadlines(self.now + self.chance.choice((0.0, 0.5, 3.0, 8.0, 21.0, 33.0)))

    def _restart(self) -> None:
        """The process dies and comes back with what the journal has; half of the calls come back."""
        again = Desk(self.policy, self.ids)
        again.restore(self._base)
        again.replay(self.journal)
        assert replace(again.snapshot(), deadlines=()) == replace(self.desk.snapshot(), deadlines=())
        for queue in self.desk.queues():
            assert again.waiting(queue.queue_id) == self.desk.waiting(queue.queue_id)
        self.desk = again
        legs = [leg for i in again.live_interactions() for c in i.customers() for leg in c.leg_ids]
        self.step(commands.Restart(frozenset(leg for leg in legs if self.chance.random() < 0.5)))
        self._base, self.journal = again.snapshot(), []

    def _pick(self) -> Interaction | None:
        interactions = self.desk.interactions()[-8:]
        return self.chance.choice(interactions) if interactions else None

    # --- what must hold -----------------------------------------------------------------------------------

    def check_offer(self, event: events.OfferMade) -> None:
        """The longest idle of those who could be rung; the first in the lines of those who serve."""
        offer = next((o for o in self.desk.offers() if o.offer_id == event.offer_id), None)
        if offer is None:
            return  # over within the same step
        interaction = self.desk.interaction(offer.interaction_id)
        seat = interaction.seat(offer.seat_id)
        if seat.queue_id is None or seat.user_id is not None:
            return
        queue, chosen = self.desk.queue(seat.queue_id), self.desk.expert(offer.user_id)
        assert chosen.role is queue.role
        for expert in self._idle():
            if self._could_ring(queue, seat, interaction, expert):
                assert self._key(queue, expert) > self._key(queue, chosen)
        self._check_first_in_line(seat, interaction, chosen)

    def _check_first_in_line(self, seat: Seat, interaction: Interaction, chosen: Expert) -> None:
        place = (seat.rank, interaction.interaction_id, seat.seat_id)
        for other in self.desk.live_interactions():
            for waiting in other.seats:
                if waiting.state is not SeatState.OPEN or waiting.queue_id is None:
                    continue
                queue = self.desk.queue(waiting.queue_id)
                if self._could_ring(queue, waiting, other, chosen) and waiting.not_before <= self.now:
                    late = self._is_late(queue, waiting, other)
                    assert late or place < (waiting.rank, other.interaction_id, waiting.seat_id)

    def check(self) -> None:
        self._check_offers(self.desk.offers())
        self._check_users()
        for user in USERS:
            if self.desk.registration(user).standing.disabled:
                self._check_disabled(user)
        for interaction in self.desk.live_interactions():
            self._check_live(interaction)
        for interaction in self.desk.interactions():
            if interaction.ended_at is not None:
                assert not interaction.seats
                assert not any(p.is_live for p in interaction.participants)
                assert interaction.live_callback is None
        self._check_nobody_waits_in_vain()

    def _check_offers(self, offers: tuple[Offer, ...]) -> None:
        assert len({offer.user_id for offer in offers}) == len(offers)
        assert len({offer.seat_id for offer in offers}) == len(offers)
        assert all(offer.expires_at > self.now for offer in offers)
        offered = {
            seat.seat_id
            for interaction in self.desk.live_interactions()
            for seat in interaction.seats
            if seat.state is SeatState.OFFERED
        }
        assert offered == {offer.seat_id for offer in offers}

    def _check_users(self) -> None:
        parts: dict[UserId, int] = {}
        for interaction in self.desk.live_interactions():
            for participant in interaction.staff():
                if participant.user_id is not None:
                    parts[participant.user_id] = parts.get(participant.user_id, 0) + 1
        for user_id, count in parts.items():
            assert count <= self.desk.profile(user_id).capacity
        ringing = {offer.user_id for offer in self.desk.offers()}
        wrapping = {p.user_id for i in self.desk.interactions() for p in i.participants if _wraps_up(p)}
        for user_id in USERS:
            full = parts.get(user_id, 0) >= self.desk.profile(user_id).capacity
            assert self.desk.is_busy(user_id) == (full or user_id in ringing or user_id in wrapping)
        for interaction in self.desk.interactions():
            for participant in interaction.participants:
                if _wraps_up(participant) and participant.user_id is not None:
                    assert participant.wrap_up_by is not None
                    assert participant.wrap_up_by > self.now
                    assert self.desk.is_busy(participant.user_id)
                    # Who may have two at once can be rung for one while the other ends.
                    alone = self.desk.profile(participant.user_id).capacity == 1
                    assert not alone or self.desk.offer_to(participant.user_id) is None

    def _check_disabled(self, user: UserId) -> None:
        """Nothing rings there, and the call there was is handed over within the grace period."""
        assert self.desk.offer_to(user) is None
        assert not self.desk.takes_offers(user, self.now)
        if any(i.participant_of(user) is not None for i in self.desk.live_interactions()):
            lost_at = self.desk.expert(user).lost_at
            assert lost_at is not None
            assert lost_at + self.policy.reconnect_grace_s > self.now

    def _check_live(self, interaction: Interaction) -> None:
        (customer,) = interaction.customers()
        customers_seats = [seat for seat in interaction.seats if seat.is_customers]
        assert len(customers_seats) <= 1
        for participant in interaction.participants:
            if participant.connect_by is not None and participant.is_live:
                assert participant.connect_by > self.now
        self._check_callback(interaction, customer)
        with_customer = (ParticipantState.IN_SESSION, ParticipantState.HELD)
        if customer.state is ParticipantState.QUEUED:
            assert len(customers_seats) == 1
            assert not any(p.state in with_customer for p in interaction.staff())
        elif customer.state in with_customer:
            assert any(p.is_present for p in interaction.staff())
        for seat in interaction.seats:
            self._check_seat(interaction, seat)

    def _check_callback(self, interaction: Interaction, customer: Participant) -> None:
        callback = interaction.live_callback
        if callback is None:
            assert customer.state is not ParticipantState.ALERTING
            return
        assert callback.number != WITHHELD
        if callback.state is CallbackState.DIALING:
            assert callback.dial_by is not None
            assert callback.dial_by > self.now
            assert customer.state is ParticipantState.ALERTING
        else:
            assert customer.state is ParticipantState.QUEUED
            spared = callback.failure == "not_made"  # a restart leaves one more
            assert callback.attempts < self.policy.callback_attempts + spared

    def _check_seat(self, interaction: Interaction, seat: Seat) -> None:
        if seat.escalation or seat.user_id is not None:
            assert seat.participant_id is not None
            sought = interaction.participant(seat.participant_id)
            assert sought.is_live
            if seat.state is SeatState.OPEN:
                assert sought.state is ParticipantState.QUEUED
            elif seat.state is SeatState.OFFERED:
                assert sought.state is ParticipantState.ALERTING
        if seat.state is SeatState.TAKEN:
            assert seat.participant_id is not None
            assert interaction.participant(seat.participant_id).state is ParticipantState.CONNECTING
        if seat.type is MediaType.VIDEO and seat.queue_id is not None:
            assert self.desk.queue(seat.queue_id).video_enabled

    def _check_nobody_waits_in_vain(self) -> None:
        """No seat is open past its limit, or while somebody is idle who could be rung for it."""
        idle = self._idle()
        for interaction in self.desk.live_interactions():
            for seat in interaction.seats:
                if seat.state is not SeatState.OPEN or seat.queue_id is None:
                    continue
                queue = self.desk.queue(seat.queue_id)
                assert not self._is_late(queue, seat, interaction)
                if seat.not_before > self.now:
                    continue
                for expert in idle:
                    assert not self._could_ring(queue, seat, interaction, expert)

    def _is_late(self, queue: Queue, seat: Seat, interaction: Interaction) -> bool:
        if interaction.live_callback is not None and seat.is_customers:
            return False
        limits = [queue.timeout_s]
        overflow = queue.overflow
        if overflow is not None and not seat.overflowed:
            called_back = overflow.to is OverflowTo.CALLBACK and seat.is_customers
            if not (called_back and interaction.caller == WITHHELD):
                limits.append(overflow.wait_s)
        return any(limit is not None and self.now >= seat.entered_at + limit for limit in limits)

    def _idle(self) -> list[Expert]:
        return [
            expert
            for expert in self.desk.experts()
            if self.desk.takes_offers(expert.user_id, self.now) and not self.desk.is_busy(expert.user_id)
        ]

    def _could_ring(self, queue: Queue, seat: Seat, interaction: Interaction, expert: Expert) -> bool:
        profile = self.desk.profile(expert.user_id)
        declined_at = seat.declined_at(expert.user_id)
        rested = declined_at is None or self.now >= declined_at + self.policy.decline_rest_s
        skilled = queue.skill_match is not SkillMatch.ALL or profile.has(queue.skills)
        shows = seat.type is MediaType.VOICE or self.desk.can_show_video(expert.user_id)
        inside = interaction.participant_of(expert.user_id) is not None
        return expert.role is queue.role and skilled and rested and shows and not inside

    def _key(self, queue: Queue, expert: Expert) -> tuple[int, float, str]:
        profile = self.desk.profile(expert.user_id)
        key = {
            Strategy.LONGEST_IDLE: 0,
            Strategy.MOST_SKILLED: -sum(profile.skills.get(name, 0) for name in queue.skills),
            Strategy.FEWEST_HANDLED: expert.handled,
        }[queue.strategy]
        return key, expert.idle_since, expert.user_id


def _wraps_up(participant: Participant) -> bool:
    return participant.state is ParticipantState.WRAP_UP
