"""Offer and answer with a phone: one audio stream over plain RTP; video sections are refused with port 0."""

import msgspec

from bridge.errors import GlareError, NegotiationError, NotAllowedError, ParseError
from bridge.negotiation.codecs import SHAPES
from bridge.negotiation.phone_audio import (
    PhoneAudio,
    PhonePreferences,
    is_unspecified,
    refuse,
    understand_audio,
    write_audio,
    write_description,
)
from bridge.plane.messages import Codec, RtpAudio
from bridge.wire.sdp import SessionDescription, parse_session_description, serialize_session_description
from bridge.wire.sdp_section import Direction, MediaSection, make_direction

_FIRST_DYNAMIC = 96  # RFC 3551 section 3
_FIRST_EVENT = 101  # as most phones number it; the number itself has no meaning


class PhoneAgreement(msgspec.Struct, frozen=True):
    """What one exchange came to. `audio` goes into `RtpLegSpec`; the rest is what `answer` writes."""

    audio: RtpAudio
    held_by_remote: bool
    remote: SessionDescription
    audio_index: int
    dtmf_clock_rate_hz: int = 8000

    def answer(
        self, local_address: str, local_port: int, session_id: int = 1, session_version: int = 1
    ) -> str:
        """The SDP answer, once the media plane said where the leg receives."""
        return write_description(
            local_address, session_id, session_version, self.answer_media(local_address, local_port)
        )

    def answer_media(self, local_address: str, local_port: int) -> tuple[MediaSection, ...]:
        """The m= sections of the answer: the audio, and all others refused."""
        return tuple(
            self._section(local_address, local_port) if index == self.audio_index else refuse(section)
            for index, section in enumerate(self.remote.media)
        )

    @property
    def remote_has_video(self) -> bool:
        """The phone described video, which this leg does not carry: the downgrade to voice has a reason."""
        return any(section.kind == "video" and section.port for section in self.remote.media)

    def _section(self, local_address: str, local_port: int) -> MediaSection:
        direction = make_direction(sends=self.audio.sends, receives=self.audio.receives)
        event = self.audio.dtmf_payload_type
        events = () if event is None else ((event, self.dtmf_clock_rate_hz),)
        protocol = self.remote.media[self.audio_index].protocol
        return write_audio(local_address, local_port, protocol, direction, (self.audio.codec,), events)


def answer_phone(offer_text: str, preferences: PhonePreferences | None = None) -> PhoneAgreement:
    """Agrees to a first offer without keeping a session. Raises NegotiationError (SIP status 488)."""
    return PhoneSession(1, preferences).receive_offer(offer_text)


class PhoneSession:
    """The description of one SIP leg over its life: either side may offer, one offer at a time.

    Inbound call: `receive_offer(invite_sdp)` -> declare `agreement.audio` -> `place(address, port)` ->
    `answer()` is the SDP of the 200. Outbound call or late offer: declare the leg without audio ->
    `place(address, port)` -> `offer()` -> `receive_answer(sdp)` -> declare `agreement.audio`.
    What is wrong in the peer's text raises NegotiationError and leaves the session as it was.
    """

    __slots__ = (
        "_agreement",
        "_answer_due",
        "_last_media",
        "_local",
        "_offered",
        "_preferences",
        "_session_id",
        "_version",
        "_wish",
    )

    def __init__(self, session_id: int, preferences: PhonePreferences | None = None) -> None:
        self._session_id = session_id
        self._preferences = preferences or PhonePreferences()
        self._version = 0
        self._local: tuple[str, int] | None = None
        self._wish = Direction.SENDRECV  # what the bridge wants; what is agreed may be less
        self._agreement: PhoneAgreement | None = None
        self._answer_due = False
        self._offered: _Offered | None = None
        self._last_media: tuple[str, tuple[MediaSection, ...]] | None = None

    @property
    def audio(self) -> RtpAudio | None:
        """What is agreed now; None before the first answer."""
        return None if self._agreement is None else self._agreement.audio

    @property
    def held_by_remote(self) -> bool:
        """The phone does not want to hear us: sendonly, inactive or the address 0.0.0.0."""
        return self._agreement is not None and self._agreement.held_by_remote

    @property
    def remote_has_video(self) -> bool:
        """The phone's last description has video, which this leg does not carry."""
        return self._agreement is not None and self._agreement.remote_has_video

    @property
    def offer_pending(self) -> bool:
        """Our offer is out and not answered."""
        return self._offered is not None

    def remember(self) -> bytes:
        """What `recall` needs to go on after a restart: what is agreed, not an offer on its way."""
        agreed = self._agreement
        memory = _Memory(
            session_id=self._session_id,
            version=self._version,
            wish=self._wish.value,
            audio=None if agreed is None else agreed.audio,
            held_by_remote=agreed is not None and agreed.held_by_remote,
            remote="" if agreed is None else serialize_session_description(agreed.remote),
            audio_index=0 if agreed is None else agreed.audio_index,
            dtmf_clock_rate_hz=8000 if agreed is None else agreed.dtmf_clock_rate_hz,
        )
        return msgspec.json.encode(memory)

    @classmethod
    def recall(cls, body: bytes, preferences: PhonePreferences | None = None) -> "PhoneSession":
        """The session that was remembered, without a place. Raises NegotiationError for bytes it cannot read."""
        try:
            memory = msgspec.json.decode(body, type=_Memory)
        except msgspec.MsgspecError as error:
            raise NegotiationError(f"what was remembered of the phone cannot be read: {error}") from error
        session = cls(memory.session_id, preferences)
        session._version = memory.version
        session._wish = Direction(memory.wish)
        if memory.audio is not None:
            session._agreement = PhoneAgreement(
                memory.audio,
                memory.held_by_remote,
                _parse(memory.remote),
                memory.audio_index,
                memory.dtmf_clock_rate_hz,
            )
        return session

    def place(self, local_address: str, local_port: int) -> None:
        """Where the leg receives RTP (RTCP one higher), from RtpLegDeclared. Again after a new worker."""
        self._local = (local_address, local_port)

    def receive_offer(self, offer_text: str) -> PhoneAgreement:
        """Takes the offer of an INVITE or re-INVITE. GlareError while ours is pending (SIP status 491)."""
        if self._offered is not None:
            raise GlareError("The bridge's own offer is not answered yet; try again (RFC 3264 section 4).")
        remote = _parse(offer_text)
        if self._agreement is not None and len(remote.media) < len(self._agreement.remote.media):
            raise NegotiationError("The new offer has fewer m= lines than the last (RFC 3264 section 8).")
        audio = self._choose(remote)
        self._agreement = self._agree(remote, audio, self._wish, held=not audio.direction.receives)
        self._answer_due = True
        return self._agreement

    def answer(self) -> str:
        """The text answering the last `receive_offer`; the same again until the next description."""
        if self._agreement is None or not self._answer_due:
            raise NotAllowedError("There is no offer of the phone to answer.")
        address, port = self._placed()
        return self._write(address, self._agreement.answer_media(address, port))

    def offer(self, direction: Direction | None = None) -> str:
        """Our offer, new or again. SENDONLY holds the phone, SENDRECV resumes it, None leaves that as it is.

        While it is pending the offer may be replaced: the answer then belongs to the last one.
        """
        address, port = self._placed()
        self._answer_due = False
        direction = self._wish if direction is None else direction
        codecs, events = self._offered_codecs()
        media = self._offer_media(write_audio(address, port, self._protocol, direction, codecs, events))
        self._offered = _Offered(direction, codecs, media)
        return self._write(address, media)

    def receive_answer(self, answer_text: str) -> PhoneAgreement:
        """Takes the answer to our offer. Raises NegotiationError when it has no usable audio."""
        offered = self._offered
        if offered is None:
            raise NotAllowedError("No offer of the bridge is pending.")
        remote = _parse(answer_text)
        index = self._agreement.audio_index if self._agreement is not None else 0
        if len(remote.media) != len(offered.media):
            raise NegotiationError("The answer has another number of m= lines (RFC 3264 section 6).")
        names = tuple(codec.name for codec in offered.codecs)
        preferences = msgspec.structs.replace(self._preferences, codecs=names)
        audio = understand_audio(remote, index, preferences, preferred=None, in_order=True)
        if audio is None:
            raise NegotiationError("The answer accepts no audio the bridge offered.")
        asked = offered.direction
        held = not audio.direction.receives if asked.sends else self.held_by_remote
        self._agreement = self._agree(remote, audio, asked, held=held)
        self._wish, self._offered = asked, None
        return self._agreement

    def withdraw_offer(self) -> None:
        """Our re-INVITE was refused (491, 488, timeout): what was agreed before holds on."""
        self._offered = None

    def _placed(self) -> tuple[str, int]:
        if self._local is None:
            raise NotAllowedError("The leg has no RTP port yet: place() comes first.")
        return self._local

    def _choose(self, remote: SessionDescription) -> PhoneAudio:
        agreed = self._agreement
        order = range(len(remote.media))
        # The section that carried the call goes first: a phone may add another audio section behind it.
        first = () if agreed is None else (agreed.audio_index,)
        preferred = None if agreed is None else agreed.audio.codec
        for index in (*first, *order):
            audio = understand_audio(remote, index, self._preferences, preferred, in_order=False)
            if audio is not None:
                return audio
        known = ", ".join(self._preferences.codecs)
        raise NegotiationError(f"The offer has no audio over plain RTP with one of {known}.")

    def _agree(
        self, remote: SessionDescription, audio: PhoneAudio, wish: Direction, *, held: bool
    ) -> PhoneAgreement:
        address, port, rtcp_port = audio.connection_address, audio.port, audio.rtcp_port
        if is_unspecified(address) and self._agreement is not None:
            # Old-style hold (RFC 3264 section 8.4) names no address; keep the one that worked.
            last = self._agreement.audio
            address, port, rtcp_port = last.remote_address, last.remote_port, last.remote_rtcp_port
        agreed = RtpAudio(
            remote_address=address,
            remote_port=port,
            remote_rtcp_port=rtcp_port,
            codec=audio.codec,
            dtmf_payload_type=audio.dtmf_payload_type,
            sends=wish.sends and audio.direction.receives,
            receives=wish.receives and audio.direction.sends,
        )
        return PhoneAgreement(agreed, held, remote, audio.index, audio.dtmf_clock_rate_hz)

    @property
    def _protocol(self) -> str:
        agreed = self._agreement
        return "RTP/AVP" if agreed is None else agreed.remote.media[agreed.audio_index].protocol

    def _offer_media(self, ours: MediaSection) -> tuple[MediaSection, ...]:
        agreed = self._agreement
        if agreed is None:
            return (ours,)
        # RFC 3264 section 8: every m= line ever agreed stays in its place, refused ones with port 0.
        return tuple(
            ours if index == agreed.audio_index else refuse(section)
            for index, section in enumerate(agreed.remote.media)
        )

    def _offered_codecs(self) -> tuple[tuple[Codec, ...], tuple[tuple[int, int], ...]]:
        """The codecs and telephone-events (payload type, clock) of our offer."""
        agreed = self._agreement
        if agreed is not None:
            # A re-offer changes the direction only: the same codec keeps the media plane untouched.
            event = agreed.audio.dtmf_payload_type
            return (agreed.audio.codec,), (() if event is None else ((event, agreed.dtmf_clock_rate_hz),))
        dynamic = _FIRST_DYNAMIC
        codecs = []
        for name in self._preferences.codecs:
            shape = SHAPES[name]
            number = shape.static_payload_type
            if number is None:
                number, dynamic = dynamic, dynamic + 1
            codecs.append(Codec(name, number, shape.clock_rate_hz, shape.channels))
        clocks = dict.fromkeys(codec.clock_rate_hz for codec in codecs) if self._preferences.dtmf else {}
        return tuple(codecs), tuple((_FIRST_EVENT + place, clock) for place, clock in enumerate(clocks))

    def _write(self, address: str, media: tuple[MediaSection, ...]) -> str:
        if (address, media) != self._last_media:
            # RFC 3264 section 8: the version grows by one when, and only when, something changed.
            self._version += 1
            self._last_media = (address, media)
        return write_description(address, self._session_id, self._version, media)


class _Memory(msgspec.Struct, frozen=True):
    """A session on disk."""

    session_id: int
    version: int
    wish: str
    audio: RtpAudio | None
    held_by_remote: bool
    remote: str
    audio_index: int
    dtmf_clock_rate_hz: int


class _Offered(msgspec.Struct, frozen=True):
    """Our offer while it waits for its answer."""

    direction: Direction
    codecs: tuple[Codec, ...]
    media: tuple[MediaSection, ...]


def _parse(text: str) -> SessionDescription:
    try:
        return parse_session_description(text)
    except ParseError as error:
        raise NegotiationError(error.reason) from error
