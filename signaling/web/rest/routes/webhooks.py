"""Webhooks over REST: subscribe, change, remove; dead letters, and sending them again."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from signaling.web.hook.hooking import portrait, portrait_with_secret
from signaling.web.protocol import webhook_message as message
from signaling.web.rest import body
from signaling.web.rest.rest import (
    PREFIX,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    api_router,
    model_response,
    problems,
)
from signaling.web.rest.routes.parameter import HookReader, HookWriter

ROUTER = api_router("webhooks", "/webhooks")

HookInPath = Annotated[
    str, Path(alias="webhookId", min_length=1, max_length=128, examples=["whk_5f0c9a1e2b3d4c5f"])
]
DeliveryInPath = Annotated[int, Path(alias="deliveryId", ge=1, le=2**53 - 1, examples=[17])]


@ROUTER.post(
    "",
    operation_id="createWebhook",
    summary="Send events to a URL from now on; the answer tells the secret, once",
    status_code=201,
    response_model=message.NewWebhook,
    responses=problems(WRITE_PROBLEMS),
)
async def create_webhook(call: HookWriter, wish: body.WebhookWish) -> Response:
    command = message.CreateWebhook(command="createWebhook", id=0, **wish.model_dump())
    drafted = call.hooks.draft(call.principal, command)
    place = f"{PREFIX}/webhooks/{drafted.subscription_id}"
    return await call.answer_beside(
        lambda also: call.hooks.create(drafted, also),
        model_response(portrait_with_secret(drafted), 201, {"Location": place}),
    )


@ROUTER.get(
    "",
    operation_id="listWebhooks",
    summary="All subscriptions",
    response_model=message.WebhooksResult,
    responses=problems(READ_PROBLEMS),
)
async def list_webhooks(call: HookReader) -> Response:
    return model_response(call.hooks.list(call.principal))


@ROUTER.get(
    "/{webhookId}",
    operation_id="getWebhook",
    summary="One subscription",
    response_model=message.Webhook,
    responses=problems(READ_PROBLEMS),
)
async def get_webhook(call: HookReader, webhook_id: HookInPath) -> Response:
    return model_response(call.hooks.get(call.principal, webhook_id))


@ROUTER.patch(
    "/{webhookId}",
    operation_id="changeWebhook",
    summary="Change it; whoever does owns it from then on",
    response_model=message.Webhook,
    responses=problems(WRITE_PROBLEMS),
)
async def change_webhook(call: HookWriter, webhook_id: HookInPath, change: body.WebhookChange) -> Response:
    wished = change.model_dump(exclude_none=True)
    command = message.ChangeWebhook(command="changeWebhook", id=0, webhook_id=webhook_id, **wished)
    changed = call.hooks.changed(call.principal, command)
    return await call.answer_beside(
        lambda also: call.hooks.create(changed, also), model_response(portrait(changed))
    )


@ROUTER.delete(
    "/{webhookId}",
    operation_id="removeWebhook",
    summary="Remove it, with what waits for it and its dead letters",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def remove_webhook(call: HookWriter, webhook_id: HookInPath) -> Response:
    return await call.carry_out_beside(lambda also: call.hooks.remove(call.principal, webhook_id, also))


@ROUTER.get(
    "/{webhookId}/dead-letters",
    operation_id="listDeadLetters",
    summary="Deliveries that were given up, newest first, 200 at most",
    response_model=message.DeadLettersResult,
    responses=problems(READ_PROBLEMS),
)
async def list_dead_letters(call: HookReader, webhook_id: HookInPath) -> Response:
    return model_response(await call.hooks.dead_letters(call.principal, webhook_id))


@ROUTER.post(
    "/{webhookId}/dead-letters/{deliveryId}/send",
    operation_id="sendAgain",
    summary="Put a dead letter back into the queue",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def send_again(call: HookWriter, webhook_id: HookInPath, delivery_id: DeliveryInPath) -> Response:
    return await call.carry_out_beside(
        lambda also: call.hooks.send_again(call.principal, webhook_id, delivery_id, also)
    )
