"""Values that never change, and how they show themselves."""

import pytest

from bridge.desk.centre.account import Account
from bridge.desk.interaction.offer import Offer
from bridge.desk.value import replace
from bridge.ids import InteractionId, OfferId, SeatId, UserId

OFFER = Offer(OfferId("off_1"), InteractionId("int_1"), SeatId("seat_1"), UserId("eve"), 1.0, 21.0)


def test_a_changed_copy_leaves_the_value_as_it_was() -> None:
    later = replace(OFFER, expires_at=30.0)
    assert (later.expires_at, OFFER.expires_at) == (30.0, 21.0)
    assert replace(later, expires_at=21.0) == OFFER
    assert hash(replace(OFFER)) == hash(OFFER)


def test_a_field_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="color"):
        replace(OFFER, color="red")


def test_nothing_of_a_value_can_be_set() -> None:
    with pytest.raises(AttributeError):
        OFFER.expires_at = 30.0  # type: ignore[misc]


def test_a_value_shows_all_but_its_secret() -> None:
    shown = repr(Account(UserId("eve"), "Eve", password_hash="$argon2id$hush"))
    assert shown.startswith("Account(user_id='eve', name='Eve', roles=(")
    assert "hush" not in shown
    assert "password_hash" not in shown
