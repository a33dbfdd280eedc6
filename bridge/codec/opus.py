"""Opus (RFC 6716, RFC 7587), mono at 48 kHz: encoder that can be cloned, decoder with FEC and concealment."""

from typing import Any, Final

import msgspec
import numpy as np

from bridge.codec.libopus import ffi, libopus
from bridge.codec.sample import Samples
from bridge.errors import ParseError

RATE_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960  # 20 ms
LONGEST_SAMPLES: Final = 5_760  # RFC 6716 section 3.2.5: at most 120 ms in one packet
LARGEST_PAYLOAD_BYTES: Final = 1_275  # RFC 6716 section 3.2.1: the longest frame there is

# opus_defines.h and opus_private.h (FORCE_MODE)
APPLICATION_VOIP = 2048
SET_BITRATE = 4002
SET_VBR = 4006
SET_COMPLEXITY = 4010
SET_INBAND_FEC = 4012
SET_PACKET_LOSS_PERC = 4014
SET_DTX = 4016
SET_MAX_BANDWIDTH = 4004
SET_FORCE_MODE = 11002
AUTO = -1000
MODE_CELT_ONLY = 1002
# RFC 7587 section 6.1: maxplaybackrate, and OPUS_BANDWIDTH_NARROWBAND .. FULLBAND
BANDWIDTHS = ((8_000, 1101), (12_000, 1102), (16_000, 1103), (24_000, 1104), (48_000, 1105))

# Measured: CELT-only at 48 kbit/s and complexity 5 costs 60 us a frame at PESQ-wb 4.33; SILK (which alone
# carries in-band FEC) 156 us at 4.31. So SILK and FEC are for lossy paths only.
CLEAN_BITRATE_BPS = 48_000
LOWEST_BITRATE_BPS = 6_000  # RFC 7587 section 6.1
COMPLEXITY = 5


class OpusProfile(msgspec.Struct, frozen=True):
    """How to encode for one kind of receiver; listeners of equal profile can share an encoder.

    `expected_loss_percent` above 0 switches to SILK with in-band FEC, if the receiver takes it.
    """

    bitrate_bps: int = CLEAN_BITRATE_BPS
    complexity: int = COMPLEXITY
    max_playback_rate_hz: int = RATE_HZ
    fec: bool = False
    dtx: bool = False
    cbr: bool = False
    expected_loss_percent: int = 0


def parameter(parameters: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    """A number of an a=fmtp line, within bounds; a wrong one counts as absent."""
    text = parameters.get(name, "")
    return min(max(int(text), low), high) if text.isdecimal() and len(text) <= 9 else default


def profile_from_fmtp(fmtp: str) -> OpusProfile:
    """What a receiver asks for (RFC 7587 section 6.1)."""
    pairs = (item.partition("=") for item in fmtp.split(";"))
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return OpusProfile(
        bitrate_bps=parameter(
            given, "maxaveragebitrate", CLEAN_BITRATE_BPS, LOWEST_BITRATE_BPS, CLEAN_BITRATE_BPS
        ),
        max_playback_rate_hz=parameter(given, "maxplaybackrate", RATE_HZ, 8_000, RATE_HZ),
        fec=given.get("useinbandfec") == "1",
        cbr=given.get("cbr") == "1",
    )


def max_bandwidth(playback_rate_hz: int) -> int:
    """The audio bandwidth that a receiver playing at this rate can use."""
    return next(bandwidth for rate_hz, bandwidth in BANDWIDTHS if playback_rate_hz <= rate_hz)


class OpusEncoder:
    """20 ms of float samples at 48 kHz to one payload."""

    __slots__ = ("_library", "_packet", "_profile", "_state")

    rate_hz = RATE_HZ

    def __init__(self, profile: OpusProfile | None = None) -> None:
        self._library = libopus()
        self._packet = ffi.new("unsigned char[]", LARGEST_PAYLOAD_BYTES)
        error = ffi.new("int *")
        state = self._library.opus_encoder_create(RATE_HZ, 1, APPLICATION_VOIP, error)
        if error[0] != 0:
            raise MemoryError(f"opus_encoder_create failed: {error[0]}")
        self._state = ffi.gc(state, self._library.opus_encoder_destroy)
        self._profile = profile or OpusProfile()
        self._configure(self._profile)

    @property
    def profile(self) -> OpusProfile:
        return self._profile

    def encode(self, samples: Samples) -> bytes:
        """`samples` must be 960 contiguous float32."""
        size = self._library.opus_encode_float(
            self._state,
            ffi.from_buffer("float[]", samples.data),
            len(samples),
            self._packet,
            LARGEST_PAYLOAD_BYTES,
        )
        if size < 0:
            raise ValueError(f"opus_encode_float refused {len(samples)} samples: {size}")
        return bytes(ffi.buffer(self._packet, size))

    def clone(self) -> "OpusEncoder":
        """An encoder that goes on exactly where this one stands: the state is one block (opus.h)."""
        twin = OpusEncoder(self._profile)
        ffi.memmove(twin._state, self._state, self._library.opus_encoder_get_size(1))
        return twin

    def adopt(self, profile: OpusProfile) -> None:
        """Changes the settings without a break in the stream."""
        if profile != self._profile:
            self._profile = profile
            self._configure(profile)

    def _configure(self, profile: OpusProfile) -> None:
        protects = profile.fec and profile.expected_loss_percent > 0
        for request, value in (
            (SET_BITRATE, profile.bitrate_bps),
            (SET_VBR, int(not profile.cbr)),
            (SET_COMPLEXITY, profile.complexity),
            (SET_DTX, int(profile.dtx)),
            (SET_MAX_BANDWIDTH, max_bandwidth(profile.max_playback_rate_hz)),
            (SET_FORCE_MODE, AUTO if protects or profile.dtx else MODE_CELT_ONLY),
            (SET_INBAND_FEC, int(protects)),
            (SET_PACKET_LOSS_PERC, profile.expected_loss_percent if protects else 0),
        ):
            self._control(request, value)

    def _control(self, request: int, value: int) -> None:
        status = self._library.opus_encoder_ctl(self._state, request, ffi.cast("int", value))
        if status != 0:
            raise ValueError(f"opus_encoder_ctl({request}, {value}) failed: {status}")


class OpusDecoder:
    """Payloads of 2.5 to 120 ms, mono or stereo, to mono float samples at 48 kHz."""

    __slots__ = ("_library", "_output", "_pointer", "_state")

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self._library = libopus()
        error = ffi.new("int *")
        state = self._library.opus_decoder_create(RATE_HZ, 1, error)
        if error[0] != 0:
            raise MemoryError(f"opus_decoder_create failed: {error[0]}")
        self._state: Any = ffi.gc(state, self._library.opus_decoder_destroy)
        # The array looks into C memory: the other way round, a kept from_buffer() of the array's memoryview,
        # crashes when the garbage collector clears them in the wrong order.
        self._pointer = ffi.new("float[]", LONGEST_SAMPLES)
        memory: Any = ffi.buffer(self._pointer)
        self._output: Samples = np.frombuffer(memory, dtype=np.float32)

    def decode(self, payload: bytes) -> Samples:
        """Raises ParseError if the payload is not Opus. An empty payload is not: it would mean a loss."""
        if not payload:
            raise ParseError("empty Opus payload")
        return self._decode(payload, LONGEST_SAMPLES, fec=0)

    def conceal(self) -> Samples:
        """20 ms in place of what is lost."""
        return self._decode(b"", FRAME_SAMPLES, fec=0)

    def recover(self, next_payload: bytes) -> Samples:
        """The lost 20 ms from the redundancy in the next payload.

        Without redundancy inside this is concealment (RFC 6716 section 4.4); libopus decides.
        """
        if not next_payload:
            return self.conceal()
        return self._decode(next_payload, FRAME_SAMPLES, fec=1)

    def _decode(self, payload: bytes, samples: int, fec: int) -> Samples:
        data = ffi.from_buffer(payload) if payload else ffi.NULL
        count = self._library.opus_decode_float(self._state, data, len(payload), self._pointer, samples, fec)
        if count < 0:
            raise ParseError(f"opus_decode_float: {count}")
        return self._output[:count].copy()
