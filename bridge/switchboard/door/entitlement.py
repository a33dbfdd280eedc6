"""What an account entitles to: the scopes of its roles, its own, and the video licence."""

from collections.abc import Iterable, Mapping, Sequence

from bridge.desk.centre.account import Account, AccountRole, Registration
from bridge.desk.centre.queue import Profile
from bridge.errors import SettingsError
from bridge.ids import UserId
from bridge.settings.user import User
from bridge.switchboard.door.principal import DESKTOP_SCOPES, EVERY_SCOPE, INTERACTION_SUPERVISE, VIDEO_USE
from bridge.switchboard.view.view import AccountView

ROLE_SCOPES: Mapping[AccountRole, frozenset[str]] = {
    AccountRole.AGENT: frozenset(DESKTOP_SCOPES),
    AccountRole.SME: frozenset(DESKTOP_SCOPES),
    AccountRole.SUPERVISOR: frozenset({*DESKTOP_SCOPES, INTERACTION_SUPERVISE}),
    AccountRole.ADMINISTRATOR: EVERY_SCOPE,
}

_READY_ROLES = (AccountRole.AGENT, AccountRole.SME)


def configured_accounts(users: Sequence[User]) -> tuple[tuple[Account, Profile], ...]:
    """The desk's values of the `[[users]]` tables. Raises SettingsError for a permission that is no scope."""
    for index, user in enumerate(users):
        require_scopes(f"users.{index}.permissions", user.permissions)
    return tuple(_configured_account(user) for user in users)


def require_scopes(key: str, scopes: Iterable[str]) -> None:
    """Raises SettingsError for what is none, at `key` of the configuration."""
    unknown = sorted(set(scopes) - EVERY_SCOPE)
    if unknown:
        known = ", ".join(sorted(EVERY_SCOPE))
        raise SettingsError(f"{key}: there is no scope {', '.join(unknown)}; there are {known}")


def _configured_account(user: User) -> tuple[Account, Profile]:
    user_id, roles = UserId(user.id), tuple(AccountRole(role) for role in user.roles)
    account = Account(user_id, user.name or user.id, roles, user.permissions, user.email, user.password_hash)
    return account, Profile(user_id, user.skills, user.video, user.capacity, user.external_ids)


def scopes_of(registration: Registration) -> frozenset[str]:
    account = registration.account
    scopes = frozenset(account.permissions).union(*(ROLE_SCOPES[role] for role in account.roles))
    return scopes if registration.profile.video else scopes - {VIDEO_USE}


def ready_roles(registration: Registration | None) -> tuple[str, ...]:
    """In which roles one may be offered calls; a user that only a token knows in each."""
    roles = _READY_ROLES if registration is None else registration.account.roles
    return tuple(role.value for role in _READY_ROLES if role in roles)


def account_view(registration: Registration) -> AccountView:
    account, profile, standing = registration.account, registration.profile, registration.standing
    return AccountView(
        user_id=account.user_id,
        name=account.name,
        email=account.email,
        roles=tuple(role.value for role in account.roles),
        permissions=account.permissions,
        scopes=tuple(sorted(scopes_of(registration))),
        skills=dict(profile.skills),
        video=profile.video,
        capacity=profile.capacity,
        external_ids=profile.external_ids,
        disabled=standing.disabled,
        has_password=bool(account.password_hash),
        configured=registration.configured,
        version=standing.version,
    )
