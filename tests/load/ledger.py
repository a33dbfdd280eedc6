"""What callers and clients were told, and what the API says afterwards: the two are compared, nothing else.

Nothing here reads the journal: a promise is a 200 OK, a reply or an event that arrived at somebody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

RESTART = "bridge.restart"
NOTE = "note"  # the attribute that the commands of the test count up
Interaction = dict[str, Any]


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Call:
    """One phone's call, as the phone saw it."""

    caller: str
    answered: bool = False  # the phone got its 200
    refused: bool = False  # ... or another final response, or none
    unanswered: bool = False  # none
    hung_up: bool = False  # by the phone: from here on nothing is owed to it


@dataclass
class Told:
    """One interaction, as clients were told of it."""

    interaction_id: str
    caller: str
    created_at: float
    state: str
    noted: int = 0  # the last note a reply confirmed
    sent: int = 0  # the last note that was asked for


@dataclass
class Findings:
    """What one restart, or all of them, did to the promises."""

    lost: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)  # of requests with an Idempotency-Key
    unanswered: list[str] = field(default_factory=list)  # INVITEs that never got a final response
    clock_error_ms: float = 0.0

    def add(self, other: "Findings") -> None:
        self.lost += other.lost
        self.order += other.order
        self.notes += other.notes
        self.answers += other.answers
        self.unanswered += other.unanswered
        self.clock_error_ms = max(self.clock_error_ms, other.clock_error_ms)


class Ledger:
    """Told by phones and clients while the bridge lives; asked after each restart."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.told: dict[str, Told] = {}

    # --- while the bridge lives ---------------------------------------------------------------------------

    def receive_event(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "interactionUpdated":
            self.receive_interaction(event["interaction"])

    def receive_interaction(self, interaction: Interaction) -> None:
        id_, at = interaction["interactionId"], instant(interaction["createdAt"])
        told = self.told.setdefault(id_, Told(id_, interaction["caller"], at, ""))
        told.state = interaction["state"]

    def waiting(self) -> list[Told]:
        """Who waits, in the order of the queue, as far as was told."""
        waiting = [told for told in self.told.values() if told.state == "waiting"]
        return sorted(waiting, key=lambda told: told.created_at)

    # --- after a restart ----------------------------------------------------------------------------------

    def compare(self, found: Mapping[str, Interaction | None]) -> Findings:
        """`found` is what the API says of each interaction it was asked for; None: it knows none."""
        findings = Findings()
        for id_, interaction in found.items():
            told = self.told.get(id_)
            if told is not None:
                self._compare_one(findings, told, interaction)
        self._compare_order(findings, found)
        self._compare_calls(findings, found.values())
        return findings

    def _compare_one(self, findings: Findings, told: Told, interaction: Interaction | None) -> None:
        if interaction is None:
            findings.lost.append(f"{told.interaction_id} of {told.caller} is not known any more")
            return
        off_ms = abs(instant(interaction["createdAt"]) - told.created_at) * 1000
        findings.clock_error_ms = max(findings.clock_error_ms, round(off_ms, 3))
        note = int(interaction["attributes"].get(NOTE, "0"))
        if not told.noted <= note <= told.sent:
            findings.notes.append(
                f"{told.interaction_id}: note {note}, confirmed was {told.noted}, asked for {told.sent}"
            )
        call = self.calls.get(told.caller)
        owed = call is not None and call.answered and not call.hung_up
        if interaction["state"] == "ended" and told.state != "ended" and owed:
            findings.lost.append(f"{told.interaction_id} of {told.caller} ended: {interaction['endReason']}")

    def _compare_order(self, findings: Findings, found: Mapping[str, Interaction | None]) -> None:
        before = [told.interaction_id for told in self.waiting()]
        after = [i for i in found.values() if i is not None and i["interactionId"] in before]
        waiting = [i for i in after if i["state"] == "waiting"]
        # What is told of instants is rounded to milliseconds (`Portraits.wall`), and the offset of the wall clock is
        # measured anew after a restart. Rounding keeps order but for ties, so a tie is all that may come or go.
        waiting.sort(key=lambda i: (instant(i["createdAt"]), before.index(i["interactionId"])))
        ids = [i["interactionId"] for i in waiting]
        kept = [id_ for id_ in before if id_ in ids]
        findings.order += [
            f"{was} before, {is_} now" for was, is_ in zip(kept, ids, strict=True) if was != is_
        ]

    def _compare_calls(self, findings: Findings, found: Iterable[Interaction | None]) -> None:
        known = {i["caller"] for i in found if i is not None}
        for call in self.calls.values():
            if call.unanswered and not call.hung_up:
                findings.unanswered.append(f"the INVITE of {call.caller} never got a final response")
                call.hung_up = True
            if call.answered and not call.hung_up and call.caller not in known:
                findings.lost.append(f"the call of {call.caller}, who was answered, has no interaction")
