"""What the events of accounts do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace
from bridge.ids import UserId


def note_change(state: DeskState, user_id: UserId, **changes: Any) -> None:
    """One more version of the account."""
    was = state.directory.standing(user_id)
    state.directory.standings[user_id] = replace(was, version=was.version + 1, **changes)


def _account_set(state: DeskState, event: events.AccountSet) -> None:
    state.directory.put(event.account)
    note_change(state, event.user_id)


def _password_set(state: DeskState, event: events.PasswordSet) -> None:
    was = state.directory.accounts[event.user_id]
    state.directory.put(replace(was, password_hash=event.password_hash))
    note_change(state, event.user_id, tokens_from=event.wall)


def _account_disabled(state: DeskState, event: events.AccountDisabled) -> None:
    note_change(state, event.user_id, disabled=True, tokens_from=event.wall)


def _account_enabled(state: DeskState, event: events.AccountEnabled) -> None:
    note_change(state, event.user_id, disabled=False)


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.AccountSet: _account_set,
    events.PasswordSet: _password_set,
    events.AccountDisabled: _account_disabled,
    events.AccountEnabled: _account_enabled,
}
