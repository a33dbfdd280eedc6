"""Accounts: who may be made, changed, disabled; and what becomes of the call a disabled user is in."""

from typing import Any

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.account import Account, AccountRole, Directory
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Profile
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.desk import Desk
from bridge.desk.interaction.participant import ParticipantState
from bridge.errors import CapacityError, ConflictError, NotAllowedError, NotFoundError
from bridge.ids import IdSource, UserId
from tests.unit.desk.house import ALICE, BOB, EVE, House

BY = "admin"


def account(user_id: UserId, *roles: AccountRole, **more: Any) -> Account:
    return Account(user_id, user_id.title(), roles or (AccountRole.AGENT,), **more)


def create(house: House, user_id: UserId, *roles: AccountRole, **more: Any) -> None:
    house.step(commands.CreateAccount(account(user_id, *roles, **more), Profile(user_id), BY))


def change(house: House, user_id: UserId, **changes: Any) -> None:
    house.step(commands.ChangeAccount(user_id, changes, {}, BY))


def disable(house: House, user_id: UserId) -> None:
    house.step(commands.DisableAccount(user_id, 5000.0, BY))


def test_an_account_is_made_once_and_changed_field_by_field() -> None:
    house = House()
    create(house, ALICE, email="alice@example.org")
    with pytest.raises(ConflictError, match="alice already"):
        create(house, ALICE)
    before = house.desk.registration(ALICE).standing.version
    house.step(commands.ChangeAccount(ALICE, {"name": "A."}, {"skills": {"pay": 3}}, BY))
    found = house.desk.registration(ALICE)
    assert (found.account.name, found.account.email) == ("A.", "alice@example.org")
    assert found.profile.skills == {"pay": 3}
    assert found.standing.version > before
    assert house.step(commands.ChangeAccount(ALICE, {"name": "A."}, {}, BY)) == ()


def test_an_address_and_an_external_id_name_one_user() -> None:
    house = House()
    create(house, ALICE, email="alice@example.org")
    with pytest.raises(ConflictError, match="e-mail"):
        create(house, BOB, email="Alice@Example.org")
    house.step(commands.ChangeAccount(ALICE, {}, {"external_ids": ("00uA",)}, BY))
    create(house, BOB)
    with pytest.raises(ConflictError, match="00uA"):
        house.step(commands.ChangeAccount(BOB, {}, {"external_ids": ("00uA",)}, BY))
    assert house.desk.account_with_email("ALICE@example.org") == house.desk.registration(ALICE).account
    assert house.desk.user_named("00uA") == ALICE


def test_what_makes_no_account() -> None:
    house = House(DeskPolicy(accounts_max=1))
    with pytest.raises(NotAllowedError, match="role"):
        house.step(commands.CreateAccount(Account(ALICE, "Alice", ()), Profile(ALICE), BY))
    create(house, ALICE)
    with pytest.raises(CapacityError):
        create(house, BOB)
    with pytest.raises(NotFoundError):
        change(house, EVE, name="E.")
    with pytest.raises(NotFoundError):
        disable(house, EVE)


def test_the_configuration_s_word_is_changed_there_only_but_can_be_disabled() -> None:
    configured = (account(ALICE), Profile(ALICE, {"pay": 2}, external_ids=("00uA",)))
    house = House(DeskPolicy(accounts=(configured,)))
    found = house.desk.registration(ALICE)
    assert found.configured
    assert found.profile.skills == {"pay": 2}
    assert house.desk.user_named("00uA") == ALICE
    refused: tuple[commands.DeskCommand, ...] = (
        commands.ChangeAccount(ALICE, {"name": "A."}, {}, BY),
        commands.SetPassword(ALICE, "$argon2id$", 1.0, BY),
        commands.SetProfile(Profile(ALICE), BY),
    )
    for command in refused:
        with pytest.raises(NotAllowedError, match="configuration"):
            house.step(command)
    with pytest.raises(ConflictError):
        create(house, ALICE)
    with pytest.raises(ConflictError, match="00uA"):
        house.step(commands.CreateAccount(account(BOB), Profile(BOB, external_ids=("00uA",)), BY))
    disable(house, ALICE)
    assert house.desk.registration(ALICE).standing.disabled


def test_an_account_taken_out_of_the_configuration_is_none_any_more() -> None:
    house = House(DeskPolicy(accounts=((account(ALICE), Profile(ALICE)),)))
    disable(house, ALICE)
    again = Desk(DeskPolicy(), IdSource(lambda size: "0" * size))
    again.restore(house.desk.snapshot())
    with pytest.raises(NotFoundError):
        again.registration(ALICE)
    assert again.accounts() == ()


def test_a_snapshot_and_the_events_keep_accounts_and_their_standing() -> None:
    house = House()
    create(house, ALICE)
    house.step(commands.SetPassword(ALICE, "$argon2id$x", 4000.0, BY))
    disable(house, ALICE)
    restored, replayed = (Desk(DeskPolicy(), IdSource(lambda size: "0" * size)) for _ in range(2))
    restored.restore(house.desk.snapshot())
    replayed.replay(house.journal)
    for desk in (restored, replayed):
        assert desk.registration(ALICE) == house.desk.registration(ALICE)
    standing = restored.registration(ALICE).standing
    assert (standing.disabled, standing.tokens_from) == (True, 5000.0)


def test_a_password_s_hash_is_in_no_printed_value() -> None:
    house = House()
    create(house, ALICE)
    (event,) = house.step(commands.SetPassword(ALICE, "$argon2id$secret", 1.0, BY))
    command = commands.SetPassword(ALICE, "$argon2id$secret", 1.0, BY)
    shown = (event, command, house.desk.registration(ALICE), house.desk.snapshot())
    assert not any("$argon2id$secret" in repr(value) for value in shown)


def test_a_user_takes_offers_in_a_role_the_account_has() -> None:
    house = House()
    create(house, ALICE, AccountRole.AGENT)
    with pytest.raises(NotAllowedError, match="cannot be ready as sme"):
        house.ready_expert(ALICE)
    house.ready(ALICE)
    assert house.desk.takes_offers(ALICE, house.now)
    change(house, ALICE, roles=(AccountRole.SUPERVISOR,))
    with pytest.raises(NotAllowedError):
        house.ready(ALICE)
    house.step(commands.SetPresence(ALICE, "Alice", ParticipantRole.AGENT, Presence.AWAY))


def test_who_loses_the_role_while_it_rings_is_rung_no_more_and_the_caller_goes_to_the_next() -> None:
    house = House()
    create(house, ALICE)
    house.ready(ALICE)
    house.call()
    assert house.offer_to(ALICE) is not None
    house.ready(BOB)
    change(house, ALICE, roles=(AccountRole.SUPERVISOR,))
    assert house.offer_to(ALICE) is None
    assert house.offer_to(BOB) is not None
    assert house.desk.expert(ALICE).presence is Presence.AWAY
    change(house, ALICE, roles=(AccountRole.AGENT,))
    house.ready(ALICE)
    assert house.desk.takes_offers(ALICE, house.now)


def test_who_loses_the_role_in_a_call_goes_on_with_it() -> None:
    house = House()
    create(house, ALICE)
    id_ = house.answered_call()
    change(house, ALICE, roles=(AccountRole.SUPERVISOR,))
    house.pass_time(60)
    assert house.participant(id_, ALICE).is_present


def test_who_comes_back_to_a_configuration_with_another_role_is_rung_in_the_old_one_no_more() -> None:
    house = House(DeskPolicy(accounts=((account(ALICE), Profile(ALICE)),)))
    house.ready(ALICE)
    again = House(DeskPolicy(accounts=((account(ALICE, AccountRole.SME), Profile(ALICE)),)))
    again.desk.restore(house.desk.snapshot())
    again.step(commands.Restart(frozenset()))
    again.step(commands.ReturnDesktop(ALICE))
    again.call()
    assert again.offer_to(ALICE) is None


def test_what_rings_at_a_disabled_user_goes_to_the_next_at_once() -> None:
    house = House()
    create(house, ALICE)
    house.ready(ALICE)
    house.call()
    house.pass_time(1.0)
    house.ready(BOB)
    assert house.offer_to(ALICE) is not None
    disable(house, ALICE)
    assert house.offer_to(ALICE) is None
    assert house.offer_to(BOB) is not None
    with pytest.raises(NotAllowedError, match="disabled"):
        house.ready(ALICE)


def test_the_call_of_a_disabled_user_goes_on_and_then_its_customer_is_handed_over() -> None:
    house = House()
    create(house, ALICE)
    id_ = house.answered_call()
    house.ready(BOB)
    disable(house, ALICE)
    house.step(commands.LoseDesktop(ALICE))  # as the door says, once the socket is closed
    house.step(commands.ReturnDesktop(ALICE))  # a command that was on its way changes nothing
    (customer,) = house.desk.interaction(id_).customers()
    assert customer.state is ParticipantState.IN_SESSION
    house.pass_time(house.policy.reconnect_grace_s + 0.1)
    interaction = house.desk.interaction(id_)
    assert interaction.ended_at is None
    assert interaction.participant_of(ALICE) is None
    (customer,) = interaction.customers()
    assert customer.state is ParticipantState.QUEUED
    assert house.offer_to(BOB) is not None
    out = next(p for p in interaction.participants if p.user_id == ALICE)
    assert out.disconnect_reason == "the account was disabled"


def test_disabling_while_the_desktop_is_lost_does_not_give_it_more_time() -> None:
    house = House()
    create(house, ALICE)
    id_ = house.answered_call()
    house.step(commands.LoseDesktop(ALICE))
    house.pass_time(6.0)
    disable(house, ALICE)
    house.pass_time(4.1)
    assert house.desk.interaction(id_).participant_of(ALICE) is None


def test_disabling_twice_is_once_and_enabling_leaves_old_tokens_void() -> None:
    house = House()
    create(house, ALICE)
    disable(house, ALICE)
    assert house.step(commands.DisableAccount(ALICE, 9000.0, BY)) == ()
    (event,) = house.step(commands.EnableAccount(ALICE, BY))
    assert isinstance(event, events.AccountEnabled)
    assert house.step(commands.EnableAccount(ALICE, BY)) == ()
    standing = house.desk.registration(ALICE).standing
    assert (standing.disabled, standing.tokens_from) == (False, 5000.0)


def test_accounts_are_listed_by_user_id() -> None:
    directory = Directory()
    for user_id in (EVE, ALICE, BOB):
        directory.put(account(user_id))
    assert [found.user_id for found in directory.all()] == sorted((EVE, ALICE, BOB))


def test_an_address_follows_its_account() -> None:
    directory = Directory()
    directory.put(account(ALICE, email="one@example.org"))
    directory.put(account(ALICE, email="Two@example.org"))
    directory.put(account(BOB, email="one@example.org"))
    assert directory.with_email("ONE@example.org") == directory.find(BOB)
    assert directory.with_email("two@example.org") == directory.find(ALICE)
    directory.put(account(BOB))
    assert directory.with_email("one@example.org") is None
    assert directory.with_email("") is None


def test_an_address_of_the_configuration_is_nobody_else_s() -> None:
    configured = Directory()
    configured.configure([(account(ALICE, email="one@example.org"), Profile(ALICE))])
    configured.put(account(BOB, email="one@example.org"))  # made before the configuration said so
    assert configured.with_email("one@example.org") == configured.find(ALICE)
