"""The flow commands of the websocket, down to the real switchboard."""

import json

import pytest

from bridge.errors import ParseError
from signaling.web.command.flowing import carry_out_flowing
from signaling.web.protocol.flow_message import Flowing, FlowRunResult, FlowsResult
from signaling.web.protocol.messages import parse_command
from signaling.web.protocol.wire_view import Interaction
from tests.unit.switchboard.test_switchboard_flows import SEEK, policy
from tests.unit.switchboard.theatre import ALICE, theatre


def read(name: str, **fields: object) -> Flowing:
    command = parse_command(json.dumps({"id": 1, "command": name, **fields}))
    assert isinstance(command, Flowing)
    return command


async def test_a_flow_is_listed_started_seen_and_stopped() -> None:
    async with theatre(policy(SEEK)) as stage:
        id_ = await stage.answered_call()
        listed = await carry_out_flowing(stage.board, ALICE, read("listFlows"))
        assert isinstance(listed, FlowsResult)
        assert [flow.flow_id for flow in listed.flows] == ["escalation"]
        start = read("startFlow", interactionId=id_, flowId="escalation", properties={"case_number": "7"})
        started = await carry_out_flowing(stage.board, ALICE, start)
        assert isinstance(started, FlowRunResult)
        run = started.flow_run.model_dump(by_alias=True)
        assert (run["flowId"], run["step"], run["startedBy"]) == ("escalation", "seek", "alice")
        wire = Interaction.of(await stage.view(id_))
        assert [running.flow_run_id for running in wire.flows] == [started.flow_run.flow_run_id]
        stop = read("stopFlow", interactionId=id_, flowRunId=started.flow_run.flow_run_id)
        assert await carry_out_flowing(stage.board, ALICE, stop) is None
        assert (await stage.view(id_)).flows == ()


@pytest.mark.parametrize(
    "fields",
    [{}, {"interactionId": "int_1"}, {"interactionId": "int_1", "flowId": "x", "properties": {"": "a"}}],
)
def test_a_command_without_what_it_needs_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ParseError):
        read("startFlow", **fields)
