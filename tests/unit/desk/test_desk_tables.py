"""Every table over its whole State x Trigger product: what is not written raises, the rest leads on."""

import itertools
from enum import StrEnum

import pytest
from msgspec.structs import replace

from bridge.desk.centre import expert
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction import offer, participant, seat
from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, OfferId, ParticipantId, SeatId, UserId


def every(states: type[StrEnum], triggers: type[StrEnum]) -> list[tuple[StrEnum, StrEnum]]:
    return list(itertools.product(states, triggers))


PARTICIPANT = participant.Participant(
    ParticipantId("prt_1"), ParticipantRole.AGENT, MediaType.VOICE, joined_at=0.0
)
SEAT = seat.Seat(SeatId("seat_1"), ParticipantRole.SME, MediaType.VIDEO, opened_at=0.0)
OFFER = offer.Offer(OfferId("off_1"), InteractionId("int_1"), SEAT.seat_id, UserId("eve"), 0.0, 20.0)
EXPERT = expert.Expert(UserId("eve"), "Eve", ParticipantRole.SME, since=0.0, idle_since=0.0)


@pytest.mark.parametrize(
    ("state", "trigger"),
    every(participant.ParticipantState, participant.ParticipantTrigger),
)
def test_participant_follows_its_table(
    state: participant.ParticipantState, trigger: participant.ParticipantTrigger
) -> None:
    one = replace(PARTICIPANT, state=state)
    if (state, trigger) in participant.TRANSITIONS:
        assert one.next_state(trigger) is participant.TRANSITIONS[state, trigger]
        return
    with pytest.raises(NotAllowedError, match="prt_1"):
        one.next_state(trigger)


@pytest.mark.parametrize(("state", "trigger"), every(seat.SeatState, seat.SeatTrigger))
def test_seat_follows_its_table(state: seat.SeatState, trigger: seat.SeatTrigger) -> None:
    one = replace(SEAT, state=state)
    if (state, trigger) in seat.TRANSITIONS:
        assert one.next_state(trigger) is seat.TRANSITIONS[state, trigger]
        return
    with pytest.raises(NotAllowedError, match="seat_1"):
        one.next_state(trigger)


@pytest.mark.parametrize(("state", "trigger"), every(offer.OfferState, offer.OfferTrigger))
def test_offer_follows_its_table(state: offer.OfferState, trigger: offer.OfferTrigger) -> None:
    one = replace(OFFER, state=state)
    if (state, trigger) in offer.TRANSITIONS:
        assert one.next_state(trigger) is offer.TRANSITIONS[state, trigger]
        return
    with pytest.raises(NotAllowedError, match="off_1"):
        one.next_state(trigger)


@pytest.mark.parametrize(("state", "trigger"), every(expert.Presence, expert.PresenceTrigger))
def test_presence_follows_its_table(state: expert.Presence, trigger: expert.PresenceTrigger) -> None:
    one = replace(EXPERT, presence=state)
    if (state, trigger) in expert.TRANSITIONS:
        assert one.next_presence(trigger) is expert.TRANSITIONS[state, trigger]
        return
    with pytest.raises(NotAllowedError, match="eve"):
        one.next_presence(trigger)


def test_a_participant_can_be_disconnected_from_every_live_state() -> None:
    for state in participant.ParticipantState:
        if state is not participant.ParticipantState.DISCONNECTED:
            one = replace(PARTICIPANT, state=state)
            assert not replace(one, state=one.next_state(participant.ParticipantTrigger.DISCONNECT)).is_live


def test_an_ended_offer_stays_ended() -> None:
    for state, trigger in itertools.product(offer.OfferState, offer.OfferTrigger):
        if state is not offer.OfferState.PENDING:
            assert (state, trigger) not in offer.TRANSITIONS
