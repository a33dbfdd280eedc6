"""From the commands of webhooks to what keeps them; the websocket's `dispatch` and REST come here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from msgspec.structs import replace

from bridge.errors import NotFoundError
from bridge.journal.schema import Write
from bridge.switchboard.door.principal import WEBHOOK_READ, WEBHOOK_WRITE, Principal
from signaling.web.hook.webhook import Subscription
from signaling.web.hook.webhooks import Webhooks
from signaling.web.protocol import webhook_message as message
from signaling.web.protocol.webhook_message import Hooking

HookingResult = (
    message.WebhookResult | message.NewWebhookResult | message.WebhooksResult | message.DeadLettersResult
)


class Hooks:
    """The commands, each with the scope it wants. `also` are rows for the same commit."""

    __slots__ = ("_webhooks",)

    def __init__(self, webhooks: Webhooks | None) -> None:
        self._webhooks = webhooks

    def draft(self, principal: Principal, command: message.CreateWebhook) -> Subscription:
        """What `create` will keep; nothing has changed yet."""
        principal.require(WEBHOOK_WRITE)
        drafted = self._kept.draft(principal.user_id, principal.scopes, command.url, principal.kind)
        return replace(drafted, events=command.events, description=command.description)

    async def create(self, drafted: Subscription, also: Sequence[Write] = ()) -> None:
        await self._kept.keep(drafted, also)

    def changed(self, principal: Principal, command: message.ChangeWebhook) -> Subscription:
        """What `create` will put in the place of the former."""
        principal.require(WEBHOOK_WRITE)
        was = self._kept.get(command.webhook_id)
        wished = {
            name: value
            for name in ("url", "events", "description", "active")
            if (value := getattr(command, name)) is not None
        }
        # Who redirects somebody else's webhook must not learn what only the other may see.
        scopes = tuple(sorted(principal.scopes))
        return replace(was, **wished, owner=principal.user_id, scopes=scopes, kind=principal.kind)

    async def remove(self, principal: Principal, webhook_id: str, also: Sequence[Write] = ()) -> None:
        principal.require(WEBHOOK_WRITE)
        await self._kept.remove(webhook_id, also)

    def list(self, principal: Principal) -> message.WebhooksResult:
        principal.require(WEBHOOK_READ)
        return message.WebhooksResult(webhooks=tuple(map(self._portrait, self._kept.list())))

    def get(self, principal: Principal, webhook_id: str) -> message.Webhook:
        principal.require(WEBHOOK_READ)
        return self._portrait(self._kept.get(webhook_id))

    def _portrait(self, subscription: Subscription) -> message.Webhook:
        return portrait(subscription, self._kept.why_resting(subscription))

    async def dead_letters(self, principal: Principal, webhook_id: str) -> message.DeadLettersResult:
        principal.require(WEBHOOK_READ)
        letters = await self._kept.dead_letters(webhook_id)
        views = tuple(map(message.DeadLetter.of, letters))
        return message.DeadLettersResult(dead_letters=views)

    async def send_again(
        self, principal: Principal, webhook_id: str, delivery_id: int, also: Sequence[Write] = ()
    ) -> None:
        principal.require(WEBHOOK_WRITE)
        await self._kept.send_again(webhook_id, delivery_id, also)

    async def carry_out(self, principal: Principal, command: Hooking) -> HookingResult | None:
        """The same for the websocket."""
        match command:
            case message.CreateWebhook():
                drafted = self.draft(principal, command)
                await self.create(drafted)
                return message.NewWebhookResult(webhook=portrait_with_secret(drafted))
            case message.ChangeWebhook():
                drafted = self.changed(principal, command)
                await self.create(drafted)
                return message.WebhookResult(webhook=portrait(drafted))
            case message.RemoveWebhook():
                await self.remove(principal, command.webhook_id)
            case message.GetWebhook():
                return message.WebhookResult(webhook=self.get(principal, command.webhook_id))
            case message.ListWebhooks():
                return self.list(principal)
            case message.ListDeadLetters():
                return await self.dead_letters(principal, command.webhook_id)
            case message.SendAgain():
                await self.send_again(principal, command.webhook_id, command.delivery_id)
            case _:
                assert_never(command)
        return None

    @property
    def _kept(self) -> Webhooks:
        if self._webhooks is None:
            raise NotFoundError("this bridge has no webhooks")
        return self._webhooks


def portrait(subscription: Subscription, resting: str = "") -> message.Webhook:
    """Who has just made or changed it may be told by it."""
    return message.Webhook(
        webhook_id=subscription.subscription_id,
        url=subscription.url,
        events=subscription.events,
        description=subscription.description,
        active=subscription.active,
        owner=subscription.owner,
        resting=resting,
        created_at=datetime.fromtimestamp(subscription.created_at, UTC),
    )


def portrait_with_secret(subscription: Subscription) -> message.NewWebhook:
    return message.NewWebhook(**portrait(subscription).model_dump(), secret=subscription.secret)
