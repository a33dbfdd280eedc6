"""From the commands of notifications to what keeps them; the websocket's `dispatch` and REST come here."""

from collections.abc import Sequence
from typing import assert_never

from bridge.errors import NotFoundError
from bridge.journal.schema import Write
from bridge.notification.notifications import Notifications
from bridge.switchboard.door.principal import WEBHOOK_READ, WEBHOOK_WRITE, Principal
from signaling.web.protocol import notice_message as message


class Notices:
    """The commands, with the scopes of webhooks: both are what the bridge sends to others."""

    __slots__ = ("_notifications",)

    def __init__(self, notifications: Notifications | None) -> None:
        self._notifications = notifications

    async def dead(self, principal: Principal) -> message.DeadNotificationsResult:
        principal.require(WEBHOOK_READ)
        letters = await self._kept.dead_letters()
        views = tuple(map(message.DeadNotification.of, letters))
        return message.DeadNotificationsResult(dead_notifications=views)

    async def send_again(
        self, principal: Principal, notification_id: int, also: Sequence[Write] = ()
    ) -> None:
        """`also` are rows for the same commit."""
        principal.require(WEBHOOK_WRITE)
        await self._kept.send_again(notification_id, also)

    async def carry_out(
        self, principal: Principal, command: message.Noticing
    ) -> message.DeadNotificationsResult | None:
        """The same for the websocket."""
        match command:
            case message.ListDeadNotifications():
                return await self.dead(principal)
            case message.SendNotificationAgain():
                await self.send_again(principal, command.notification_id)
            case _:
                assert_never(command)
        return None

    @property
    def _kept(self) -> Notifications:
        if self._notifications is None:
            raise NotFoundError("this bridge has no notifications")
        return self._notifications
