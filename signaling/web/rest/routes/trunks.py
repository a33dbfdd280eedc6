"""Trunks over REST: which there are, and how they are."""

from typing import Annotated

from starlette.responses import Response

from bridge.switchboard.door.principal import TRUNK_ADMIN
from signaling.web.protocol import reply, wire_view
from signaling.web.rest.rest import READ_PROBLEMS, Call, api_router, model_response, needs, problems

ROUTER = api_router("trunks", "/trunks")


@ROUTER.get(
    "",
    operation_id="listTrunks",
    summary="All trunks: whether they answer, and how many calls they have",
    response_model=reply.TrunksResult,
    responses=problems(READ_PROBLEMS),
)
async def list_trunks(call: Annotated[Call, needs(TRUNK_ADMIN)]) -> Response:
    trunks = call.board.trunks.list(call.principal)
    found = tuple(map(wire_view.Trunk.of, trunks))
    return model_response(reply.TrunksResult(trunks=found))
