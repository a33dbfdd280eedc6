"""Changed copies of values."""

import dataclasses

import pytest

from bridge.desk.offer import Offer
from bridge.desk.value import replace
from bridge.ids import InteractionId, OfferId, SeatId, UserId

OFFER = Offer(OfferId("off_1"), InteractionId("int_1"), SeatId("seat_1"), UserId("eve"), 1.0, 21.0)


def test_a_changed_copy_is_what_dataclasses_would_make() -> None:
    assert replace(OFFER, expires_at=30.0) == dataclasses.replace(OFFER, expires_at=30.0)
    assert OFFER.expires_at == 21.0
    assert hash(replace(OFFER)) == hash(OFFER)


def test_a_field_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="Offer has no color"):
        replace(OFFER, color="red")
