"""A synthetic phone that says what it is told in SDP, by hand, with media of its own on two addresses."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bridge.clock import SystemClock
from bridge.negotiation.phone.section import reach_of
from bridge.peers.beside import beside
from bridge.peers.phone.picture_phone import PicturePhone
from bridge.peers.phone.rtp_pair import RtpPair
from bridge.peers.phone.rtp_phone import RtpPhone
from bridge.plane.messages import Codec, RtpVideo
from bridge.transport.srtp import SrtpSession, suite_keys
from bridge.wire.sdes import SUITES, crypto_line, read_keys
from bridge.wire.sdp import parse_session_description
from bridge.wire.sdp_section import Direction, MediaSection, make_direction
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallEnded,
    CallKey,
    CallRefused,
    CallReoffered,
    ReofferAnswered,
    ReofferRefused,
)
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.shell.settings import EndpointSettings
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ

HOST, ELSEWHERE = "127.0.0.1", "127.0.0.2"
# A key as good as any: what it sends is not encrypted with it.
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"


@dataclass(frozen=True)
class Step:
    """What the phone offers, and what flows after it: `up` from the phone, `down` to it.

    "off" is a section with port 0. `film` is the direction of the video section, None for a phone without.
    """

    name: str
    up: bool
    down: bool
    direction: str = "sendrecv"
    payload_type: int = 0
    host: str = HOST  # where it receives and sends from
    keyed: bool = False  # it says that its sound is encrypted
    connection: str = ""  # the c= line, if it is not `host`
    film: str | None = None
    film_connection: str = ""


TALK = Step("talk", up=True, down=True)
SUITE = "AES_CM_128_HMAC_SHA1_80"
VP8 = (Codec("VP8", 96, 90_000),)
ALWAYS = (Direction.SENDRECV,) * 2


class HandPhone:
    """Says what it is told in SDP, with media of its own on two addresses.

    With a `picture_id` it has a film too, on the first of them, and sends sound and film whatever it said it
    would: who does not want it must not let it through. `encrypts` them with keys of its own.
    """

    def __init__(
        self,
        picture_id: int | None = None,
        *,
        encrypts: bool = False,
        mki: bytes = b"",
        token_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.media = {host: RtpPhone((CUSTOMER_HZ,), TONES_HZ, token_hex) for host in (HOST, ELSEWHERE)}
        self.film = None if picture_id is None else PicturePhone(picture_id, token_hex)
        self._keys = tuple(secrets.token_bytes(SUITES[SUITE].size) for _ in range(2)) if encrypts else ()
        self._mki = mki  # in each of its packets, as its keys' lines say
        self.film_port = 0  # the bridge's
        self.peer_keys: list[set[bytes]] = [set(), set()]  # that were ever agreed for sound and film
        self._endpoint = SipEndpoint(
            EndpointSettings(port=0), SystemClock(), secrets.token_hex, self._hear, "hand"
        )
        self._call: CallKey | None = None
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._step = TALK
        self._version = 0
        self.ended = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["HandPhone"]:
        for host, phone in self.media.items():
            await phone.open(host)
        if self.film is not None:
            await self.film.open(HOST)
        films = beside(self.film.run()) if self.film is not None else contextlib.nullcontext()
        try:
            async with films, beside(self.media[HOST].run()), beside(self.media[ELSEWHERE].run()):
                await self._endpoint.open(asyncio.get_running_loop())
                try:
                    yield self
                finally:
                    self._endpoint.close()
        finally:
            for phone in self.media.values():
                phone.close()
            if self.film is not None:
                self.film.close()

    def describe(self, step: Step, offered: Sequence[Direction] = ALWAYS) -> str:
        """In an answer, `offered` are the directions of the sections of the offer."""
        self._version += 1
        port = self.media[step.host].address[1] if step.direction != "off" else 0
        name = {0: "PCMU", 8: "PCMA"}[step.payload_type]
        return (
            f"v=0\r\no=- 7 {self._version} IN IP4 {step.host}\r\ns=-\r\n"
            f"c=IN {reach_of(step.connection)} {step.connection or step.host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/{'SAVP' if step.keyed or self._keys else 'AVP'} {step.payload_type}\r\n"
            f"a=rtpmap:{step.payload_type} {name}/8000\r\n"
            f"a={_both(step.direction, offered[0])}\r\n{CRYPTO if step.keyed else self._crypto(0)}"
            f"{self._describe_film(step, offered[1]) if len(offered) > 1 else ''}"
        )

    def _describe_film(self, step: Step, offered: Direction) -> str:
        if self.film is None or step.film is None:
            return ""
        profile = "RTP/SAVP" if self._keys else "RTP/AVP"
        if step.film == "off":
            return f"m=video 0 {profile} 96\r\n"
        connection = f"c=IN IP4 {step.film_connection}\r\n" if step.film_connection else ""
        return (
            f"m=video {self.film.port} {profile} 96\r\n{connection}"
            f"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na={_both(step.film, offered)}\r\n"
            f"{self._crypto(1)}"
        )

    def _crypto(self, index: int) -> str:
        return (
            f"a=crypto:{crypto_line(1, SUITE, self._keys[index], self._mki).value}\r\n" if self._keys else ""
        )

    async def call(self, target: str, step: Step = TALK) -> None:
        self._call = self._endpoint.agent.invite(target, self.describe(step), self._endpoint.now())
        self._endpoint.flush()
        async with asyncio.timeout(10):
            answer = await self._answers.get()
        assert not answer.startswith("refused"), answer
        self._follow(step, answer)

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
        if answer.startswith("refused"):
            return
        self._step = step
        section, *others = parse_session_description(answer).media
        self._adopt_key(0, section, self.media[HOST].pair)
        if self.film is not None and others and others[0].port:
            self._adopt_key(1, others[0], self.film.pair)
            port = self.film_port = others[0].port
            self.film.follow(RtpVideo(HOST, port, port + 1, VP8, VP8))
        for host, phone in self.media.items():
            phone.remote = (HOST, section.port) if host == step.host else None
            phone.sends = step.up or self.film is not None
            phone.payload_type = step.payload_type

    def _adopt_key(self, index: int, section: MediaSection, pair: RtpPair) -> None:
        if not self._keys:
            return
        (found,) = read_keys(section.cryptos, (SUITE,))
        self.peer_keys[index].add(found.key)
        if pair.srtp is None:
            pair.srtp = SrtpSession(suite_keys(SUITE, self._keys[index], found.key, self._mki, found.mki))

    def _take_offer(self, event: CallReoffered) -> None:
        """As it is set now, no more than what is offered; hold and resume change nothing of its own."""
        offered = [section.attributes.direction or Direction.SENDRECV for section in _sections(event.offer)]
        answer = self.describe(self._step, offered)
        self._endpoint.agent.answer_reinvite(event.call, answer, self._endpoint.now())

    def _hear(self, event: AgentEvent) -> None:
        match event:
            case CallReoffered():
                self._take_offer(event)
            case CallAnswered() | ReofferAnswered():
                self._answers.put_nowait(event.answer)
            case ReofferRefused() | CallRefused():
                self._answers.put_nowait(f"refused: {event.status} {event.reason}")
            case CallEnded():
                self.ended = True
            case _:
                pass


def _sections(text: str) -> tuple[MediaSection, ...]:
    return parse_session_description(text).media


def _both(own: str, offered: Direction) -> str:
    ours = Direction(own) if own != "off" else Direction.INACTIVE
    return make_direction(
        sends=ours.sends and offered.receives, receives=ours.receives and offered.sends
    ).value
