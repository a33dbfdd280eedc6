"""From events to letters in the outbox, and out; no mail server here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.clock import ManualClock
from bridge.desk import events
from bridge.errors import NotFoundError
from bridge.ids import FlowRunId, InteractionId, QueueId
from bridge.journal.outbox import Outbox
from bridge.notification.address import Address, AddressBook
from bridge.notification.notifications import Notifications
from bridge.notification.send import Order
from bridge.settings.notifications import Notifications as Settings
from tests.unit.journal.contract import running

EXPERTS = (Address("mailto 1", "mailto://one"), Address("sms 2", "sms://two"))
DEEP = events.QueueDepthExceeded(1.0, QueueId("video"), 3, 2, ("experts",), "3 waiting", "3 wait.")
ASKED = events.NotificationAsked(1.0, InteractionId("int_1"), FlowRunId("run_1"), "experts", "Help", "Now.")


class Post:
    """Where letters go: what came, and what is wrong with it."""

    def __init__(self) -> None:
        self.came: list[Order] = []
        self.trouble: Callable[[Order], Awaitable[str]] | None = None

    async def send(self, order: Order) -> str:
        self.came.append(order)
        return await self.trouble(order) if self.trouble else ""


@asynccontextmanager
async def post_office(
    settings: Settings | None = None, book: AddressBook | None = None
) -> AsyncIterator[tuple[Notifications, Post, ManualClock]]:
    clock, post = ManualClock(), Post()
    async with running("sqlite+aiosqlite://", clock=clock) as journal:
        outbox = Outbox(journal, clock)
        await outbox.open()
        book = book or AddressBook({"experts": EXPERTS})
        office = Notifications(settings or Settings(), book, journal, outbox, clock)
        await office.open()
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(office.run(post.send))
            try:
                yield office, post, clock
            finally:
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work


async def put(office: Notifications, *happened: events.DeskEvent) -> None:
    await office._journal.write(*office.writes(happened))


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - the courier is a task of its own
            await asyncio.sleep(0.005)


async def test_each_address_of_a_group_gets_its_letter_once() -> None:
    async with post_office() as (office, post, _):
        await put(office, DEEP, ASKED)
        await until(lambda: office.delivered == 4)
        assert sorted((order.url, order.subject) for order in post.came) == [
            ("mailto://one", "3 waiting"),
            ("mailto://one", "Help"),
            ("sms://two", "3 waiting"),
            ("sms://two", "Help"),
        ]
        assert office.counters()["pending"] == 0


async def test_who_hangs_holds_up_only_the_letters_to_the_same_address() -> None:
    async with post_office(Settings(at_once=2)) as (office, post, _):
        gate = asyncio.Event()

        async def hang(order: Order) -> str:
            if order.url == "mailto://one":
                await gate.wait()
            return ""

        post.trouble = hang
        await put(office, DEEP, ASKED, DEEP)
        await until(lambda: office.delivered == 3)
        assert [order.url for order in post.came].count("mailto://one") == 1
        gate.set()
        await until(lambda: office.delivered == 6)


async def test_a_failure_is_tried_again_with_growing_pauses_and_then_given_up_with_its_reason() -> None:
    async with post_office(
        Settings(max_attempts=3, first_retry_s=10.0), AddressBook({"experts": EXPERTS[:1]})
    ) as (office, post, clock):

        async def refuse(_order: Order) -> str:
            return "550 no such user"

        post.trouble = refuse
        await put(office, ASKED)
        await until(lambda: office.failed == 1)
        for tries, pause_s in ((1, 10.0), (2, 20.0)):
            clock.advance(pause_s - 0.1)
            office._outbox.wake("notification")
            await asyncio.sleep(0.02)
            assert len(post.came) == tries
            clock.advance(0.2)
            office._outbox.wake("notification")
            await until(lambda tries=tries: office.failed == tries + 1)  # type: ignore[misc]
        await until(lambda: office.dead == 1)
        (letter,) = await office.dead_letters()
        assert (letter.address, letter.attempts, letter.reason) == ("mailto 1", 3, "550 no such user")
        post.trouble = None
        await office.send_again(letter.notification_id)
        await until(lambda: office.delivered == 1)
        assert await office.dead_letters() == ()
        with pytest.raises(NotFoundError):
            await office.send_again(letter.notification_id)


async def test_letters_beyond_the_bound_are_dead_from_the_start_and_dead_ones_have_a_bound_too() -> None:
    async with post_office(Settings(max_pending=1, dead_letters_kept=2)) as (office, post, _):
        gate = asyncio.Event()

        async def hang(_order: Order) -> str:
            await gate.wait()
            return ""

        post.trouble = hang
        await put(office, DEEP, ASKED)
        letters = await office.dead_letters()
        assert [letter.reason for letter in letters] == ["1 letters were waiting already"] * 3
        gate.set()
        await until(lambda: office.delivered == 1)


async def test_an_address_that_left_the_file_is_given_up_at_once() -> None:
    addresses: dict[str, tuple[Address, ...]] = {"experts": EXPERTS[:1]}
    async with post_office(book=AddressBook(addresses)) as (office, post, _):
        writes = office.writes([ASKED])
        addresses["experts"] = ()
        await office._journal.write(*writes)
        await until(lambda: office.dead == 1)
        (letter,) = await office.dead_letters()
        assert letter.reason == "mailto 1 is no more in the group 'experts'"
        assert post.came == []


async def test_a_mistake_of_ours_costs_one_try() -> None:
    async with post_office(book=AddressBook({"experts": EXPERTS[:1]})) as (office, post, _):

        async def crash(_order: Order) -> str:
            raise RuntimeError("ours")

        post.trouble = crash
        await put(office, ASKED)
        await until(lambda: office.failed == 1)
        assert office.counters()["pending"] == 1
