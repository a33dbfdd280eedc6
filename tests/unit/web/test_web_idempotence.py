"""Idempotency-Key: what is kept, and that it is kept with what it tells of, whenever the process ends."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response

from bridge.clock import ManualClock
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.desk import Desk
from bridge.errors import ParseError
from bridge.ids import IdSource, InteractionId
from bridge.journal.answer import JournaledAnswers
from bridge.journal.journal import Journal
from bridge.switchboard.door.receipt import receipt_for
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.wiring import SwitchboardPolicy
from signaling.web.http.problem import InFlightError, ReusedKeyError
from signaling.web.rest.idempotence import Idempotence, PendingAnswer
from tests.unit.switchboard.theatre import ALICE, READY, SOUNDS, Theatre, WrittenPlane

Work = Callable[[PendingAnswer], Awaitable[Response]]


class Process:
    """One life of the bridge on a file; `kill` ends it as kill -9 would."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.journal = Journal(f"sqlite+aiosqlite:///{path}", clock, f"boot_{id(self)}")
        self.clock = clock
        self.idempotence = Idempotence(JournaledAnswers(self.journal), clock, 3600.0)
        self.carried_out = 0
        self._names = iter(range(1, 10_000))
        self._running: asyncio.Task[None] | None = None

    def _hex(self, size: int) -> str:
        return f"{next(self._names):0{2 * size}x}"[-2 * size :]

    async def start(self) -> Theatre:
        await self.journal.open()
        desk, plane = Desk(DeskPolicy(), IdSource(self._hex)), WrittenPlane()
        policy = SwitchboardPolicy(sounds=SOUNDS)
        board = Switchboard(desk, self.journal, plane, self.clock, self._hex, policy)
        stage = Theatre(board, plane, self.clock, self.journal)
        board.plane_event(READY)
        self._running = asyncio.get_running_loop().create_task(board.run())
        await asyncio.sleep(0)
        return stage

    async def kill(self) -> None:
        assert self._running is not None
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        await self.journal.aclose()

    async def ask(self, key: str, request: bytes, work: Work) -> Response:
        async def counted(pending: PendingAnswer) -> Response:
            self.carried_out += 1
            return await work(pending)

        return await self.idempotence.answer("crm", key, request, counted)


def told(response: Response) -> object:
    return json.loads(bytes(response.body))


async def test_an_answer_is_on_disk_with_its_step_even_if_it_was_never_sent(tmp_path: Path) -> None:
    clock = ManualClock(1000.0)
    before = Process(tmp_path / "journal.db", clock)
    stage = await before.start()
    id_: InteractionId = await stage.answered_call()

    done = asyncio.Event()

    async def set_and_die(pending: PendingAnswer) -> Response:
        pending.render = lambda changed: JSONResponse({"changed": changed}, 201, {"etag": '"7"'})
        with receipt_for(pending):
            await stage.board.interactions.set_attributes(ALICE, id_, {"a": "b"})
        done.set()
        await asyncio.Event().wait()  # the answer is never sent
        raise AssertionError

    asking = asyncio.get_running_loop().create_task(before.ask("one", b"request", set_and_die))
    await done.wait()
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    await before.kill()

    after = Process(tmp_path / "journal.db", clock)
    await after.start()
    answer = await after.ask("one", b"request", set_and_die)
    assert after.carried_out == 0
    assert (answer.status_code, told(answer)) == (201, {"changed": True})
    assert answer.headers["etag"] == '"7"'
    with pytest.raises(ReusedKeyError):
        await after.ask("one", b"another request", set_and_die)
    await after.kill()


async def test_answers_to_what_was_no_step_are_kept_too_but_not_for_ever(tmp_path: Path) -> None:
    clock = ManualClock(1000.0)
    process = Process(tmp_path / "journal.db", clock)
    await process.start()
    status = 404

    async def refuse(_pending: PendingAnswer) -> Response:
        return JSONResponse({"n": process.carried_out}, status)

    for _ in range(3):
        assert told(await process.ask("two", b"x", refuse)) == {"n": 1}
    for status in (500, 503, 429, 401, 412):
        process.carried_out = 0
        await process.ask(f"key-{status}", b"x", refuse)
        assert told(await process.ask(f"key-{status}", b"x", refuse)) == {"n": 2}, "try again means that"
    clock.advance(3601.0)
    process.carried_out = 8
    assert told(await process.ask("two", b"x", refuse)) == {"n": 9}
    await process.kill()


async def test_one_at_a_time(tmp_path: Path) -> None:
    process = Process(tmp_path / "journal.db", ManualClock(1000.0))
    await process.start()
    go_on = asyncio.Event()

    async def wait(_pending: PendingAnswer) -> Response:
        await go_on.wait()
        return JSONResponse({})

    first = asyncio.get_running_loop().create_task(process.ask("three", b"x", wait))
    await asyncio.sleep(0)
    with pytest.raises(InFlightError):
        await process.ask("three", b"x", wait)
    with pytest.raises(ReusedKeyError):
        await process.ask("three", b"y", wait)
    go_on.set()
    assert (await first).status_code == 200
    assert (await process.ask("three", b"x", wait)).headers["idempotency-replayed"] == "true"
    for key in ("", "x" * 256, "ü", "a\nb"):
        with pytest.raises(ParseError):
            await process.ask(key, b"x", wait)
    await process.kill()
