"""JOURNAL.md says what is in the journal: every table, column, event and field."""

from pathlib import Path

from bridge import journal
from bridge.journal.document import TABLES, document
from bridge.journal.schema import METADATA


def test_the_document_is_what_the_code_says() -> None:
    """To renew it: python -m bridge.journal.document > bridge/journal/JOURNAL.md."""
    assert (Path(journal.__path__[0]) / "JOURNAL.md").read_text() == document()


def test_every_table_is_explained() -> None:
    assert set(TABLES) == set(METADATA.tables)
