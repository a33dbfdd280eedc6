"""A synthetic phone: the SIP core of the bridge as a client, and sound of its own over RTP."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.clock import SystemClock
from bridge.errors import CallFailedError, ConflictError, NegotiationError, NotAllowedError, NotFoundError
from bridge.negotiation.phone.audio import PhonePreferences
from bridge.negotiation.phone.phone import PhoneSession
from bridge.peers.beside import beside
from bridge.peers.hearing import Hearing
from bridge.peers.phone.picture_phone import PicturePhone
from bridge.peers.phone.rtp_phone import RtpPhone, RtpTraffic
from bridge.peers.tone import Samples
from bridge.wire.sdp_section import Direction
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallRefused,
    CallReoffered,
    ReofferAnswered,
    ReofferRefused,
)
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.shell.settings import EndpointSettings

CALL_TIMEOUT_S = 15.0
BYE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class CallerSettings:
    """`user` stands in From and Contact. `sip_port` 0 takes any free one. `patience_s` is for an answer.

    With a `picture_id` it is a video phone that has these codecs, its best first, and calls by voice unless
    `calls_with_video`.
    """

    address: str = "127.0.0.1"
    sip_port: int = 0
    transport: str = "udp"
    user: str = "caller"
    patience_s: float = CALL_TIMEOUT_S
    picture_id: int | None = None
    video_codecs: tuple[str, ...] = ("H264", "VP8")
    calls_with_video: bool = False


class SyntheticCaller:
    """One phone with one call at a time. It calls, or answers whoever calls it."""

    def __init__(
        self,
        plays_hz: Sequence[float],
        tones_hz: Mapping[str, float],
        settings: CallerSettings | None = None,
    ) -> None:
        self._settings = settings or CallerSettings()
        self._phone = RtpPhone(plays_hz, tones_hz, secrets.token_hex)
        self._endpoint = SipEndpoint(
            EndpointSettings(address=self._settings.address, port=self._settings.sip_port),
            SystemClock(),
            secrets.token_hex,
            self._on_event,
            self._settings.user,
        )
        self.picture: PicturePhone | None = None
        if self._settings.picture_id is not None:
            self.picture = PicturePhone(self._settings.picture_id, secrets.token_hex)
        self._session = self._new_session()
        self._call: CallKey | None = None
        self._waiter: asyncio.Future[str] | None = None
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.ended_by = ""  # local | remote | timeout
        self.held = False  # the other side does not want to hear us

    # --- what a test or the demo does ---------------------------------------------------------------------

    async def call(self, target: str) -> None:
        """Calls a SIP URI and returns when it is answered. Raises CallFailedError with the status."""
        if self._call is not None:
            raise ConflictError("this phone is in a call already")
        self.ended.clear()
        if self._settings.transport != "udp" and ";transport=" not in target:
            target = f"{target};transport={self._settings.transport}"
        self._call = self._endpoint.agent.invite(target, self._session.offer(), self._endpoint.now())
        try:
            self._agree(await self._outcome(self._settings.patience_s))
        except TimeoutError:
            self._say_goodbye()
            raise CallFailedError("the call was not answered in time", 408) from None
        self.answered.set()

    async def hang_up(self) -> None:
        """Ends the call and waits until the other side agreed. Without a call there is nothing to do."""
        if self._call is None:
            return
        self._say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BYE_TIMEOUT_S):
                await self.ended.wait()

    async def hold(self) -> None:
        """Re-INVITE with a=sendonly: the other side shall not send."""
        self._session.want(Direction.SENDONLY)
        await self._reoffer()

    async def resume(self) -> None:
        self._session.want(Direction.SENDRECV)
        await self._reoffer()

    async def turn_camera(self, *, on: bool) -> None:
        """Re-INVITE that adds video, or ends video that this phone added."""
        self._session.want_video(wanted=on)
        await self._reoffer()

    @property
    def has_video(self) -> bool:
        """Video is agreed now."""
        return self._session.video is not None

    @property
    def shows_video(self) -> bool:
        """Its film is wanted now."""
        return self._session.video is not None and self._session.video.sends

    def press(self, digit: str, duration_ms: int = 160) -> None:
        """One key, by RFC 4733."""
        self._phone.press(digit, duration_ms)

    @property
    def sip_uri(self) -> str:
        """Where this phone can be called."""
        return f"sip:{self._settings.user}@{self._settings.address}:{self._endpoint.port}"

    @property
    def hearing(self) -> Hearing:
        """What it heard, second by second."""
        return self._phone.hearing

    @property
    def traffic(self) -> RtpTraffic:
        return self._phone.traffic

    @property
    def last_packet_at(self) -> float:
        """When the last RTP packet came, in the loop's time; 0 before the first."""
        return self._phone.traffic.last_packet_at

    @property
    def pcm(self) -> Samples:
        """The sound received, 16 bit at 8 kHz, the last ten minutes of it."""
        return self._phone.pcm

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The phone is on while the block runs; a call that is still up is ended with it."""
        await self._phone.open(self._settings.address)
        if self.picture is not None:
            await self.picture.open(self._settings.address)
        self._place_session()
        try:
            async with beside(self._phone.run()), beside(self._film()):
                await self._endpoint.open(asyncio.get_running_loop())
                try:
                    yield
                finally:
                    await self.hang_up()
                    self._endpoint.close()
        finally:
            self._phone.close()
            if self.picture is not None:
                self.picture.close()

    # --- inside -------------------------------------------------------------------------------------------

    async def _outcome(self, timeout_s: float) -> str:
        """Sends what was commanded and waits for the SDP that answers it."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._endpoint.flush()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._waiter
        finally:
            self._waiter = None

    def _new_session(self) -> PhoneSession:
        settings = self._settings
        video_codecs = settings.video_codecs if self.picture is not None else ()
        session = PhoneSession(1, PhonePreferences(codecs=("PCMU",), video_codecs=video_codecs))
        session.want_video(wanted=settings.calls_with_video)
        return session

    def _place_session(self) -> None:
        self._session.place(*self._phone.address, self.picture.port if self.picture is not None else None)

    async def _film(self) -> None:
        if self.picture is not None:
            await self.picture.run()

    async def _reoffer(self) -> None:
        if self._call is None:
            raise NotAllowedError("this phone is in no call")
        offer = self._session.offer()
        self._endpoint.agent.reinvite(self._call, offer, self._endpoint.now())
        self._agree(await self._outcome(CALL_TIMEOUT_S))

    def _agree(self, answer: str) -> None:
        self._session.receive_answer(answer)
        self._follow_agreement()

    def _follow_agreement(self) -> None:
        audio = self._session.audio
        if audio is None:
            return
        self._phone.remote = (audio.remote_address, audio.remote_port)
        self._phone.dtmf_payload_type = audio.dtmf_payload_type
        self._phone.sends = audio.sends
        if self.picture is not None:
            self.picture.follow(self._session.video)
        self.held = self._session.held_by_remote

    def _say_goodbye(self) -> None:
        self._phone.remote = None
        if self._call is not None:
            with contextlib.suppress(NotFoundError):
                self._endpoint.agent.hang_up(self._call, "", self._endpoint.now())
            self._endpoint.flush()

    def _on_event(self, event: AgentEvent) -> None:
        match event:
            case CallArrived():
                self._take_call(event)
            case CallAnswered() | ReofferAnswered():
                self._settle(event.answer, None)
            case CallRefused():
                self._over("remote")
                self._settle("", CallFailedError(f"{event.status} {event.reason}", event.status))
            case ReofferRefused():
                self._session.withdraw_offer()
                self._settle("", CallFailedError(f"{event.status} {event.reason}", event.status))
            case CallReoffered():
                self._take_reoffer(event)
            case CallEnded() if event.call == self._call:
                self._over(event.by)
                self._settle("", CallFailedError(event.reason or "the call ended", 487))
            case _:
                pass

    def _take_call(self, event: CallArrived) -> None:
        agent, now = self._endpoint.agent, self._endpoint.now()
        if self._call is not None:
            agent.reject(event.call, 486, now)
            return
        try:
            self._session.receive_offer(event.offer)
        except NegotiationError as error:
            agent.reject(event.call, 488, now, error.reason)
            return
        self.ended.clear()
        self._call = event.call
        self._follow_agreement()
        agent.accept(event.call, self._session.answer(), now)
        self.answered.set()

    def _take_reoffer(self, event: CallReoffered) -> None:
        agent, now = self._endpoint.agent, self._endpoint.now()
        try:
            self._session.receive_offer(event.offer)
        except NegotiationError as error:
            agent.reject_reinvite(event.call, 488, now, error.reason)
            return
        self._follow_agreement()
        agent.answer_reinvite(event.call, self._session.answer(), now)

    def _settle(self, answer: str, error: CallFailedError | None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(answer)
        else:
            self._waiter.set_exception(error)

    def _over(self, by: str) -> None:
        self._phone.remote = None
        self._call = None
        self._session = self._new_session()
        self._place_session()
        if self.picture is not None:
            self.picture.follow(None)
        self.answered.clear()
        self.ended_by = by
        self.ended.set()


@contextlib.asynccontextmanager
async def synthetic_caller(
    plays_hz: Sequence[float], tones_hz: Mapping[str, float], settings: CallerSettings | None = None
) -> AsyncIterator[SyntheticCaller]:
    """A phone that plays `plays_hz` in a call and listens for `tones_hz`."""
    caller = SyntheticCaller(plays_hz, tones_hz, settings)
    async with caller.running():
        yield caller
