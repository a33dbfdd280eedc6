"""Prompts over REST: which there are. Playing one belongs to the interaction."""

from starlette.responses import Response

from signaling.web.rest import body
from signaling.web.rest.rest import READ_PROBLEMS, api_router, model_response, problems
from signaling.web.rest.routes.parameter import Reader

ROUTER = api_router("prompts", "/prompts")


@ROUTER.get(
    "",
    operation_id="listPrompts",
    summary="The prompts that can be played",
    response_model=body.Prompts,
    responses=problems(READ_PROBLEMS),
)
async def list_prompts(call: Reader) -> Response:
    return model_response(body.Prompts(prompts=await call.board.prompts.list(call.principal)))
