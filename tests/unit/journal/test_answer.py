"""Answers to an Idempotency-Key beside the events: found again, replaced, forgotten."""

from pathlib import Path

from bridge.journal.answer import JournaledAnswers, StoredAnswer
from tests.unit.journal.contract import running
from tests.unit.journal.test_journal import attached, url_of

CREATED = StoredAnswer("print", 201, b'{"a": 1}', {"ETag": '"3"'})


async def test_an_answer_is_found_by_owner_and_key(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        answers = JournaledAnswers(journal)
        await answers.write(*answers.keep("crm", "k1", CREATED, wall=100.0))
        assert await answers.find("crm", "k1", not_before=100.0) == CREATED
        assert await answers.find("other", "k1", not_before=0.0) is None
        assert await answers.find("crm", "k2", not_before=0.0) is None
        assert await answers.find("crm", "k1", not_before=100.5) is None, "too old to be an answer"


async def test_the_newer_answer_takes_the_place(tmp_path: Path) -> None:
    later = StoredAnswer("print", 409, b"{}")
    async with running(url_of(tmp_path)) as journal:
        answers = JournaledAnswers(journal)
        await answers.write(*answers.keep("crm", "k1", CREATED, wall=100.0))
        await answers.write(*answers.keep("crm", "k1", later, wall=200.0))
        assert await answers.find("crm", "k1", not_before=0.0) == later


async def test_it_is_there_after_a_restart_with_the_step_it_answers(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        writes = JournaledAnswers(journal).keep("crm", "k1", CREATED, wall=100.0)
        await journal.append([attached(1)], lambda _: None, lambda _: writes)
    async with running(url_of(tmp_path), "boot_2") as journal:
        assert len(await journal.read()) == 1
        assert await JournaledAnswers(journal).find("crm", "k1", not_before=0.0) == CREATED


async def test_old_ones_are_forgotten(tmp_path: Path) -> None:
    async with running(url_of(tmp_path)) as journal:
        answers = JournaledAnswers(journal)
        for number in (1, 2):
            await answers.write(*answers.keep("crm", f"k{number}", CREATED, wall=100.0 * number))
        await answers.forget(before=150.0)
        assert await answers.find("crm", "k1", not_before=0.0) is None
        assert await answers.find("crm", "k2", not_before=0.0) == CREATED
