"""Commands and views of notifications, for the websocket and for REST."""

from typing import Annotated, Literal

from pydantic import Field

from signaling.web.protocol.wire import CommandId, WireModel

NotificationId = Annotated[int, Field(ge=1, le=2**53 - 1, examples=[17])]


class DeadNotification(WireModel):
    """A letter that was given up. `address` says which one of the group, without what opens it."""

    notification_id: int
    group: Annotated[str, Field(examples=["experts"])]
    address: Annotated[str, Field(examples=["mailtos 3f2a9c1e"])]
    subject: str
    text: str
    attempts: int
    reason: str


class DeadNotificationsResult(WireModel):
    dead_notifications: tuple[DeadNotification, ...]


class ListDeadNotifications(WireModel):
    """Newest first, 200 at most."""

    command: Literal["listDeadNotifications"]
    id: CommandId


class SendNotificationAgain(WireModel):
    """Puts a letter that was given up back into the queue."""

    command: Literal["sendNotificationAgain"]
    id: CommandId
    notification_id: NotificationId


Noticing = ListDeadNotifications | SendNotificationAgain
