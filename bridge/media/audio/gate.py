"""Whether a leg's payload is worth decoding: most legs of a call are silent most of the time."""

from typing import Final

from bridge.rtp.frame import JitterFrame
from bridge.wire.opus import voice_activity

QUIET_DBOV: Final = -50.0  # what decodes below this may be left out; speech at the far end of a desk is -45
QUIET_LEVEL: Final = 60  # the same said by the sender, -dBov (RFC 6464); lower, as it is not measured here
CLOSE_AFTER_TICKS: Final = 15  # 300 ms: the end of a word is decoded to the end
PROBE_EVERY_TICKS: Final = 25  # a closed gate listens every 500 ms


class SilenceGate:
    """Of one Opus leg. Closes when the sender says silence (SILK VAD bit, audio level) and it *was* quiet.

    The VAD bit alone is not believed: SILK takes a steady tone or music for noise after some seconds.
    """

    __slots__ = ("_quiet_ticks", "_since_probe", "gated", "skipped_payload")

    def __init__(self) -> None:
        self._quiet_ticks = 0
        self._since_probe = 0
        self.gated = 0
        self.skipped_payload = b""

    @property
    def closed(self) -> bool:
        return self._quiet_ticks >= CLOSE_AFTER_TICKS

    def admits(self, frame: JitterFrame) -> bool:
        """Whether to decode this payload. If not, it is kept: decoding it first eases the next onset."""
        if not says_silence(frame):
            self._quiet_ticks = 0
            return True
        if not self.closed:
            return True
        self._since_probe += 1
        if self._since_probe >= PROBE_EVERY_TICKS:
            self._since_probe = 0
            return True
        self.skipped_payload = frame.payload
        self.gated += 1
        return False

    def heard(self, level_dbov: float) -> None:
        """The measured level of a payload that was admitted."""
        self._quiet_ticks = self._quiet_ticks + 1 if level_dbov < QUIET_DBOV else 0

    def take_skipped(self) -> bytes:
        """The newest payload that was not decoded, once."""
        payload, self.skipped_payload = self.skipped_payload, b""
        return payload


def says_silence(frame: JitterFrame) -> bool:
    """The sender's opinion."""
    if frame.audio_level is not None and frame.audio_level >= QUIET_LEVEL:
        return True
    return voice_activity(frame.payload) is False
