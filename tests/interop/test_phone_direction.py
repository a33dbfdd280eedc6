"""Pressing hold must not hang up, nor leave one way silent: each description a phone may offer on a call that is
up, written by hand, and after each the packets and tones that go on in either direction, and those that do not."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bridge.clock import SystemClock
from bridge.peers.beside import beside
from bridge.peers.browser import SyntheticBrowser
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.rtp_phone import RtpPhone
from bridge.peers.signaling_client import has_ended
from bridge.wire.sdp import parse_session_description
from signaling.sip.endpoint import SipEndpoint
from signaling.sip.event import AgentEvent, CallAnswered, CallEnded, CallKey, ReofferAnswered, ReofferRefused
from signaling.sip.settings import EndpointSettings
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, TONES_HZ, desktop, hears
from tests.interop.programs import eventually

HOST, ELSEWHERE = "127.0.0.1", "127.0.0.2"
PACKETS = 25  # 500 ms of sound
QUIET = 3  # packets that were on their way while the answer was


@dataclass(frozen=True)
class Step:
    """What the phone offers, and what flows after it: `up` from the phone, `down` to it."""

    name: str
    up: bool
    down: bool
    direction: str = "sendrecv"
    payload_type: int = 0
    host: str = HOST  # where it receives and sends from
    connection: str = ""  # the c= line, if it is not `host`


TALK = Step("talk", up=True, down=True)
HOLDS = (
    Step("sendonly", up=True, down=False, direction="sendonly"),
    Step("inactive", up=False, down=False, direction="inactive"),
    Step("recvonly", up=False, down=True, direction="recvonly"),
    Step("0.0.0.0", up=True, down=False, connection="0.0.0.0"),  # RFC 2543's hold
    Step("sendonly and 0.0.0.0", up=True, down=False, direction="sendonly", connection="0.0.0.0"),
)
CHANGES = (
    Step("another codec", up=True, down=True, payload_type=8),
    Step("another address", up=True, down=True, host=ELSEWHERE),
    Step("both at once", up=True, down=True, payload_type=8, host=ELSEWHERE),
    Step("the same again", up=True, down=True),
)


class HandPhone:
    """Says what it is told in SDP, with media of its own on two addresses."""

    def __init__(self) -> None:
        self.media = {
            host: RtpPhone((CUSTOMER_HZ,), TONES_HZ, secrets.token_hex) for host in (HOST, ELSEWHERE)
        }
        self._endpoint = SipEndpoint(
            EndpointSettings(port=0), SystemClock(), secrets.token_hex, self._hear, "hand"
        )
        self._call: CallKey | None = None
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._version = 0
        self.ended = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["HandPhone"]:
        for host, phone in self.media.items():
            await phone.open(host)
        try:
            async with beside(self.media[HOST].run()), beside(self.media[ELSEWHERE].run()):
                await self._endpoint.open(asyncio.get_running_loop())
                try:
                    yield self
                finally:
                    self._endpoint.close()
        finally:
            for phone in self.media.values():
                phone.close()

    def describe(self, step: Step) -> str:
        self._version += 1
        port = self.media[step.host].address[1]
        name = {0: "PCMU", 8: "PCMA"}[step.payload_type]
        return (
            f"v=0\r\no=- 7 {self._version} IN IP4 {step.host}\r\ns=-\r\n"
            f"c=IN IP4 {step.connection or step.host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP {step.payload_type}\r\na=rtpmap:{step.payload_type} {name}/8000\r\n"
            f"a={step.direction}\r\n"
        )

    async def call(self, target: str) -> None:
        agent = self._endpoint.agent
        self._call = agent.invite(target, self.describe(TALK), self._endpoint.now())
        self._endpoint.flush()
        self._follow(TALK, await self._answers.get())

    async def offer(self, step: Step) -> str:
        """Returns the bridge's answer."""
        assert self._call is not None
        self._endpoint.agent.reinvite(self._call, self.describe(step), self._endpoint.now())
        self._endpoint.flush()
        async with asyncio.timeout(10):
            answer = await self._answers.get()
        self._follow(step, answer)
        return answer

    async def ask_for_offer(self) -> str:
        """Re-INVITE without SDP; returns the bridge's offer, which stays without an answer."""
        assert self._call is not None
        self._endpoint.agent.reinvite(self._call, "", self._endpoint.now())
        self._endpoint.flush()
        async with asyncio.timeout(10):
            return await self._answers.get()

    def _follow(self, step: Step, answer: str) -> None:
        section = parse_session_description(answer).media[0]
        for host, phone in self.media.items():
            phone.remote = (HOST, section.port) if host == step.host else None
            phone.sends = step.up
            phone.payload_type = step.payload_type

    def _hear(self, event: AgentEvent) -> None:
        match event:
            case CallAnswered() | ReofferAnswered():
                self._answers.put_nowait(event.answer)
            case ReofferRefused():
                self._answers.put_nowait(f"refused: {event.status} {event.reason}")
            case CallEnded():
                self.ended = True
            case _:
                pass


@contextlib.asynccontextmanager
async def conversation(daemon: DaemonProcess) -> AsyncIterator[tuple[HandPhone, SyntheticBrowser]]:
    async with desktop(daemon) as agent, HandPhone().running() as phone:
        await phone.call(daemon.sip_uri())
        await agent.accept_offer()
        await flows(phone, agent, TALK)
        yield phone, agent
        assert not phone.ended
        assert not any(has_ended(heard.event) for heard in agent.client.events)


async def flows(phone: HandPhone, agent: SyntheticBrowser, step: Step) -> None:
    """Exactly as the step says."""
    here = phone.media[step.host]
    before = here.traffic.packets_received
    if step.down:
        await eventually(
            f"{step.name}: sound comes down", lambda: here.traffic.packets_received >= before + PACKETS
        )
        seconds = len(here.hearing.seconds)
        await eventually(f"{step.name}: a second is heard", lambda: len(here.hearing.seconds) > seconds + 1)
        assert here.hearing.seconds[-1].levels_db["agent"] > -40, (step.name, AGENT_HZ)
    await (hears(agent, "customer") if step.up else hears(agent))
    if not step.down:
        assert here.traffic.packets_received <= before + QUIET, f"{step.name}: nothing comes down"


@pytest.mark.parametrize("hold", HOLDS, ids=lambda step: step.name)
async def test_hold_stops_what_it_says_and_resume_brings_both_ways_back(
    daemon: DaemonProcess, hold: Step
) -> None:
    """pains 1 and 2: the call stays, and so does whoever is in it."""
    async with conversation(daemon) as (phone, agent):
        for step in (hold, TALK, hold, TALK):
            await phone.offer(step)
            await flows(phone, agent, step)


async def test_every_change_of_a_call_that_is_up_leaves_sound_both_ways(daemon: DaemonProcess) -> None:
    """pains 2 and 3: codec and address, and media that come from and go to another place than before."""
    async with conversation(daemon) as (phone, agent):
        for step in (*CHANGES, TALK):
            await phone.offer(step)
            await flows(phone, agent, step)


async def test_a_phone_that_asks_for_an_offer_and_never_answers_it_talks_on(daemon: DaemonProcess) -> None:
    """A re-INVITE without SDP whose ACK brings none either: against RFC 3264, and no reason to lose anybody."""
    async with conversation(daemon) as (phone, agent):
        assert "a=sendrecv" in await phone.ask_for_offer()
        await flows(phone, agent, TALK)
        for step in (HOLDS[0], TALK):
            await phone.offer(step)
            await flows(phone, agent, step)
