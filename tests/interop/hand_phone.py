"""A synthetic phone that says what it is told in SDP, by hand, with media of its own on two addresses."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bridge.clock import SystemClock
from bridge.peers.beside import beside
from bridge.peers.rtp_phone import RtpPhone
from bridge.wire.sdp import parse_session_description
from signaling.sip.endpoint import SipEndpoint
from signaling.sip.event import AgentEvent, CallAnswered, CallEnded, CallKey, ReofferAnswered, ReofferRefused
from signaling.sip.settings import EndpointSettings
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ

HOST, ELSEWHERE = "127.0.0.1", "127.0.0.2"
# A key as good as any: what it sends is not encrypted with it.
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"


@dataclass(frozen=True)
class Step:
    """What the phone offers, and what flows after it: `up` from the phone, `down` to it."""

    name: str
    up: bool
    down: bool
    direction: str = "sendrecv"
    payload_type: int = 0
    host: str = HOST  # where it receives and sends from
    keyed: bool = False  # it says that its sound is encrypted
    connection: str = ""  # the c= line, if it is not `host`


TALK = Step("talk", up=True, down=True)


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
            f"m=audio {port} RTP/{'SAVP' if step.keyed else 'AVP'} {step.payload_type}\r\n"
            f"a=rtpmap:{step.payload_type} {name}/8000\r\n"
            f"a={step.direction}\r\n{CRYPTO if step.keyed else ''}"
        )

    async def call(self, target: str, step: Step = TALK) -> None:
        self._call = self._endpoint.agent.invite(target, self.describe(step), self._endpoint.now())
        self._endpoint.flush()
        async with asyncio.timeout(10):
            self._follow(step, await self._answers.get())

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
