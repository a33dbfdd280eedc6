"""Offer and answer with a phone: one audio stream over plain RTP; video sections are refused with port 0."""

import ipaddress

import msgspec

from bridge.errors import GlareError, NegotiationError, NotAllowedError, ParseError
from bridge.negotiation.codecs import (
    SHAPES,
    TELEPHONE_EVENT,
    make_codec,
    offered_maps,
    recognize,
    rtp_map_line,
)
from bridge.plane.messages import Codec, RtpAudio
from bridge.wire.sdp import (
    Attribute,
    Attributes,
    Connection,
    Direction,
    MediaSection,
    Origin,
    SessionDescription,
    make_direction,
    parse_session_description,
    serialize_session_description,
)

PTIME_MS = 20  # the metronome's tick
_PLAIN_RTP = ("RTP/AVP", "RTP/AVPF")
_FIRST_DYNAMIC = 96  # RFC 3551 section 3
_FIRST_EVENT = 101  # as most phones number it; the number itself has no meaning


class PhonePreferences(msgspec.Struct, frozen=True):
    """What the bridge takes from and offers to a phone. `codecs` is in order of preference."""

    codecs: tuple[str, ...] = ("OPUS", "G722", "PCMU", "PCMA")
    dtmf: bool = True


class _Audio(msgspec.Struct, frozen=True):
    """The audio section of a peer's description, understood. `direction` is the phone's."""

    index: int
    connection_address: str
    port: int
    rtcp_port: int
    direction: Direction
    codec: Codec
    dtmf_payload_type: int | None
    dtmf_clock_rate_hz: int


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
        return _write(
            local_address, session_id, session_version, self.answer_media(local_address, local_port)
        )

    def answer_media(self, local_address: str, local_port: int) -> tuple[MediaSection, ...]:
        """The m= sections of the answer: the audio, and all others refused."""
        return tuple(
            self._section(local_address, local_port) if index == self.audio_index else _refuse(section)
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
        return _audio_section(local_address, local_port, protocol, direction, (self.audio.codec,), events)


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
    def offer_pending(self) -> bool:
        """Our offer is out and not answered."""
        return self._offered is not None

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
        media = self._offer_media(_audio_section(address, port, self._protocol, direction, codecs, events))
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
        audio = _understand(remote, index, preferences, preferred=None, in_order=True)
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

    def _choose(self, remote: SessionDescription) -> _Audio:
        agreed = self._agreement
        order = range(len(remote.media))
        # The section that carried the call goes first: a phone may add another audio section behind it.
        first = () if agreed is None else (agreed.audio_index,)
        preferred = None if agreed is None else agreed.audio.codec
        for index in (*first, *order):
            audio = _understand(remote, index, self._preferences, preferred, in_order=False)
            if audio is not None:
                return audio
        known = ", ".join(self._preferences.codecs)
        raise NegotiationError(f"The offer has no audio over plain RTP with one of {known}.")

    def _agree(
        self, remote: SessionDescription, audio: _Audio, wish: Direction, *, held: bool
    ) -> PhoneAgreement:
        address, port, rtcp_port = audio.connection_address, audio.port, audio.rtcp_port
        if _is_unspecified(address) and self._agreement is not None:
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
            ours if index == agreed.audio_index else _refuse(section)
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
        return _write(address, self._session_id, self._version, media)


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


def _understand(
    remote: SessionDescription,
    index: int,
    preferences: PhonePreferences,
    preferred: Codec | None,
    *,
    in_order: bool,
) -> _Audio | None:
    """The section as audio the bridge can do, None if it cannot. `in_order`: the peer's order decides."""
    section = remote.media[index]
    connection = remote.connection_of(section)
    if section.kind != "audio" or not section.port or section.protocol not in _PLAIN_RTP:
        return None
    if connection is None or not _is_usable(connection.address):
        return None
    codec = _choose_codec(section, preferences, preferred, in_order=in_order)
    if codec is None:
        return None
    event, event_clock = _choose_event(section, codec) if preferences.dtmf else (None, 0)
    direction = remote.direction(section)
    if _is_unspecified(connection.address):
        # RFC 3264 section 8.4: "hold" as RFC 2543 wrote it; the phone hears nothing.
        direction = make_direction(sends=direction.sends, receives=False)
    return _Audio(
        index=index,
        connection_address=connection.address,
        port=section.port,
        rtcp_port=section.rtcp_port or min(section.port + 1, 65535),  # RFC 3550 section 11, RFC 3605
        direction=direction,
        codec=codec,
        dtmf_payload_type=event,
        dtmf_clock_rate_hz=event_clock,
    )


def _choose_codec(
    section: MediaSection, preferences: PhonePreferences, preferred: Codec | None, *, in_order: bool
) -> Codec | None:
    parameters = section.format_parameters
    known: dict[str, Codec] = {}
    for entry in offered_maps(section):
        name = recognize(entry)
        if name in preferences.codecs:
            known.setdefault(name, make_codec(entry, parameters.get(entry.payload_type, "")))
    if preferred is not None and preferred.name in known:
        return known[preferred.name]
    names = tuple(known) if in_order else preferences.codecs
    return next((known[name] for name in names if name in known), None)


def _choose_event(section: MediaSection, codec: Codec) -> tuple[int | None, int]:
    """The payload type and clock of telephone-event: that with the codec's clock, as both share one stream
    (RFC 4733 section 2.1); without one any, for a digit with a wrong duration is better than none."""
    events = [entry for entry in offered_maps(section) if entry.name.upper() == TELEPHONE_EVENT]
    matching = [entry for entry in events if entry.clock_rate_hz == codec.clock_rate_hz]
    chosen = next(iter(matching or events), None)
    return (None, 0) if chosen is None else (chosen.payload_type, chosen.clock_rate_hz)


def _is_usable(address: str) -> bool:
    """A unicast IP literal. Host names would need a look-up per call, and multicast is not for calls."""
    try:
        return not ipaddress.ip_address(address).is_multicast
    except ValueError:
        return False


def _is_unspecified(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified


def _refuse(section: MediaSection) -> MediaSection:
    """The same m= line with port 0 (RFC 3264 section 6)."""
    formats = section.formats or ("0",)
    return MediaSection(section.kind, 0, section.protocol, formats)


def _audio_section(
    address: str,
    port: int,
    protocol: str,
    direction: Direction,
    codecs: tuple[Codec, ...],
    events: tuple[tuple[int, int], ...],
) -> MediaSection:
    lines = []
    for codec in codecs:
        lines.append(rtp_map_line(codec))
        if fmtp := SHAPES[codec.name].fmtp:
            lines.append(Attribute("fmtp", f"{codec.payload_type} {fmtp}"))
    for payload_type, clock_rate_hz in events:
        lines.append(Attribute("rtpmap", f"{payload_type} telephone-event/{clock_rate_hz}"))
        lines.append(Attribute("fmtp", f"{payload_type} 0-15"))  # RFC 4733 section 7.1.1: DTMF only
    lines += [
        Attribute("ptime", str(PTIME_MS)),
        Attribute("rtcp", str(port + 1)),
        Attribute(direction.value),
    ]
    numbers = (*(codec.payload_type for codec in codecs), *(payload_type for payload_type, _ in events))
    formats = tuple(str(number) for number in numbers)
    return MediaSection("audio", port, protocol, formats, Attributes(tuple(lines)), _connection(address))


def _connection(address: str) -> Connection:
    return Connection(address, "IP6" if ":" in address else "IP4")


def _write(address: str, session_id: int, version: int, media: tuple[MediaSection, ...]) -> str:
    connection = _connection(address)
    origin = Origin("-", str(session_id), str(version), connection.address_type, address)
    return serialize_session_description(
        SessionDescription(origin, name="warmbridge", connection=connection, media=media)
    )
