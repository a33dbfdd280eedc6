"""The answer to a request, made in the middle of its step so that it is a row of the step's commit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from bridge.journal.schema import Write


class Receipt(Protocol):
    """Asked right after the desk's step of a request, before anything else can happen to the desk."""

    def writes(self, *, changed: bool) -> Sequence[Write]:
        """What keeps the answer. `changed` is whether the step had events."""
        ...


# The one piece of state that follows a request on its way down without being an argument of every method:
# only the ledger, at the bottom, knows the moment.
_RECEIPT: ContextVar[Receipt | None] = ContextVar("receipt", default=None)


def current_receipt() -> Receipt | None:
    """The receipt of the request this task carries out."""
    return _RECEIPT.get()


@contextmanager
def receipt_for(receipt: Receipt | None) -> Iterator[None]:
    """The steps of this task inside the block answer to `receipt`."""
    token = _RECEIPT.set(receipt)
    try:
        yield
    finally:
        _RECEIPT.reset(token)
