"""From the commands of flows to the methods of the switchboard; `dispatch` hands them here."""

from typing import assert_never

from bridge.ids import FlowId, FlowRunId, InteractionId
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from signaling.web.protocol import flow_message
from signaling.web.protocol.flow_message import Flow, FlowRun, FlowRunResult, FlowsResult


async def carry_out_flowing(
    board: Switchboard, principal: Principal, command: flow_message.Flowing
) -> FlowRunResult | FlowsResult | None:
    match command:
        case flow_message.StartFlow():
            interaction_id, flow_id = InteractionId(command.interaction_id), FlowId(command.flow_id)
            started = await board.flows.start(principal, interaction_id, flow_id, command.properties)
            return FlowRunResult(flow_run=FlowRun.of(started.run))
        case flow_message.StopFlow():
            interaction_id, run_id = InteractionId(command.interaction_id), FlowRunId(command.flow_run_id)
            await board.flows.stop(principal, interaction_id, run_id, command.reason)
            return None
        case flow_message.ListFlows():
            flows = await board.flows.list(principal)
            return FlowsResult(flows=tuple(map(Flow.of, flows)))
        case _:
            assert_never(command)
