"""Steps on accounts: making and changing them, letting nobody in, and letting in again."""

from bridge.desk import commands, events
from bridge.desk.centre.account import Account
from bridge.desk.centre.expert import Expert, PresenceTrigger
from bridge.desk.centre.queue import Profile
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.step import Step
from bridge.desk.value import replace
from bridge.desk.work.presence import ACCOUNT_DISABLED, keep_to_roles
from bridge.desk.work.queue_admin import check_profile
from bridge.desk.work.readiness import void_proof
from bridge.desk.work.seating import return_offer
from bridge.errors import CapacityError, ConflictError, NotAllowedError
from bridge.ids import UserId


def create_account(step: Step, command: commands.CreateAccount) -> None:
    account, profile = command.account, command.profile
    directory = step.state.directory
    if directory.find(account.user_id) is not None:
        raise ConflictError(f"there is an account {account.user_id} already")
    if len(directory.accounts) >= step.policy.accounts_max:
        raise CapacityError(f"there are {step.policy.accounts_max} accounts already")
    _check(step, account, profile)
    _set(step, account, profile, command.by)
    keep_to_roles(step, account.user_id)  # who was ready without an account


def change_account(step: Step, command: commands.ChangeAccount) -> None:
    """What the command does not name stays as it is."""
    _require_ours(step, command.user_id)
    was = step.state.directory.account(command.user_id)
    account = replace(was, **command.account_changes)
    profile = replace(step.state.profile(command.user_id), **command.profile_changes)
    _check(step, account, profile)
    _set(step, account, profile, command.by)
    keep_to_roles(step, command.user_id)


def set_password(step: Step, command: commands.SetPassword) -> None:
    """Tokens from before are void: whoever knew the old password has none any more."""
    _require_ours(step, command.user_id)
    step.state.directory.account(command.user_id)
    step.record(
        events.PasswordSet(step.now, command.user_id, command.password_hash, command.wall, command.by)
    )


def disable_account(step: Step, command: commands.DisableAccount) -> None:
    """Nothing is offered any more and what rings is taken back. A call the user is in goes on for as long as a
    lost desktop may take to return; then its customer is handed over as after any other loss."""
    directory, user_id = step.state.directory, command.user_id
    directory.account(user_id)
    if directory.is_disabled(user_id):
        return
    expert = step.state.experts.get(user_id)
    if expert is not None:
        _take_off_work(step, expert)
    # Last, because a door that hears of it says no more to this user.
    step.record(events.AccountDisabled(step.now, user_id, command.wall, command.by))


def _take_off_work(step: Step, was: Expert) -> None:
    user_id, presence = was.user_id, was.next_presence(PresenceTrigger.GO_OFFLINE)
    if presence is not was.presence:
        step.record(events.PresenceChanged(step.now, user_id, was.name, was.role, presence, ACCOUNT_DISABLED))
    if step.state.engagements_of(user_id):
        step.record(events.DesktopLost(step.now if was.lost_at is None else was.lost_at, user_id))
    void_proof(step, user_id, ACCOUNT_DISABLED)
    offer = step.state.offer_to(user_id)
    if offer is not None:
        return_offer(step, offer, OfferTrigger.RESCIND, SYSTEM, ACCOUNT_DISABLED)


def enable_account(step: Step, command: commands.EnableAccount) -> None:
    """Tokens from before stay void: the user signs in again."""
    step.state.directory.account(command.user_id)
    if step.state.directory.is_disabled(command.user_id):
        step.record(events.AccountEnabled(step.now, command.user_id, command.by))


def _require_ours(step: Step, user_id: UserId) -> None:
    if user_id in step.state.directory.configured:
        raise NotAllowedError(f"{user_id} stands in the configuration: change it there")


def _check(step: Step, account: Account, profile: Profile) -> None:
    if not account.roles:
        raise NotAllowedError("an account without a role could do nothing: disable it instead")
    other = step.state.directory.with_email(account.email) if account.email else None
    if other is not None and other.user_id != account.user_id:
        raise ConflictError(f"{other.user_id} has this e-mail address already")
    check_profile(step, profile)


def _set(step: Step, account: Account, profile: Profile, by: str) -> None:
    if step.state.directory.find(account.user_id) != account:
        step.record(events.AccountSet(step.now, account.user_id, account, by))
    if step.state.profile(account.user_id) != profile:
        step.record(events.ProfileSet(step.now, account.user_id, profile, by))
