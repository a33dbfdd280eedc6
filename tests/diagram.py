"""The state machines as diagrams, made from their tables: `python -m tests.diagram` writes the files anew.

A test compares: a table that changes without its diagram fails it, and so does one that is nowhere drawn.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bridge.desk.centre import expert
from bridge.desk.interaction import callback, companion, offer, participant, seat, transfer
from bridge.transport import ice_lite
from signaling.sip.session import invite_session
from signaling.sip.transaction import transaction
from signaling.sip.trunk import trunk_state
from signaling.web import session

ROOT = Path(__file__).parents[1]

INTRODUCTION = """\
# State machines {of}

Drawn from the tables in the code, which only look things up: what is not drawn does not happen.
`python -m tests.diagram` renews this file, and a test keeps the two equal.
"""


@dataclass(frozen=True)
class Drawing:
    """A table under its title. `where` is the module, `initial` the state it begins in, None for any."""

    title: str
    where: str
    transitions: Mapping[tuple[Any, Any], Any]
    initial: Enum | None

    def text(self) -> str:
        return "\n".join([f"## {self.title}\n", f"`{self.where}`\n", "```mermaid", *self._lines(), "```", ""])

    def _lines(self) -> Iterator[str]:
        yield "stateDiagram-v2"
        states = dict.fromkeys(state for step in self._arrows() for state in step)
        for state in states:
            yield f'    state "{_words(state)}" as {state.name}'
        if self.initial is not None:
            yield f"    [*] --> {self.initial.name}"
        for (before, after), labels in self._arrows().items():
            yield f"    {before.name} --> {after.name}: {', '.join(labels)}"
        for state in states:
            if not any(before is state for before, _ in self._arrows()):
                yield f"    {state.name} --> [*]"

    def _arrows(self) -> dict[tuple[Enum, Enum], list[str]]:
        """One arrow between two states, whatever leads along it."""
        arrows: dict[tuple[Enum, Enum], list[str]] = {}
        for (before, event), found in self.transitions.items():
            after, actions = found if isinstance(found, tuple) else (found, ())
            done = f" ({' + '.join(map(_words, actions))})" if actions else ""
            arrows.setdefault((before, after), []).append(_words(event) + done)
        return arrows


def _words(value: Enum) -> str:
    return value.value if isinstance(value.value, str) else value.name.lower().replace("_", " ")


PAGES: dict[str, tuple[str, tuple[Drawing, ...]]] = {
    "bridge/desk/STATES.md": (
        "of the desk",
        (
            Drawing(
                "Participant",
                "bridge/desk/interaction/participant.py",
                participant.TRANSITIONS,
                participant.ParticipantState.NOT_IN_QUEUE,
            ),
            Drawing("Seat", "bridge/desk/interaction/seat.py", seat.TRANSITIONS, seat.SeatState.OPEN),
            Drawing("Offer", "bridge/desk/interaction/offer.py", offer.TRANSITIONS, offer.OfferState.PENDING),
            Drawing(
                "Callback",
                "bridge/desk/interaction/callback.py",
                callback.TRANSITIONS,
                callback.CallbackState.WAITING,
            ),
            Drawing("Transfer", "bridge/desk/interaction/transfer.py", transfer.TRANSITIONS, None),
            Drawing("Presence of a user", "bridge/desk/centre/expert.py", expert.TRANSITIONS, None),
            Drawing(
                "Companion link",
                "bridge/desk/interaction/companion.py",
                companion.TRANSITIONS,
                companion.LinkState.OPEN,
            ),
        ),
    ),
    "bridge/transport/STATES.md": (
        "of the transport",
        (Drawing("ICE-lite", "bridge/transport/ice_lite.py", ice_lite.TRANSITIONS, ice_lite.State.WAITING),),
    ),
    "signaling/sip/STATES.md": (
        "of SIP",
        (
            Drawing(
                "Trunk",
                "signaling/sip/trunk/trunk_state.py",
                trunk_state.TRUNK_TRANSITIONS,
                trunk_state.TrunkState.UNKNOWN,
            ),
            Drawing("Call", "signaling/sip/session/invite_session.py", invite_session.CALL_TRANSITIONS, None),
            Drawing(
                "Offer/answer exchange",
                "signaling/sip/session/invite_session.py",
                invite_session.EXCHANGE_TRANSITIONS,
                invite_session.ExchangeState.IDLE,
            ),
            *(
                Drawing(
                    f"Transaction: {machine.name}",
                    "signaling/sip/transaction/transaction.py",
                    machine.transitions,
                    machine.initial,
                )
                for machine in transaction.MACHINES
            ),
        ),
    ),
    "signaling/web/STATES.md": (
        "of the web door",
        (
            Drawing(
                "Websocket session", "signaling/web/session.py", session.TRANSITIONS, session.State.STRANGER
            ),
        ),
    ),
}


def page(path: str) -> str:
    of, drawings = PAGES[path]
    return "\n".join([INTRODUCTION.format(of=of), *(drawing.text() for drawing in drawings)])


def main() -> int:
    for path in PAGES:
        (ROOT / path).write_text(page(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
