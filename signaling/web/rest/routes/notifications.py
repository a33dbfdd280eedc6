"""Notifications over REST: those that were given up, and sending them again."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from signaling.web.protocol import notice_message as message
from signaling.web.rest.rest import (
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    api_router,
    model_response,
    problems,
)
from signaling.web.rest.routes.parameter import HookReader, HookWriter

ROUTER = api_router("notifications", "/notifications")

NotificationInPath = Annotated[int, Path(alias="notificationId", ge=1, le=2**53 - 1, examples=[17])]


@ROUTER.get(
    "/dead-letters",
    operation_id="listDeadNotifications",
    summary="E-mails, short and chat messages that were given up, newest first, 200 at most",
    response_model=message.DeadNotificationsResult,
    responses=problems(READ_PROBLEMS),
)
async def list_dead_notifications(call: HookReader) -> Response:
    return model_response(await call.notices.dead(call.principal))


@ROUTER.post(
    "/dead-letters/{notificationId}/send",
    operation_id="sendNotificationAgain",
    summary="Put one of them back into the queue",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def send_notification_again(call: HookWriter, notification_id: NotificationInPath) -> Response:
    return await call.carry_out_beside(
        lambda also: call.notices.send_again(call.principal, notification_id, also)
    )
