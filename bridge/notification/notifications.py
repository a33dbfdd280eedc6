"""From the desk's events to letters in the outbox, and from there out, each tried again until it is taken."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog
from sqlalchemy import delete, func, select, update

from bridge.clock import Clock
from bridge.desk import events
from bridge.errors import NotFoundError
from bridge.journal.journal import Journal
from bridge.journal.outbox import Outbox, Task
from bridge.journal.schema import OUTBOX, Write
from bridge.notification.address import AddressBook
from bridge.notification.letter import DeadLetter, Letter, notices_of, parse_letter, serialize_letter
from bridge.notification.send import Order, Outcome
from bridge.settings.notifications import Notifications as Settings

KIND = "notification"
DEAD_LISTED_MAX = 200
POLL_S = 30.0  # an idle courier looks again after this long, whatever woke it or not
_O = OUTBOX.c

log = structlog.get_logger()
Send = Callable[[Order], Awaitable[str]]


class Notifications:
    """Implements the switchboard's `NoticeOutbox`. `run` delivers until cancelled.

    The letters to one address leave one after the other, so a server that hangs holds up its own only.
    """

    def __init__(
        self, settings: Settings, book: AddressBook, journal: Journal, outbox: Outbox, clock: Clock
    ) -> None:
        self._settings = settings
        self._book = book
        self._journal = journal
        self._outbox = outbox
        self._clock = clock
        self._pending = 0
        self._under_way = 0
        self.delivered = 0
        self.failed = 0
        self.dead = 0

    async def open(self) -> None:
        """Counts what the process before left. The outbox is open."""
        query = select(func.count()).where(_O.kind == KIND, _O.dead == 0)
        self._pending = (await self._journal.read_rows(query))[0][0]

    def counters(self) -> Mapping[str, float]:
        """For /metrics."""
        return {
            "delivered_total": self.delivered,
            "failed_total": self.failed,
            "dead_total": self.dead,
            "pending": self._pending,
        }

    def writes(self, happened: Sequence[events.DeskEvent]) -> Sequence[Write]:
        """The letters that go into the commit of the step in which this happened."""
        letters = [
            Letter(notice.group, address.name, notice.subject, notice.text)
            for notice in notices_of(happened)
            for address in self._book.of(notice.group)
        ]
        return [self._put(letter) for letter in letters]

    def _put(self, letter: Letter) -> Write:
        write = self._outbox.put(KIND, serialize_letter(letter), lane=letter.address)
        if self._pending >= self._settings.max_pending:
            self.dead += 1
            reason = f"{self._settings.max_pending} letters were waiting already"
            return Write(write.statement, {**write.parameters, "dead": 1, "reason": reason})
        self._pending += 1
        return write

    # --- dead letters -------------------------------------------------------------------------------------

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        """What was given up, newest first."""
        return tuple(_dead_letter(task) for task in await self._outbox.dead(KIND, DEAD_LISTED_MAX))

    async def send_again(self, notification_id: int, also: Sequence[Write] = ()) -> None:
        """Puts a dead letter back; `also` goes into the same commit. Raises NotFoundError."""
        if all(letter.notification_id != notification_id for letter in await self.dead_letters()):
            raise NotFoundError(f"there is no dead notification {notification_id}")
        statement = update(OUTBOX).where(_O.task_id == notification_id, _O.kind == KIND, _O.dead == 1)
        fresh = statement.values(dead=0, attempts=0, due_at=self._clock.now(), reason="")
        await self._journal.write(Write(fresh), *also)
        self._pending += 1
        self._outbox.wake(KIND)

    async def _forget_oldest(self) -> None:
        """Dead letters have a bound too."""
        newest = select(_O.task_id).where(_O.kind == KIND, _O.dead == 1).order_by(_O.task_id.desc())
        rows = await self._journal.read_rows(newest.offset(self._settings.dead_letters_kept).limit(1))
        if rows:
            place = (_O.kind == KIND) & (_O.dead == 1) & (_O.task_id <= rows[0].task_id)
            await self._journal.write(Write(delete(OUTBOX).where(place)))

    # --- out ----------------------------------------------------------------------------------------------

    async def run(self, send: Send | None = None) -> None:
        """Delivers until cancelled; `send` is `send_by_process` unless a test brings another."""
        send = send or send_by_process
        async with asyncio.TaskGroup() as letters:
            while True:
                free = self._settings.at_once - self._under_way
                tasks = await self._outbox.claim(KIND, self._clock.now(), free) if free else ()
                for task in tasks:
                    self._under_way += 1
                    letters.create_task(self._deliver(task, send))
                if not tasks:
                    await self._outbox.wait(KIND, await self._pause_s(free))

    async def _pause_s(self, free: int) -> float:
        due_at = await self._outbox.next_due(KIND) if free else None
        return POLL_S if due_at is None else min(POLL_S, max(0.0, due_at - self._clock.now()))

    async def _deliver(self, task: Task, send: Send) -> None:
        try:
            await self._settle(task, await self._try(task, send))
        except asyncio.CancelledError:
            self._outbox.release(task)
            raise
        finally:
            self._under_way -= 1
            self._outbox.wake(KIND)

    async def _try(self, task: Task, send: Send) -> str:
        """Sends once; returns what went wrong, "" if nothing."""
        letter = parse_letter(task.body)
        address = self._book.find(letter.group, letter.address)
        if address is None:
            return f"{letter.address} is no more in the group {letter.group!r}"
        order = Order(address.url, letter.subject, letter.text, self._settings.timeout_s)
        try:
            return await send(order)
        except Exception:
            # Our own mistake costs this letter's try, not the courier.
            log.exception("! notification", group=letter.group, address=letter.address)
            return "the bridge failed; its log says where"

    async def _settle(self, task: Task, trouble: str) -> None:
        if not trouble:
            self.delivered += 1
            self._pending -= 1
            await self._outbox.done(task)
            return
        self.failed += 1
        attempts, settings = task.attempts + 1, self._settings
        letter = parse_letter(task.body)
        log.warning(
            "x notification", group=letter.group, address=letter.address, attempts=attempts, reason=trouble
        )
        if attempts >= settings.max_attempts or self._book.find(letter.group, letter.address) is None:
            self.dead += 1
            self._pending -= 1
            await self._outbox.give_up(task, trouble)
            await self._forget_oldest()
            return
        delay_s = min(settings.longest_retry_s, settings.first_retry_s * 2.0 ** min(attempts - 1, 32))
        await self._outbox.retry(task, self._clock.now() + delay_s, trouble)


async def send_by_process(order: Order) -> str:
    """Has a process of its own do it, and ends that one when it takes too long. Returns what went wrong."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge.notification.send",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(order.timeout_s):
            said, _ = await process.communicate(msgspec.json.encode(order))
    except TimeoutError:
        return f"not taken within {order.timeout_s:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        return f"the sending process ended with code {process.returncode}"
    return msgspec.json.decode(said, type=Outcome).reason


def _dead_letter(task: Task) -> DeadLetter:
    letter = parse_letter(task.body)
    return DeadLetter(
        task.task_id, letter.group, letter.address, letter.subject, letter.text, task.attempts, task.reason
    )
