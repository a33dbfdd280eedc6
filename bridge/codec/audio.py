"""The seam of all audio codecs: what the mixer calls, and which codec a negotiated format means."""

from functools import lru_cache
from typing import Protocol, Self

import msgspec

from bridge.codec.g711 import PCMA, PCMU, G711Decoder, G711Encoder
from bridge.codec.g722 import G722Decoder, G722Encoder
from bridge.codec.opus import OpusDecoder, OpusEncoder, OpusProfile, profile_from_fmtp
from bridge.codec.sample import Samples
from bridge.errors import NegotiationError
from bridge.plane.messages import Codec

AUDIO_CODECS = ("PCMU", "PCMA", "G722", "OPUS")
LAWS = {"PCMU": PCMU, "PCMA": PCMA}


class AudioDecoder(Protocol):
    """One stream from an endpoint: payloads of any duration to mono samples at `rate_hz`."""

    @property
    def rate_hz(self) -> int: ...

    def decode(self, payload: bytes) -> Samples:
        """Raises ParseError if the payload is not this codec's."""
        ...

    def conceal(self) -> Samples:
        """20 ms that hide a loss."""
        ...

    def recover(self, next_payload: bytes) -> Samples:
        """The lost frame, from the payload after it if that one carries it; else concealment."""
        ...


class AudioEncoder(Protocol):
    """One stream to an endpoint: 20 ms of mono samples at `rate_hz` to one payload."""

    @property
    def rate_hz(self) -> int: ...

    def encode(self, samples: Samples) -> bytes: ...

    def clone(self) -> Self:
        """An encoder for the same stream, going on from here by itself."""
        ...


class EncodingProfile(msgspec.Struct, frozen=True):
    """All that decides the octets of one sound: listeners of equal profile can share an encoder."""

    name: str
    opus: OpusProfile | None = None


@lru_cache(maxsize=256)
def encoding_profile(codec: Codec, expected_loss_percent: int = 0) -> EncodingProfile:
    """How to encode for a receiver that negotiated `codec` and reports this loss; one object per answer."""
    if codec.name != "OPUS":
        return EncodingProfile(known(codec.name))
    profile = profile_from_fmtp(codec.fmtp)
    loss = expected_loss_percent if profile.fec else 0
    return EncodingProfile("OPUS", msgspec.structs.replace(profile, expected_loss_percent=loss))


def decoder_for(codec: Codec) -> AudioDecoder:
    """A fresh decoder. Raises NegotiationError for a codec that cannot be mixed."""
    match known(codec.name):
        case "OPUS":
            return OpusDecoder()
        case "G722":
            return G722Decoder()
        case name:
            return G711Decoder(LAWS[name])


def encoder_for(profile: EncodingProfile) -> OpusEncoder | G722Encoder | G711Encoder:
    """A fresh encoder."""
    match known(profile.name):
        case "OPUS":
            return OpusEncoder(profile.opus)
        case "G722":
            return G722Encoder()
        case name:
            return G711Encoder(LAWS[name])


def known(name: str) -> str:
    """The name itself. Raises NegotiationError if there is no such audio codec here."""
    if name not in AUDIO_CODECS:
        raise NegotiationError(f"{name} is no audio codec of this bridge ({', '.join(AUDIO_CODECS)})")
    return name
