"""The subscriptions on disk, and the couriers that deliver what the outbox holds for each."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
import msgspec
import structlog
from sqlalchemy import delete, func, insert, select, update

from bridge.clock import Clock
from bridge.errors import CapacityError, NotAllowedError, NotFoundError
from bridge.journal.journal import Journal
from bridge.journal.outbox import Outbox, Task
from bridge.journal.schema import OUTBOX, WEBHOOK_SUBSCRIPTIONS, Write
from bridge.settings.web import Webhooks as Settings
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.door.principal import TokenKind, allows
from bridge.switchboard.view.event import DesktopEvent
from signaling.web.hook.owner import Owners
from signaling.web.hook.webhook import (
    SIGNATURE_HEADER,
    DeadLetter,
    Subscription,
    check_url,
    letter_of,
    parse_letter,
    retry_delay_s,
    signature,
)
from signaling.web.protocol.event import event_name
from signaling.web.protocol.event_writer import EventWriter
from signaling.web.protocol.history import Numbering, Place

AT_ONCE = 8  # deliveries of one subscription under way, each of another interaction
DEAD_LISTED_MAX = 200
POLL_S = 30.0  # an idle courier looks again after this long, whatever woke it or not
NOWHERE = Place(0, 0)
_S = WEBHOOK_SUBSCRIPTIONS.c
_O = OUTBOX.c

log = structlog.get_logger()


@dataclass(frozen=True)
class WebhookParts:
    """What the composition root hands over. `outbox` is opened before `Webhooks.open`."""

    journal: Journal
    outbox: Outbox
    clock: Clock
    token_hex: Callable[[int], str]
    owners: Owners


class Webhooks:
    """Implements the switchboard's `Outbox`: the copy of an event lies in the commit of its step.

    Deliveries of one interaction leave one after the other, at least once each; `run` delivers until cancelled.
    """

    def __init__(self, settings: Settings, parts: WebhookParts) -> None:
        self._settings = settings
        self._parts = parts
        self._numbering = Numbering()
        self._writer = EventWriter()
        self._subscriptions: dict[str, Subscription] = {}
        self._pending: Counter[str] = Counter()
        self._news = asyncio.Event()
        self.delivered = 0
        self.failed = 0
        self.dead = 0

    async def open(self) -> None:
        """Reads what is on disk. The journal and the outbox are open."""
        rows = await self._parts.journal.read_rows(select(WEBHOOK_SUBSCRIPTIONS))
        for row in rows:
            found = msgspec.json.decode(row.body, type=Subscription)
            self._subscriptions[found.subscription_id] = found
        counted = select(_O.kind, func.count()).where(_O.dead == 0).group_by(_O.kind)
        for row in await self._parts.journal.read_rows(counted):
            kind, count = tuple(row)
            if kind in self._subscriptions:
                self._pending[kind] = count

    def counters(self) -> Mapping[str, float]:
        """For /metrics."""
        return {
            "delivered_total": self.delivered,
            "failed_total": self.failed,
            "dead_total": self.dead,
            "pending": self._pending.total(),
            "subscriptions": len(self._subscriptions),
        }

    # --- the switchboard's side ---------------------------------------------------------------------------

    def writes(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> Sequence[Write]:
        """The deliveries that go into the commit of a step."""
        if not self._subscriptions:
            return ()
        found: list[Write] = []
        for event, audience in told:
            number: int | None = getattr(event, "number", None)
            if number is None:
                continue
            place = self._numbering.place(number)
            found += self._copies(event, audience, place, place.part)
        return found

    def writes_aside(self, event: DesktopEvent, audience: Audience) -> Sequence[Write]:
        """An event without a number has no place in the journal's order; its kind is its lane."""
        return self._copies(event, audience, NOWHERE, None)

    def _copies(
        self, event: DesktopEvent, audience: Audience, place: Place, part: int | None
    ) -> Sequence[Write]:
        name = event_name(event)
        owners = self._parts.owners
        wanted = [
            one
            for one in self._subscriptions.values()
            if one.wants(name, audience, owners.rights(one)) and not owners.why_resting(one)
        ]
        if not wanted:
            return ()
        text = self._writer.write(event, part)
        lane = str(getattr(event, "interaction_id", "") or name)
        return [
            self._put(one.subscription_id, lane, letter_of(name, place, text, one.needs(audience)))
            for one in wanted
        ]

    def _put(self, subscription_id: str, lane: str, body: bytes) -> Write:
        write = self._parts.outbox.put(subscription_id, body, lane)
        if self._pending[subscription_id] >= self._settings.max_pending:
            self.dead += 1
            reason = f"{self._settings.max_pending} deliveries were waiting already"
            return Write(write.statement, {**write.parameters, "dead": 1, "reason": reason})
        self._pending[subscription_id] += 1
        return write

    # --- subscriptions ------------------------------------------------------------------------------------

    def list(self) -> tuple[Subscription, ...]:
        return tuple(self._subscriptions.values())

    def get(self, subscription_id: str) -> Subscription:
        """Raises NotFoundError."""
        try:
            return self._subscriptions[subscription_id]
        except KeyError:
            raise NotFoundError(f"no webhook {subscription_id}") from None

    def why_resting(self, subscription: Subscription) -> str:
        """Why nothing is told in its owner's name; "" if it is."""
        return self._parts.owners.why_resting(subscription)

    def draft(
        self, owner: str, scopes: frozenset[str], url: str, kind: TokenKind = TokenKind.OURS
    ) -> Subscription:
        """A new subscription, not kept yet. Raises CapacityError, NotAllowedError."""
        check_url(url, self._settings.allowed_hosts)
        if len(self._subscriptions) >= self._settings.max_subscriptions:
            raise CapacityError(
                f"there are {self._settings.max_subscriptions} webhooks, more are not allowed"
            )
        token_hex = self._parts.token_hex
        return Subscription(
            subscription_id="whk_" + token_hex(8),
            owner=owner,
            scopes=tuple(sorted(scopes)),
            url=url,
            secret=token_hex(32),
            created_at=round(self._parts.clock.wall(), 3),
            kind=kind,
        )

    async def keep(self, subscription: Subscription, also: Sequence[Write] = ()) -> None:
        """Makes a new or changed subscription stand; `also` goes into the same commit."""
        check_url(subscription.url, self._settings.allowed_hosts)
        id_ = subscription.subscription_id
        row = {
            "subscription_id": id_,
            "wall": subscription.created_at,
            "body": msgspec.json.encode(subscription),
        }
        self._subscriptions[id_] = subscription
        self._news.set()
        await self._parts.journal.write(
            Write(delete(WEBHOOK_SUBSCRIPTIONS).where(_S.subscription_id == id_)),
            Write(insert(WEBHOOK_SUBSCRIPTIONS), row),
            *also,
        )

    async def remove(self, subscription_id: str, also: Sequence[Write] = ()) -> None:
        """Forgets it, with what waits for it and its dead letters. Raises NotFoundError."""
        self.get(subscription_id)
        del self._subscriptions[subscription_id]
        del self._pending[subscription_id]
        self._news.set()
        await self._parts.journal.write(
            Write(delete(WEBHOOK_SUBSCRIPTIONS).where(_S.subscription_id == subscription_id)),
            Write(delete(OUTBOX).where(_O.kind == subscription_id)),
            *also,
        )

    async def dead_letters(self, subscription_id: str) -> tuple[DeadLetter, ...]:
        """What was given up, newest first. Raises NotFoundError."""
        self.get(subscription_id)
        tasks = await self._parts.outbox.dead(subscription_id, DEAD_LISTED_MAX)
        return tuple(_dead_letter(task) for task in tasks)

    async def send_again(self, subscription_id: str, delivery_id: int, also: Sequence[Write] = ()) -> None:
        """Puts a dead letter back into its place of the queue. Raises NotFoundError."""
        letters = await self.dead_letters(subscription_id)
        if all(letter.delivery_id != delivery_id for letter in letters):
            raise NotFoundError(f"webhook {subscription_id} has no dead letter {delivery_id}")
        place = (_O.task_id == delivery_id) & (_O.kind == subscription_id)
        statement = update(OUTBOX).where(place, _O.dead == 1)
        fresh = statement.values(dead=0, attempts=0, due_at=self._parts.clock.now(), reason="")
        self._pending[subscription_id] += 1
        await self._parts.journal.write(Write(fresh), *also)
        self._parts.outbox.wake(subscription_id)

    # --- delivering ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """One courier for each subscription that is active; until cancelled."""
        timeout = self._settings.timeout_s
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
            asyncio.TaskGroup() as tasks,
        ):
            couriers: dict[str, asyncio.Task[None]] = {}
            while True:
                active = {one.subscription_id for one in self._subscriptions.values() if one.active}
                for gone in couriers.keys() - active:
                    couriers.pop(gone).cancel()
                for new in active - couriers.keys():
                    couriers[new] = tasks.create_task(self._carry(new, client))
                await self._news.wait()
                self._news.clear()
        raise AssertionError("the loop above has no end")

    async def _carry(self, subscription_id: str, client: httpx.AsyncClient) -> None:
        outbox, clock = self._parts.outbox, self._parts.clock
        while True:
            tasks = await outbox.claim(subscription_id, clock.now(), AT_ONCE)
            if tasks:
                async with asyncio.TaskGroup() as group:
                    for task in tasks:
                        group.create_task(self._deliver(subscription_id, task, client))
                continue
            due_at = await outbox.next_due(subscription_id)
            pause_s = POLL_S if due_at is None else min(POLL_S, max(0.0, due_at - clock.now()))
            await outbox.wait(subscription_id, pause_s)

    async def _deliver(self, subscription_id: str, task: Task, client: httpx.AsyncClient) -> None:
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            return
        try:
            trouble = await self._try(subscription, task, client)
        except asyncio.CancelledError:
            self._parts.outbox.release(task)
            raise
        except Exception:
            # Our own mistake costs this delivery's try, not all couriers.
            log.exception("! webhook", webhook=subscription_id)
            trouble = "the bridge failed; its log says where"
        if not trouble:
            self.delivered += 1
            self._finished(subscription_id)
            await self._parts.outbox.done(task)
            return
        self.failed += 1
        attempts = task.attempts + 1
        log.warning("x webhook", webhook=subscription_id, attempts=attempts, reason=trouble)
        if attempts >= self._settings.max_attempts:
            self.dead += 1
            self._finished(subscription_id)
            await self._parts.outbox.give_up(task, trouble)
            await self._forget_oldest(subscription_id)
            return
        settings = self._settings
        delay_s = retry_delay_s(attempts, settings.first_retry_s, settings.longest_retry_s)
        await self._parts.outbox.retry(task, self._parts.clock.now() + delay_s, trouble)

    def _finished(self, subscription_id: str) -> None:
        if subscription_id in self._subscriptions:
            self._pending[subscription_id] -= 1

    async def _try(self, subscription: Subscription, task: Task, client: httpx.AsyncClient) -> str:
        """Sends once; returns what went wrong, "" if nothing. The receiver's answer is not read."""
        try:  # once more: the configuration may allow fewer hosts than when it was subscribed
            check_url(subscription.url, self._settings.allowed_hosts)
        except NotAllowedError as error:
            return error.reason
        if reason := self.why_resting(subscription):
            return reason
        letter = parse_letter(task.body)
        if letter.scope and not allows(self._parts.owners.rights(subscription), letter.scope):
            return f"{subscription.owner}, whose webhook it is, lacks the scope {letter.scope}"
        body = letter.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "warmbridge",
            "Warmbridge-Webhook": subscription.subscription_id,
            "Warmbridge-Delivery": f"dlv_{task.task_id}",
            "Warmbridge-Event": letter.event,
            "Warmbridge-Attempt": str(task.attempts + 1),
            SIGNATURE_HEADER: signature(subscription.secret, int(self._parts.clock.wall()), body),
        }
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                async with client.stream("POST", subscription.url, content=body, headers=headers) as answer:
                    return "" if answer.is_success else f"the receiver answered {answer.status_code}"
        except TimeoutError:
            return f"no answer within {self._settings.timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            return f"{type(error).__name__}: {error}"

    async def _forget_oldest(self, subscription_id: str) -> None:
        """Dead letters have a bound too."""
        kept = self._settings.dead_letters_kept
        newest = select(_O.task_id).where(_O.kind == subscription_id, _O.dead == 1)
        rows = await self._parts.journal.read_rows(newest.order_by(_O.task_id.desc()).offset(kept).limit(1))
        if rows:
            place = (_O.kind == subscription_id) & (_O.dead == 1) & (_O.task_id <= rows[0].task_id)
            await self._parts.journal.write(Write(delete(OUTBOX).where(place)))


def _dead_letter(task: Task) -> DeadLetter:
    letter = parse_letter(task.body)
    return DeadLetter(
        task.task_id, letter.number, letter.part, letter.event, task.attempts, task.reason, letter.body
    )
