"""Users over REST: who is there, and one's own presence."""

from starlette.responses import Response

from bridge.ids import UserId
from bridge.switchboard.view.view import UserView
from signaling.web.protocol import wire_view
from signaling.web.rest import body
from signaling.web.rest.rest import (
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    api_router,
    model_response,
    problems,
)
from signaling.web.rest.routes.parameter import Reader, Router, UserInPath

ROUTER = api_router("users", "/users")


@ROUTER.get(
    "",
    operation_id="listUsers",
    summary="Everybody who can be offered work",
    response_model=body.Users,
    responses=problems(READ_PROBLEMS),
)
async def list_users(call: Reader) -> Response:
    users = await call.board.users.list(call.principal)
    found = tuple(map(wire_view.User.of, users))
    return model_response(body.Users(users=found))


@ROUTER.put(
    "/me/presence",
    operation_id="setPresence",
    summary="Go ready, away or offline",
    response_model=wire_view.User,
    responses=problems(WRITE_PROBLEMS),
)
async def set_presence(call: Router, wish: body.PresenceWish) -> Response:
    work = call.board.users.set_presence(call.principal, wish.presence, wish.role)
    return await call.answer(
        work, lambda _changed: _user_response(call.board.users.snapshot(call.principal.user_id))
    )


@ROUTER.get(
    "/{userId}",
    operation_id="getUser",
    summary="One user",
    response_model=wire_view.User,
    responses=problems(READ_PROBLEMS),
)
async def get_user(call: Reader, user_id: UserInPath) -> Response:
    return _user_response(await call.board.users.get(call.principal, UserId(user_id)))


def _user_response(view: UserView) -> Response:
    return model_response(wire_view.User.of(view))
