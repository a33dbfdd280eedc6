"""Participants over REST: add, read, mute, hold, take out, play a prompt to."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from bridge.desk.interaction.participant import ParticipantConflictError
from bridge.errors import NotFoundError
from bridge.ids import InteractionId, ParticipantId
from bridge.switchboard.conversation.participants import AddParticipant, DialOut
from bridge.switchboard.door.principal import INTERACTION_WRITE, ROUTING_WRITE
from bridge.switchboard.view.view import InteractionView, ParticipantView
from signaling.web.http.problem import refusal
from signaling.web.protocol import wire_view
from signaling.web.rest import body
from signaling.web.rest.rest import (
    PREFIX,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    Call,
    Problem,
    api_router,
    etag,
    model_response,
    needs,
    problems,
)
from signaling.web.rest.routes.parameter import InteractionInPath, Reader, Writer

ROUTER = api_router("participants", "/interactions/{interactionId}")

Inviter = Annotated[Call, needs(INTERACTION_WRITE, ROUTING_WRITE)]
ParticipantInPath = Annotated[
    str, Path(alias="participantId", min_length=1, max_length=128, examples=["prt_5f0c9a1e2b3d4c5f"])
]


class ConflictProblem(Problem):
    """`participant` is the one in the way when somebody else is being sought."""

    participant: wire_view.Participant | None = None


@ROUTER.post(
    "/participants",
    operation_id="addParticipant",
    summary="Seek a user for the interaction, whose desktop gets an offer, or call a phone",
    status_code=201,
    response_model=body.AddedParticipant,
    responses={
        **problems(WRITE_PROBLEMS),
        200: {"model": body.AddedParticipant, "description": "The user takes part or was asked already"},
        409: {
            "model": ConflictProblem,
            "description": "Another expert is being sought, or not in this state",
        },
    },
)
async def add_participant(
    call: Inviter, interaction_id: InteractionInPath, wish: body.NewParticipant
) -> Response:
    id_ = InteractionId(interaction_id)
    named = wish.participant_id or wish.address or ""
    user_id = call.board.users.named(named)

    def render(changed: bool) -> Response:  # noqa: FBT001 - the signature is `Render`
        board = call.board
        participant = (
            board.participants.peek(id_, user_id)
            if wish.address is None
            else board.participants.peek_dialed(id_, named)
        )
        return _added(board.interactions.snapshot(id_), participant, named, 201 if changed else 200)

    call.require_match(id_)
    if wish.address is None:
        sought = AddParticipant(user_id, wish.type, wish.role, wish.properties, wish.second_expert)
        added = call.board.participants.add(call.principal, id_, sought)
    else:
        dialed = DialOut(wish.address, wish.role, wish.name or "", wish.second_expert)
        added = call.board.participants.dial(call.principal, id_, dialed)
    try:
        return await call.answer(added, render)
    except ParticipantConflictError as conflict:
        view = call.board.participants.describe(conflict.participant)
        portrait = wire_view.Participant.of(view)
        return refusal(conflict, participant=portrait.model_dump(mode="json", by_alias=True))


@ROUTER.get(
    "/participants",
    operation_id="listParticipants",
    summary="Everybody who took or takes part",
    response_model=body.Participants,
    responses=problems(READ_PROBLEMS),
)
async def list_participants(call: Reader, interaction_id: InteractionInPath) -> Response:
    view = await call.board.interactions.get(call.principal, InteractionId(interaction_id))
    found = tuple(map(wire_view.Participant.of, view.participants))
    return model_response(body.Participants(participants=found), headers={"ETag": etag(view)})


@ROUTER.get(
    "/participants/{participantId}",
    operation_id="getParticipant",
    summary="One participant",
    response_model=wire_view.Participant,
    responses=problems(READ_PROBLEMS),
)
async def get_participant(
    call: Reader, interaction_id: InteractionInPath, participant_id: ParticipantInPath
) -> Response:
    view = await call.board.interactions.get(call.principal, InteractionId(interaction_id))
    return _participant_response(view, ParticipantId(participant_id))


@ROUTER.patch(
    "/participants/{participantId}",
    operation_id="changeParticipant",
    summary="Mute, unmute, hold, resume, or take out",
    response_model=wire_view.Participant,
    responses=problems(WRITE_PROBLEMS),
)
async def change_participant(
    call: Writer,
    interaction_id: InteractionInPath,
    participant_id: ParticipantInPath,
    change: body.ParticipantChange,
) -> Response:
    id_, whom = InteractionId(interaction_id), ParticipantId(participant_id)
    board, principal = call.board, call.principal
    commands = {
        (True, None): board.participants.mute,
        (False, None): board.participants.unmute,
        (None, "held"): board.participants.hold,
        (None, "in-session"): board.participants.resume,
        (None, "disconnected"): board.participants.remove,
    }
    call.require_match(id_)
    work = commands[change.muted, change.state](principal, id_, whom)
    return await call.answer(
        work, lambda _changed: _participant_response(board.interactions.snapshot(id_), whom)
    )


@ROUTER.delete(
    "/participants/{participantId}",
    operation_id="removeParticipant",
    summary="Take somebody out",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def remove_participant(
    call: Writer, interaction_id: InteractionInPath, participant_id: ParticipantInPath
) -> Response:
    id_, whom = InteractionId(interaction_id), ParticipantId(participant_id)
    call.require_match(id_)
    work = call.board.participants.remove(call.principal, id_, whom)
    return await call.carry_out(work)


@ROUTER.post(
    "/prompts",
    operation_id="playPrompt",
    summary="Play a prompt to one participant or to all",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def play_prompt(call: Writer, interaction_id: InteractionInPath, wish: body.PromptWish) -> Response:
    whom = ParticipantId(wish.participant_id) if wish.participant_id else None
    work = call.board.prompts.play(call.principal, InteractionId(interaction_id), whom, wish.prompt)
    return await call.carry_out(work)


def _added(
    interaction: InteractionView, participant: ParticipantView, requested: str, status: int
) -> Response:
    portrait = wire_view.Participant.of(participant)
    id_ = interaction.interaction_id
    model = body.AddedParticipant(
        **portrait.model_dump(), interaction_id=id_, requested_participant_id=requested
    )
    place = f"{PREFIX}/interactions/{id_}/participants/{participant.participant_id}"
    return model_response(model, status, {"Location": place, "ETag": etag(interaction)})


def _participant_response(interaction: InteractionView, participant_id: ParticipantId) -> Response:
    found = next((p for p in interaction.participants if p.participant_id == participant_id), None)
    if found is None:
        raise NotFoundError(f"no participant {participant_id} in {interaction.interaction_id}")
    model = wire_view.Participant.of(found)
    return model_response(model, headers={"ETag": etag(interaction)})
