"""Accounts at the switchboard: rights, and what a restart keeps of them."""

from pathlib import Path

import pytest

from bridge.desk.centre.account import Account, AccountRole
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Profile
from bridge.errors import ForbiddenError, NotAllowedError, SettingsError
from bridge.ids import UserId
from bridge.settings.user import User
from bridge.switchboard.door.entitlement import ROLE_SCOPES, configured_accounts
from bridge.switchboard.door.principal import EVERY_SCOPE, VIDEO_USE, TokenKind
from bridge.switchboard.view.event import AccountUpdated
from signaling.web.access.auth import SCOPES
from tests.unit.switchboard.theatre import ALL_SCOPES, Life, theatre, who

ADMIN = who("admin", scopes=EVERY_SCOPE)
EVE_ID = UserId("eve")
EVE_ACCOUNT = Account(EVE_ID, "Eve", (AccountRole.SME,), email="eve@example.org")


def test_the_scopes_that_are_explained_are_those_there_are() -> None:
    assert set(SCOPES) == EVERY_SCOPE
    assert set(ROLE_SCOPES) == set(AccountRole)
    assert all(scopes <= EVERY_SCOPE for scopes in ROLE_SCOPES.values())


async def test_accounts_and_who_is_disabled_survive_a_restart(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    async with theatre(life=Life(url, "boot_1")) as stage:
        await stage.board.accounts.create(ADMIN, EVE_ACCOUNT, Profile(EVE_ID, {"pay": 2}))
        await stage.board.accounts.set_password(ADMIN, EVE_ID, "$argon2id$x")
        disabled = await stage.board.accounts.disable(ADMIN, EVE_ID)
        since = stage.clock.wall()
    async with theatre(life=Life(url, "boot_2", 2000.0)) as stage:
        assert stage.board.accounts.snapshot(EVE_ID) == disabled
        assert "disabled" in stage.board.accounts.why_void(EVE_ID, stage.clock.wall(), TokenKind.OURS)
        await stage.board.accounts.enable(ADMIN, EVE_ID)
        assert "sign in again" in stage.board.accounts.why_void(EVE_ID, since - 1, TokenKind.OURS)
        assert stage.board.accounts.why_void(EVE_ID, since + 1, TokenKind.OURS) == ""
        found = stage.board.accounts.signing_in_as("EVE@example.org")
        assert found is not None
        assert found.account.password_hash == "$argon2id$x"


async def test_a_supervisor_no_more_listens_no_more() -> None:
    async with theatre() as stage:
        sue = Account(UserId("sue"), "Sue", (AccountRole.SUPERVISOR,))
        await stage.board.accounts.create(ADMIN, sue, Profile(sue.user_id))
        id_ = await stage.answered_call()
        principal = who("sue", scopes=ROLE_SCOPES[AccountRole.SUPERVISOR])
        heard = (await stage.board.transfers.supervise(principal, id_, "monitor")).participant_id
        await stage.join(principal, id_)
        await stage.board.accounts.change(ADMIN, sue.user_id, {"name": "Susan"}, {})
        assert heard in stage.hears(id_)
        await stage.board.accounts.change(ADMIN, sue.user_id, {"roles": (AccountRole.AGENT,)}, {})
        assert heard not in stage.hears(id_)
        gone = await stage.participant(id_, "supervisor")
        assert (gone.state, gone.disconnect_reason) == ("disconnected", "may not supervise any more")
        assert (await stage.participant(id_, "agent")).state == "in-session"


async def test_an_account_entitles_to_its_scopes_of_now_and_nobody_without_one_to_any() -> None:
    async with theatre() as stage:
        await stage.board.accounts.create(ADMIN, EVE_ACCOUNT, Profile(EVE_ID))
        assert stage.board.accounts.entitlement(EVE_ID) == ALL_SCOPES
        await stage.board.accounts.change(ADMIN, EVE_ID, {}, {"video": False})
        assert stage.board.accounts.entitlement(EVE_ID) == ALL_SCOPES - {VIDEO_USE}
        assert stage.board.accounts.entitlement(UserId("nobody")) == frozenset()


async def test_without_the_licence_there_is_no_scope_for_video() -> None:
    async with theatre() as stage:
        view = await stage.board.accounts.create(ADMIN, EVE_ACCOUNT, Profile(EVE_ID, video=False))
        assert VIDEO_USE not in view.scopes
        assert set(view.scopes) == ALL_SCOPES - {VIDEO_USE}


async def test_its_user_and_holders_of_user_read_are_told() -> None:
    async with theatre() as stage:
        await stage.board.accounts.create(ADMIN, EVE_ACCOUNT, Profile(EVE_ID))
        for principal, told in ((ADMIN, True), (who("eve"), True), (who("bob"), False)):
            seen = [e for e in stage.doors.seen_by(principal) if isinstance(e, AccountUpdated)]
            assert bool(seen) is told


async def test_nobody_disables_themselves_and_nobody_takes_over_more_rights() -> None:
    async with theatre() as stage:
        admin = Account(UserId("admin"), "Admin", (AccountRole.ADMINISTRATOR,))
        await stage.board.accounts.create(ADMIN, admin, Profile(admin.user_id))
        with pytest.raises(NotAllowedError, match="their own"):
            await stage.board.accounts.disable(ADMIN, admin.user_id)
        lead = who("lead", scopes=ALL_SCOPES | {"user:write"})
        with pytest.raises(ForbiddenError, match="beyond yours"):
            await stage.board.accounts.set_password(lead, admin.user_id, "$argon2id$x")


async def test_nobody_gets_more_rights_by_a_profile() -> None:
    async with theatre() as stage:
        admin = Account(UserId("admin"), "Admin", (AccountRole.ADMINISTRATOR,))
        await stage.board.accounts.create(ADMIN, admin, Profile(admin.user_id))
        lead = who("eve", scopes=ALL_SCOPES - {VIDEO_USE} | {"user:write"})
        with pytest.raises(ForbiddenError, match="beyond yours"):
            await stage.board.users.set_profile(lead, Profile(admin.user_id, external_ids=("eve-at-issuer",)))
        assert stage.board.accounts.known_as("eve-at-issuer") is None
        await stage.board.accounts.create(ADMIN, EVE_ACCOUNT, Profile(EVE_ID, video=False))
        with pytest.raises(ForbiddenError, match=VIDEO_USE):
            await stage.board.users.set_profile(lead, Profile(EVE_ID, video=True))
        await stage.board.users.set_profile(lead, Profile(EVE_ID, {"pay": 2}, video=False))
        await stage.board.users.set_profile(lead, Profile(UserId("elsewhere"), {"pay": 2}))


async def test_the_configuration_s_users_have_accounts() -> None:
    users = (User(id="ann", roles=("agent", "supervisor")), User(id="ben", permissions=("queue:write",)))
    async with theatre(DeskPolicy(accounts=configured_accounts(users))) as stage:
        page = await stage.board.accounts.list(ADMIN)
        assert [(account.user_id, account.configured) for account in page.accounts] == [
            ("ann", True),
            ("ben", True),
        ]
        assert "interaction:supervise" in page.accounts[0].scopes
        assert "queue:write" in page.accounts[1].scopes


def test_a_permission_that_is_no_scope_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=r"queue:wirte.*there are"):
        configured_accounts((User(id="ann", permissions=("queue:wirte",)),))


async def test_a_disabled_user_s_foreign_name_lets_nobody_in_either() -> None:
    async with theatre() as stage:
        await stage.board.accounts.create(ADMIN, EVE_ACCOUNT, Profile(EVE_ID, external_ids=("00uE",)))
        foreign = UserId("00uE"), stage.clock.wall() + 1.0, TokenKind.FOREIGN
        assert stage.board.accounts.why_void(*foreign) == ""
        await stage.board.accounts.disable(ADMIN, EVE_ID)
        assert stage.board.accounts.why_void(*foreign) == "the account is disabled"


async def test_a_personal_token_needs_its_account() -> None:
    async with theatre() as stage:
        void = stage.board.accounts.why_void(EVE_ID, 1.0, TokenKind.PERSONAL)
        assert void == "there is no such account any more"
        assert stage.board.accounts.why_void(EVE_ID, 1.0, TokenKind.OURS) == ""
