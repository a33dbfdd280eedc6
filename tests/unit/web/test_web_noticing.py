"""The commands of notifications: who may, and what they come to."""

import pytest

from bridge.clock import ManualClock
from bridge.errors import ForbiddenError, NotFoundError
from bridge.journal.outbox import Outbox
from bridge.notification.address import Address, AddressBook
from bridge.notification.notifications import Notifications
from bridge.settings.notifications import Notifications as Settings
from signaling.web.command.noticing import Notices
from signaling.web.protocol import notice_message as message
from tests.unit.journal.contract import running
from tests.unit.notification.test_notifications import ASKED
from tests.unit.switchboard.theatre import who

ADMIN = who("admin", scopes=frozenset({"webhook:read", "webhook:write"}))
NOBODY = who("nobody", scopes=frozenset())
LIST = message.ListDeadNotifications(command="listDeadNotifications", id=1)


async def test_what_was_given_up_is_listed_and_sent_again_by_who_may() -> None:
    clock = ManualClock()
    async with running("sqlite+aiosqlite://", clock=clock) as journal:
        outbox = Outbox(journal, clock)
        await outbox.open()
        book = AddressBook({"experts": (Address("mailto 1", "mailto://one"),)})
        office = Notifications(Settings(), book, journal, outbox, clock)
        await office.open()
        await journal.write(*office.writes([ASKED]))
        (task,) = await outbox.claim("notification", clock.now())
        await outbox.give_up(task, "550 no such user")
        notices = Notices(office)
        result = await notices.carry_out(ADMIN, LIST)
        assert result is not None
        (dead,) = result.dead_notifications
        assert (dead.group, dead.address, dead.reason) == ("experts", "mailto 1", "550 no such user")
        again = message.SendNotificationAgain(
            command="sendNotificationAgain", id=2, notification_id=dead.notification_id
        )
        for command in (LIST, again):
            with pytest.raises(ForbiddenError):
                await notices.carry_out(NOBODY, command)
        assert await notices.carry_out(ADMIN, again) is None
        assert await notices.dead(ADMIN) == message.DeadNotificationsResult(dead_notifications=())


async def test_a_door_without_notifications_says_so() -> None:
    with pytest.raises(NotFoundError):
        await Notices(None).carry_out(ADMIN, LIST)
