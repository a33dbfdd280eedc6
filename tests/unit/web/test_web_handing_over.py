"""Transfers, supervision and companion links as commands of the websocket, down to the real switchboard."""

import json

import pytest

from bridge.errors import BridgeError, NotAllowedError
from bridge.ids import InteractionId
from signaling.web.command.handing_over import carry_out_handing_over
from signaling.web.protocol.messages import parse_command
from signaling.web.protocol.reply import CompanionLinkResult, InteractionResult, ParticipantResult, Result
from signaling.web.protocol.transfer_message import HandingOver
from tests.unit.switchboard.test_switchboard_companions import WrittenLinks
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, EVE, Theatre, theatre, who

SUE = who("sue", scopes=ALL_SCOPES | {"interaction:supervise"})


async def command(stage: Theatre, name: str, id_: InteractionId, **fields: object) -> Result:
    """Said by Alice, or by Sue if it is about supervising."""
    text = json.dumps({"id": 1, "command": name, "interactionId": id_, **fields})
    read = parse_command(text)
    assert isinstance(read, HandingOver)
    principal = SUE if name == "superviseInteraction" else ALICE
    return await carry_out_handing_over(stage.board, principal, read)


async def consulting(stage: Theatre) -> InteractionId:
    id_ = await stage.answered_call()
    await stage.board.users.set_presence(EVE, "ready", "sme")
    sought = await command(stage, "consultParticipant", id_, userId="eve", properties={"case_number": "7"})
    assert isinstance(sought, ParticipantResult)
    assert (sought.participant.user_id, sought.participant.state) == ("eve", "alerting")
    assert (await stage.view(id_)).attributes["case_number"] == "7"
    await stage.accept(EVE)
    await stage.join(EVE, id_)
    return id_


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("completeTransfer", {"customer": "in-session", "agent": "disconnected", "sme": "in-session"}),
        ("mergeConsult", {"customer": "in-session", "agent": "in-session", "sme": "in-session"}),
        ("cancelTransfer", {"customer": "in-session", "agent": "in-session", "sme": "disconnected"}),
    ],
)
async def test_a_consult_ends_in_one_of_three_ways(name: str, states: dict[str, str]) -> None:
    async with theatre() as stage:
        id_ = await consulting(stage)
        reason = {"reason": "thought better of it"} if name == "cancelTransfer" else {}
        result = await command(stage, name, id_, **reason)
        assert isinstance(result, InteractionResult)
        assert result.interaction.interaction_id == id_
        assert {p.role: p.state for p in result.interaction.participants} == states


async def test_a_blind_transfer_goes_to_the_one_who_is_named() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        result = await command(stage, "transferBlind", id_, userId="eve", role="sme")
        assert isinstance(result, InteractionResult)
        assert stage.offer_to(EVE).interaction_id == id_
        with pytest.raises(BridgeError):
            await command(stage, "transferBlind", id_)  # to nobody


async def test_a_supervisor_whispers_to_the_agent() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        agent = await stage.participant(id_, "agent")
        result = await command(
            stage, "superviseInteraction", id_, mode="whisper", participantId=agent.participant_id
        )
        assert isinstance(result, ParticipantResult)
        assert result.participant.role == "supervisor"
        supervision = result.participant.supervision
        assert supervision is not None
        assert (supervision.mode, supervision.coached_id) == ("whisper", agent.participant_id)


async def test_a_link_is_made_for_the_caller_and_for_nobody_else() -> None:
    async with theatre() as stage:
        stage.board.companions.attach(WrittenLinks())
        id_ = await stage.answered_call()
        result = await command(stage, "createCompanionLink", id_)
        assert isinstance(result, CompanionLinkResult)
        assert "#" in result.link.url
        agent = await stage.participant(id_, "agent")
        with pytest.raises(NotAllowedError):
            await command(stage, "createCompanionLink", id_, participantId=agent.participant_id)
