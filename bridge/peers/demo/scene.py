"""The demo played through once: a call comes in, an agent answers, adds an expert, all meet, the caller hangs up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import BridgeError
from bridge.peers.browser.browser import SyntheticBrowser, synthetic_browser
from bridge.peers.browser.signaling_client import all_in_session, has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.demo.script import Script
from bridge.peers.demo.verdict import AGENT, CUSTOMER, EXPERT, Evidence, FramesSeen
from bridge.peers.phone.caller import SyntheticCaller, synthetic_caller

ESCALATION_S = 45.0  # ten times what it takes on an idle machine
SETTLING_S = 2.0  # jitter buffers fill, the last party's first key frame arrives
ENDING_S = 10.0
WATCHED_AFTER_S = 2.5  # a packet may come 1 s after the hang-up; look well beyond
EXPERT_USER = "expert"
AGENT_USER = "agent"
ATTRIBUTES = {
    "escalation_reason": "Complex Case",
    "escalation_context": "Case #12345 - Payment Dispute",
    "case_number": "12345",
    "priority": "High",
}


@dataclass
class Scene:
    """The peers of one run and where the run stands; `phase` is for people."""

    script: Script
    daemon: DaemonProcess
    caller: SyntheticCaller
    agent: SyntheticBrowser
    expert: SyntheticBrowser
    phase: str = "starting"
    problem: str = ""
    started_at: float = field(default=0.0)
    ended_at: float = field(default=0.0)

    async def play(self, seconds: float) -> Evidence:
        """Plays the whole story. What goes wrong on the way is evidence, not an exception."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ESCALATION_S):
                await self._escalate()
            self.phase = "settling"
            await asyncio.sleep(SETTLING_S)
            self.phase, self.started_at = "conference", loop.time()
            await asyncio.sleep(seconds)
        except (BridgeError, TimeoutError) as error:
            self.problem = f"{self.phase}: {str(error) or 'took too long'}"
        self.ended_at = loop.time()
        await self._hang_up()
        return self._evidence(seconds)

    async def _escalate(self) -> None:
        self.phase = "agent and expert go ready"
        await self.agent.go_ready("agent")
        await self.expert.go_ready("sme")
        self.phase = "the customer calls"
        await self.caller.call(self.daemon.sip_uri())
        self.phase = "the agent answers"
        interaction_id = await self.agent.accept_offer()
        await self.agent.client.command("setAttributes", interactionId=interaction_id, attributes=ATTRIBUTES)
        self.phase = "the agent adds the expert"
        await self.agent.client.command(
            "addParticipant", interactionId=interaction_id, userId=EXPERT_USER, type="video", role="sme"
        )
        await self.expert.accept_offer()
        self.phase = "all three meet"
        await self.agent.client.wait_for(all_in_session, ESCALATION_S)

    async def _hang_up(self) -> None:
        self.phase = "the customer hangs up"
        with contextlib.suppress(BridgeError):
            await self.caller.hang_up()
        try:
            await self.agent.client.wait_for(has_ended, ENDING_S)
        except TimeoutError:
            self.problem = self.problem or "the interaction did not end when the customer hung up"
        remaining = self.ended_at + WATCHED_AFTER_S - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, remaining))
        self.phase = "over"

    def _evidence(self, seconds: float) -> Evidence:
        window = self.started_at, self.ended_at
        if not self.started_at:
            window = self.ended_at, self.ended_at
        hearings = {
            CUSTOMER: self.caller.hearing,
            AGENT: self.agent.hearing,
            EXPERT: self.expert.hearing,
        }
        last_packet_at = {
            CUSTOMER: self.caller.last_packet_at,
            AGENT: self.agent.traffic.last_packet_at,
            EXPERT: self.expert.traffic.last_packet_at,
        }
        return Evidence(
            seconds=seconds,
            problem=self.problem,
            interaction_ids=frozenset(interaction_ids(self.agent)) | frozenset(interaction_ids(self.expert)),
            heard={
                party: [s.levels_db for s in hearing.between(*window)] for party, hearing in hearings.items()
            },
            seen={AGENT: frames_seen(self.expert, self.agent), EXPERT: frames_seen(self.agent, self.expert)},
            last_packet_s={party: at - self.ended_at for party, at in last_packet_at.items() if at},
        )


def interaction_ids(browser: SyntheticBrowser) -> set[str]:
    """Every interaction id that any event named, at any depth a client looks at."""
    found: set[str] = set()
    for heard in browser.client.events:
        event = heard.event
        places = (event, event.get("interaction") or {}, event.get("offer") or {})
        found.update(place["interactionId"] for place in places if "interactionId" in place)
    return found


def frames_seen(viewer: SyntheticBrowser, shower: SyntheticBrowser) -> FramesSeen:
    picture_id = shower.appearance.picture_id
    tally = viewer.tallies.get(picture_id) if picture_id is not None else None
    return FramesSeen(tally.seen, tally.missing) if tally else FramesSeen(0, 0)


@contextlib.asynccontextmanager
async def stage(directory: Path, script: Script) -> AsyncIterator[Scene]:
    """A daemon and its three peers, connected and waiting; all of it ends with the block."""
    async with (
        daemon_process(directory) as daemon,
        synthetic_browser(daemon.websocket_url, daemon.token(AGENT_USER), script.agent) as agent,
        synthetic_browser(daemon.websocket_url, daemon.token(EXPERT_USER), script.expert) as expert,
        synthetic_caller(script.customer_plays_hz, script.tones_hz) as caller,
    ):
        expert.client.alter = script.alter_experts_events
        yield Scene(script, daemon, caller, agent, expert)
