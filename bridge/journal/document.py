"""JOURNAL.md, made from the code: `python -m bridge.journal.document > bridge/journal/JOURNAL.md`.

A test keeps the file equal to what this writes, so an event that is added is documented or the test fails.
"""

import inspect
import re
from collections.abc import Iterator

from bridge.journal.record import event_types
from bridge.journal.schema import METADATA

INTRODUCTION = """\
# The journal

What the desk knows is a fold over its events. Every accepted event is on disk here before anybody sees it; after
`kill -9` the newest snapshot and the events behind it give the state back. One process writes, in group commits: the
events of a step, and whatever must be true if and only if they are (an answer to an `Idempotency-Key`, a webhook's
delivery, a task of the outbox, what a door must know of a leg), are one transaction.

- SQLite in WAL mode by default, PostgreSQL by `journal.url`. `migrations/versions` makes the tables; they are
  brought up to date when the journal is opened.
- Instants (`at` and all fields in `_at`, `_by`, `_since`) are seconds since 1970 on the desk's own clock, which is
  monotonic within a process and goes on where the last process ended: two of them can always be compared. Columns
  called `wall` are what the wall clock showed.
- A database that is away, locked or full is waited for (`journal.patience_s`): the same transaction is tried again, and
  where the word that it was done got lost, what stands there already is known by number and `boot_id`. What lasts
  longer, or does not pass by itself, ends the process.
- One bridge to a journal. Beside an SQLite file lies a lock; on PostgreSQL the session that writes has an advisory lock
  (of the database, and the schema within it), which every new connection takes again before its first commit. It ends
  a session of its own boot that the server still takes for alive; where another bridge has the lock by then, it stops.
  A pooler between must keep sessions (no transaction pooling).
- Rows older than `journal.retention_days` are taken out, but never events after the newest snapshot nor those of
  open interactions.
- `body` of a row of events is a JSON array of pairs: an event's name, and an object with its fields. An event whose
  name the bridge does not know stops the start.
"""

TABLES = {
    "boots": "One row for each start. `boot_id` is also what `authenticate` tells a desktop.",
    "events": "What happened, in order. Events are numbered on over all starts; a row holds those of one step in a row"
    " that are about the same interaction, the first of them `number`, `event_count` in all. `interaction_id` is null"
    " for what is about users or queues.",
    "flow_definitions": "Each version of a flow that ever began, as JSON, by the SHA-256 of its body: in the place of"
    " `flow`, `FlowStarted` has the digest. They stay: there are as many as changes to the flows' files.",
    "snapshots": "The desk's whole state after event `number`, as JSON. One every 20,000 events; the newest two stay.",
    "leg_memories": "What `owner` must know of a leg to take it up again: `sip` the dialog, and the 200 until its ACK;"
    " `switchboard` what was agreed in SDP. Written before the 200 leaves, when the ACK came and at each re-INVITE;"
    " removed with the call.",
    "outbox": "Work for the world outside (a webhook's delivery, a notification, a dial), from the commit of its event"
    " until it was done; `dead` is 1 when it was given up. Tasks of one `lane` are done in order.",
    "idempotency_answers": "What was answered to a request with an `Idempotency-Key`, to be answered again."
    " `fingerprint` is that of the request.",
    "webhook_subscriptions": "Who is told of events by HTTP.",
}


def document() -> str:
    """The whole text."""
    return "\n".join([INTRODUCTION, *_tables(), *_events()])


def _tables() -> Iterator[str]:
    yield "## Tables\n"
    for name, table in sorted(METADATA.tables.items()):
        yield f"### {name}\n"
        yield TABLES.get(name, "") + "\n"
        yield "| column | type | |"
        yield "|---|---|---|"
        for column in table.columns:
            key = "primary key" if column.primary_key else "may be null" if column.nullable else ""
            kind = str(column.type).lower()
            yield f"| `{column.name}` | {kind} | {key} |"
        yield ""


def _events() -> Iterator[str]:
    yield "## Events\n"
    yield "| event | fields | |"
    yield "|---|---|---|"
    for event_type in event_types():
        fields = ", ".join(f"`{name}`" for name in event_type.__struct_fields__)
        yield f"| `{event_type.__name__}` | {fields} | {_said(event_type)} |"


def _said(event_type: type) -> str:
    """The docstring in one line."""
    text = inspect.cleandoc(event_type.__doc__ or "")
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201
