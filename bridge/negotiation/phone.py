"""Offer and answer with a phone: one audio stream over plain RTP; video sections are refused with port 0."""

import msgspec

from bridge.plane.messages import RtpAudio
from bridge.wire.sdp import Direction


class PhonePreferences(msgspec.Struct, frozen=True):
    """What the bridge takes from and offers to a phone. `codecs` is in order of preference."""

    codecs: tuple[str, ...] = ("OPUS", "G722", "PCMU", "PCMA")
    dtmf: bool = True


class PhoneAgreement(msgspec.Struct, frozen=True):
    """What one exchange came to: `audio` goes into `RtpLegSpec`, `answer` writes the text for the phone."""

    audio: RtpAudio
    held_by_remote: bool

    def answer(self, local_address: str, local_port: int) -> str:
        """The SDP answer, once the media plane said where the leg receives."""
        raise NotImplementedError


def answer_phone(offer_text: str, preferences: PhonePreferences) -> PhoneAgreement:
    """Agrees to a first offer without keeping a session. Raises NegotiationError (SIP status 488)."""
    raise NotImplementedError


class PhoneSession:
    """The description of one SIP leg over its life: either side may offer, one offer at a time.

    Inbound call: `receive_offer(invite_sdp)` -> declare `agreement.audio` -> `place(address, port)` ->
    `answer()` is the SDP of the 200. Outbound call or late offer: declare the leg without audio ->
    `place(address, port)` -> `offer()` -> `receive_answer(sdp)` -> declare `agreement.audio`.
    What is wrong in the peer's text raises NegotiationError and leaves the session as it was.
    """

    def __init__(self, session_id: int, preferences: PhonePreferences | None = None) -> None:
        raise NotImplementedError

    @property
    def audio(self) -> RtpAudio | None:
        """What is agreed now; None before the first answer."""
        raise NotImplementedError

    @property
    def held_by_remote(self) -> bool:
        """The phone does not want to hear us: sendonly, inactive or the address 0.0.0.0."""
        raise NotImplementedError

    @property
    def offer_pending(self) -> bool:
        """Our offer is out and not answered."""
        raise NotImplementedError

    def place(self, local_address: str, local_port: int) -> None:
        """Where the leg receives RTP (RTCP one higher), from RtpLegDeclared. Again after a new worker."""
        raise NotImplementedError

    def receive_offer(self, offer_text: str) -> PhoneAgreement:
        """Takes the offer of an INVITE or re-INVITE. GlareError while ours is pending (SIP status 491)."""
        raise NotImplementedError

    def answer(self) -> str:
        """The text answering the last `receive_offer`; the same again until the next offer."""
        raise NotImplementedError

    def offer(self, direction: Direction = Direction.SENDRECV) -> str:
        """Our offer, new or again. SENDONLY holds the phone, SENDRECV resumes it."""
        raise NotImplementedError

    def receive_answer(self, answer_text: str) -> PhoneAgreement:
        """Takes the answer to our offer. Raises NegotiationError when it has no usable audio."""
        raise NotImplementedError

    def withdraw_offer(self) -> None:
        """Our re-INVITE was refused (491, 488, timeout): what was agreed before holds on."""
        raise NotImplementedError
