"""REST and websocket have the same commands."""

from typing import get_args

from fastapi import FastAPI
from fastapi.routing import APIRoute

from signaling.web.protocol.messages import Command
from signaling.web.rest.openapi import install_openapi
from signaling.web.rest.routes import ROUTERS

# What has no meaning without the socket: who one is there, and media, which is the socket's own.
ON_THE_WEBSOCKET_ONLY = {
    "authenticate",
    "ping",
    "offerMedia",
    "answerMedia",
    "trickleCandidate",
    "getMediaProbe",
    "joinCompanion",  # a customer's browser, which has no token for the API
}
# One route for several commands.
BY_ANOTHER_NAME = {
    "muteParticipant": "changeParticipant",
    "unmuteParticipant": "changeParticipant",
    "holdParticipant": "changeParticipant",
    "resumeParticipant": "changeParticipant",
    "endInteraction": "changeInteraction",
}


def operations() -> list[str]:
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return [str(route.operation_id) for route in found]


def test_every_command_of_the_websocket_has_a_route() -> None:
    commands = {get_args(model.model_fields["command"].annotation)[0] for model in get_args(Command)}
    wanted = {BY_ANOTHER_NAME.get(name, name) for name in commands - ON_THE_WEBSOCKET_ONLY}
    assert wanted - set(operations()) == set()


def test_every_route_has_a_command_or_reads_a_part_of_what_one_reads() -> None:
    commands = {get_args(model.model_fields["command"].annotation)[0] for model in get_args(Command)}
    parts = {"getAttributes", "listParticipants", "getParticipant"}
    assert set(operations()) - commands - set(BY_ANOTHER_NAME.values()) - parts == set()
    assert len(operations()) == len(set(operations()))


def test_the_document_of_all_routes_can_be_made() -> None:
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    install_openapi(app)
    document = app.openapi()
    assert len(document["paths"]) > 30
    assert "HTTPValidationError" not in document["components"]["schemas"]
