"""The routes of the REST API, one module per subject. Each has a `ROUTER`; `ROUTERS` is what the door opens."""

from fastapi import APIRouter

from signaling.web.rest.routes import (
    accounts,
    interactions,
    notifications,
    offers,
    participants,
    prompts,
    table,
    trunks,
    users,
    webhooks,
)

# A new subject is one module and one line here.
ROUTERS: tuple[APIRouter, ...] = (
    interactions.ROUTER,
    participants.ROUTER,
    offers.ROUTER,
    users.ROUTER,
    accounts.ROUTER,
    prompts.ROUTER,
    webhooks.ROUTER,
    notifications.ROUTER,
    trunks.ROUTER,
    table.ROUTER,
)
