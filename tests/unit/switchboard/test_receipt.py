"""A receipt belongs to the task of its request, and to nobody else."""

import asyncio
from collections.abc import Sequence

import pytest

from bridge.journal.schema import Write
from bridge.switchboard.door.receipt import current_receipt, receipt_for


class Answer:
    def writes(self, *, changed: bool) -> Sequence[Write]:
        return ()


def test_it_is_there_inside_the_block_only() -> None:
    outer, inner = Answer(), Answer()
    assert current_receipt() is None
    with receipt_for(outer):
        assert current_receipt() is outer
        with receipt_for(inner):
            assert current_receipt() is inner
        assert current_receipt() is outer
        with receipt_for(None):
            assert current_receipt() is None, "a request without a key, made within another one"
    assert current_receipt() is None


def test_it_ends_with_a_block_that_fails() -> None:
    with pytest.raises(ZeroDivisionError), receipt_for(Answer()):
        raise ZeroDivisionError
    assert current_receipt() is None


async def test_tasks_at_the_same_time_do_not_see_each_others() -> None:
    both = asyncio.Barrier(2)

    async def carry_out(receipt: Answer | None) -> bool:
        with receipt_for(receipt):
            await both.wait()
            return current_receipt() is receipt

    assert all(await asyncio.gather(carry_out(Answer()), carry_out(None)))
