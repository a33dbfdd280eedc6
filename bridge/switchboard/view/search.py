"""Finding interactions: which of them, in which order, from where on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.desk.interaction.interaction import Interaction, InteractionState
from bridge.errors import NotAllowedError
from bridge.switchboard.view.cursor import FOREIGN, make_cursor, parse_cursor
from bridge.switchboard.view.view import InteractionView

LIVE = ("waiting", "in-progress")
PAGE_MAX = 200


@dataclass(frozen=True)
class InteractionFilter:
    """What to look for: everything that is set must hold. `user_id` took or takes part."""

    states: tuple[str, ...] = LIVE
    caller: str = ""
    called: str = ""
    user_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def matches(self, interaction: Interaction) -> bool:
        return (
            interaction.state in self.states
            and self.caller in ("", interaction.caller)
            and self.called in ("", interaction.called)
            and (not self.user_id or any(p.user_id == self.user_id for p in interaction.participants))
            and all(interaction.attributes.get(name) == value for name, value in self.attributes.items())
        )


EVERY_STATE = tuple(state.value for state in InteractionState)
STATES = {"live": LIVE, "any": EVERY_STATE}  # words for several states


@dataclass(frozen=True)
class InteractionPage:
    """`next_cursor` is "" on the last page."""

    interactions: tuple[InteractionView, ...]
    next_cursor: str


def page_of(
    interactions: Iterable[Interaction], cursor: str, limit: int
) -> tuple[Sequence[Interaction], str]:
    """Newest first. What opens meanwhile stands before the first page and shifts no later one."""
    ordered = sorted(interactions, key=_place, reverse=True)
    if cursor:
        after = _parse_place(cursor)
        ordered = [interaction for interaction in ordered if _place(interaction) < after]
    page = ordered[: max(1, min(limit, PAGE_MAX))]
    return page, _cursor(page[-1]) if len(page) < len(ordered) else ""


def _place(interaction: Interaction) -> tuple[float, str]:
    return interaction.created_at, interaction.interaction_id


def _cursor(interaction: Interaction) -> str:
    return make_cursor(json.dumps(_place(interaction)))


def _parse_place(cursor: str) -> tuple[float, str]:
    try:
        at, interaction_id = json.loads(parse_cursor(cursor))
        return float(at), str(interaction_id)
    except (ValueError, TypeError, OverflowError):
        raise NotAllowedError(FOREIGN) from None
