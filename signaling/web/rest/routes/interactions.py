"""Interactions over REST: find, read, change, end, leave; their attributes and audit trail."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from bridge.ids import InteractionId
from bridge.switchboard.conversation.interactions import TIMELINE_MAX_ENTRIES
from bridge.switchboard.view.search import STATES, InteractionFilter
from bridge.switchboard.view.view import InteractionView
from signaling.web.protocol import wire_view
from signaling.web.protocol.messages import WantedState
from signaling.web.rest import body
from signaling.web.rest.rest import (
    READ_PROBLEMS,
    STATE_RESPONSES,
    WRITE_PROBLEMS,
    Call,
    api_router,
    etag,
    model_response,
    problems,
)
from signaling.web.rest.routes.parameter import Cursor, InteractionInPath, PageLimit, Reader, Writer

ROUTER = api_router("interactions", "/interactions")


def interaction_response(view: InteractionView, status: int = 200) -> Response:
    model = wire_view.Interaction.of(view)
    return model_response(model, status, {"ETag": etag(view)})


@ROUTER.get(
    "",
    operation_id="listInteractions",
    summary="Find interactions, newest first",
    response_model=body.Interactions,
    responses=problems((*READ_PROBLEMS, 409)),
)
async def list_interactions(  # noqa: PLR0913, PLR0917 - one argument for each query parameter
    call: Reader,
    state: Annotated[WantedState, Query(description="`live` is waiting and in-progress")] = "live",
    caller: Annotated[str, Query(max_length=256, examples=["+4930901820"])] = "",
    called: Annotated[str, Query(max_length=256)] = "",
    user_id: Annotated[str, Query(alias="userId", max_length=128, description="who took or takes part")] = "",
    attribute: Annotated[
        list[Annotated[str, Query(max_length=4200)]],
        Query(
            max_length=8, description="name=value; repeatable, all must hold", examples=[["priority=High"]]
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
    cursor: Cursor = "",
    limit: PageLimit = 50,
) -> Response:
    states = STATES.get(state, (state,))
    attributes = dict(_pair(text) for text in attribute)
    wanted = InteractionFilter(states, caller, called, user_id, attributes)
    page = await call.board.interactions.find(call.principal, wanted, cursor, limit)
    found = tuple(map(wire_view.Interaction.of, page.interactions))
    return model_response(body.Interactions(interactions=found, next_cursor=page.next_cursor or None))


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


@ROUTER.get(
    "/{interactionId}",
    operation_id="getInteraction",
    summary="One interaction with everybody in it",
    response_model=wire_view.Interaction,
    responses=STATE_RESPONSES,
)
async def get_interaction(call: Reader, interaction_id: InteractionInPath) -> Response:
    view = await call.board.interactions.get(call.principal, InteractionId(interaction_id))
    return call.state(wire_view.Interaction.of(view), etag(view))


@ROUTER.patch(
    "/{interactionId}",
    operation_id="changeInteraction",
    summary="Set attributes, or end it for everybody",
    response_model=wire_view.Interaction,
    responses=problems(WRITE_PROBLEMS),
)
async def change_interaction(
    call: Writer, interaction_id: InteractionInPath, change: body.InteractionChange
) -> Response:
    id_ = InteractionId(interaction_id)
    call.require_match(id_)
    if change.attributes is not None:
        work = call.board.interactions.set_attributes(call.principal, id_, change.attributes)
        return await call.answer(work, lambda _changed: _seen(call, id_))
    return await call.answer(
        call.board.interactions.end(call.principal, id_), lambda _changed: _seen(call, id_)
    )


@ROUTER.get(
    "/{interactionId}/attributes",
    operation_id="getAttributes",
    summary="The attributes alone",
    response_model=body.InteractionAttributes,
    responses=problems(READ_PROBLEMS),
)
async def get_attributes(call: Reader, interaction_id: InteractionInPath) -> Response:
    view = await call.board.interactions.get(call.principal, InteractionId(interaction_id))
    return _attributes_response(view)


@ROUTER.patch(
    "/{interactionId}/attributes",
    operation_id="setAttributes",
    summary="Merge attributes into those there are",
    response_model=body.InteractionAttributes,
    responses=problems(WRITE_PROBLEMS),
)
async def set_attributes(
    call: Writer, interaction_id: InteractionInPath, change: body.InteractionAttributesChange
) -> Response:
    id_ = InteractionId(interaction_id)
    call.require_match(id_)
    work = call.board.interactions.set_attributes(call.principal, id_, change.attributes)
    return await call.answer(
        work, lambda _changed: _attributes_response(call.board.interactions.snapshot(id_))
    )


@ROUTER.post(
    "/{interactionId}/leave",
    operation_id="leaveInteraction",
    summary="Take oneself out; the others go on",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def leave_interaction(call: Writer, interaction_id: InteractionInPath) -> Response:
    id_ = InteractionId(interaction_id)
    call.require_match(id_)
    work = call.board.participants.leave(call.principal, id_)
    return await call.carry_out(work)


@ROUTER.get(
    "/{interactionId}/timeline",
    operation_id="getTimeline",
    summary="The audit trail: every journaled event so far",
    response_model=body.Timeline,
    responses=problems(READ_PROBLEMS),
)
async def get_timeline(
    call: Reader,
    interaction_id: InteractionInPath,
    after: Annotated[int, Query(ge=0, le=2**53, description="`nextAfter` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=TIMELINE_MAX_ENTRIES)] = 200,
) -> Response:
    id_ = InteractionId(interaction_id)
    entries = await call.board.interactions.timeline(call.principal, id_, after, limit)
    found = tuple(map(wire_view.TimelineEntry.of, entries))
    next_after = entries[-1].number if len(entries) == limit else None
    return model_response(body.Timeline(timeline=found, next_after=next_after))


def _seen(call: Call, interaction_id: InteractionId) -> Response:
    """The state right after the caller's own step. Who may write it has been asked already."""
    return interaction_response(call.board.interactions.snapshot(interaction_id))


def _attributes_response(view: InteractionView) -> Response:
    return model_response(
        body.InteractionAttributes(attributes=dict(view.attributes)), headers={"ETag": etag(view)}
    )
