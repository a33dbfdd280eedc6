"""One mix that one or many listeners share: its content, its level, its encoder."""

from typing import Final

import numpy as np

from bridge.codec.audio import AudioEncoder, EncodingProfile, encoder_for
from bridge.codec.g711 import G711Encoder
from bridge.codec.opus import OpusEncoder
from bridge.codec.sample import Samples
from bridge.media.audio.frames import MIX_SAMPLES
from bridge.media.audio.listener import NO_CONTENT, Content, Listener, OnFault
from bridge.media.audio.playback import EncodedFrame, Player

LIMIT: Final = 0.95  # of full scale
RELEASE_PER_TICK: Final = 1.06  # 0.5 dB: back from 6 dB in a quarter of a second
ATTACK_SAMPLES: Final = 240  # 5 ms
# Two encoders that were fed the same sound for this long have the same state, near enough to join their
# listeners (CELT forgets by a factor of about 0.8 a frame); what is shared is cloned again at the next split.
STATEFUL_MERGE_TICKS: Final = 25
STATELESS_MERGE_TICKS: Final = 2  # only the resampler's 3 ms have to be equal
LEVEL_WEIGHT: Final = 0.1  # of the newest tick in the level shown to people
SILENT_TICKS: Final = 50  # CELT says the same three octets of silence from its fourth frame on (measured)
UNSHAREABLE: Final = frozenset({"G722"})  # its encoder cannot be cloned

FADE_OUT: Final[Samples] = np.linspace(1.0, 0.0, MIX_SAMPLES, dtype=np.float32)


class Mix:
    """A stream of payloads. All `listeners` have one profile and one content. `power` is that of the last 200 ms."""

    __slots__ = (
        "_merge_ticks",
        "content",
        "encoder",
        "gain",
        "is_replayed",
        "last_power",
        "listeners",
        "power",
        "previous",
        "profile",
        "shareable",
        "silence",
        "slot",
        "solo",
        "stable_ticks",
    )

    def __init__(self, profile: EncodingProfile, slot: int, encoder: AudioEncoder | None = None) -> None:
        self.profile = profile
        self.slot = slot
        self.encoder: AudioEncoder = encoder or encoder_for(profile)
        self.shareable = profile.name not in UNSHAREABLE
        self.listeners: list[Listener] = []
        self.content: Content = NO_CONTENT
        self.previous: Content = NO_CONTENT
        self.stable_ticks = 0
        self.gain = 1.0
        self.power = 0.0
        self.last_power = 0.0
        self.solo: Player | None = None  # in this tick: all of the mix, whose payload may be kept
        self.silence = (
            b""  # the payload of a silence that lasts; b"": it does not, or differs from tick to tick
        )
        self.is_replayed = False  # in the last tick: its row does not hold what was heard
        self._merge_ticks = STATEFUL_MERGE_TICKS if profile.opus else STATELESS_MERGE_TICKS

    @property
    def wanted(self) -> bool:
        """Whether any listener sends at all."""
        return any(listener.sends for listener in self.listeners)

    @property
    def ripe(self) -> bool:
        """Whether it has become equal to any other ripe mix of the same profile and content."""
        return self.shareable and self.stable_ticks >= self._merge_ticks

    @property
    def just_ripe(self) -> bool:
        return self.shareable and self.stable_ticks == self._merge_ticks

    def change(self, content: Content, profile: EncodingProfile) -> None:
        """What this tick plays. A new profile of the same codec goes on with the same encoder."""
        self.previous = self.content
        self.content = content
        self.stable_ticks = self.stable_ticks + 1 if content == self.previous else 0
        if self.stable_ticks == 0:
            self.silence = b""
        if profile == self.profile:
            return
        if profile.opus and isinstance(self.encoder, OpusEncoder):
            self.encoder.adopt(profile.opus)
        self.profile = profile
        self.stable_ticks = 0
        self.silence = b""

    def rest(self, now: float, on_fault: OnFault) -> None:
        """A tick that nobody gets: time goes on, the encoder stands still and is like no other any more."""
        self.stable_ticks = 0
        self.silence = b""
        self.is_replayed = False
        self.push(b"", now, on_fault)

    @property
    def repeats(self) -> bool:
        """Whether its payload follows from its content alone: one sound, for long enough, as it is."""
        return (
            len(self.content) == 1
            and self.gain == 1.0
            and self.stable_ticks >= STATELESS_MERGE_TICKS
            and isinstance(self.encoder, G711Encoder)
        )

    @property
    def is_lasting_silence(self) -> bool:
        """Whether the encoder has nothing to tell and has forgotten what it told before. SILK is out of it: its
        noise is never the same."""
        opus = self.profile.opus
        return (
            not self.content
            and self.gain == 1.0
            and self.shareable
            and self.stable_ticks >= SILENT_TICKS
            and (opus is None or not (opus.expected_loss_percent or opus.dtx))
        )

    def replay(self, frame: EncodedFrame, now: float, on_fault: OnFault) -> None:
        """A tick whose payload was made before."""
        self.is_replayed = True
        self.power += (frame.power - self.power) * LEVEL_WEIGHT
        self.push(frame.payload, now, on_fault)

    def push(self, payload: bytes, now: float, on_fault: OnFault) -> None:
        """The tick's payload, to everyone."""
        for listener in self.listeners:
            try:
                listener.push(payload, now)
            except Exception as error:
                on_fault(listener.leg_id, error)

    def split(self, slot: int) -> "Mix":
        """A second mix that goes on like this one, for the listeners that leave it."""
        twin = Mix(self.profile, slot, self.encoder.clone())
        twin.content, twin.previous, twin.gain = self.content, self.previous, self.gain
        twin.is_replayed = self.is_replayed
        return twin

    def limit(self, samples: Samples, peak: float) -> bool:
        """Turns the sound down, in place, where it would clip. Returns whether it had to."""
        if self.gain == 1.0 and peak <= LIMIT:
            return False
        allowed = LIMIT / peak if peak > LIMIT else 1.0
        target = min(allowed, self.gain * RELEASE_PER_TICK, 1.0)
        if target < self.gain:
            samples[:ATTACK_SAMPLES] *= np.linspace(self.gain, target, ATTACK_SAMPLES, dtype=np.float32)
            samples[ATTACK_SAMPLES:] *= np.float32(target)
        else:
            samples *= np.linspace(self.gain, target, len(samples), dtype=np.float32)
        np.clip(samples, -1.0, 1.0, out=samples)
        self.gain = target
        return True
