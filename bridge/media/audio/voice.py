"""The up audio of one leg: frames in, 20 ms of samples a tick out."""

from typing import Final

import numpy as np

from bridge.codec.audio import AudioDecoder, decoder_for
from bridge.codec.dtmf import DtmfDetector
from bridge.codec.g711 import FRAME_SAMPLES as G711_FRAME_SAMPLES
from bridge.codec.g711 import G711Decoder, Law
from bridge.codec.resample import stretch
from bridge.codec.sample import SILENCE_DBOV, Samples, dbov, frame_samples
from bridge.errors import ParseError
from bridge.ids import LegId, ParticipantId
from bridge.media.audio.frames import FrameSource
from bridge.media.audio.gate import SilenceGate
from bridge.plane.messages import Codec
from bridge.rtp.frame import SPEED_STEPS_PER_FRAME, FrameKind, JitterFrame
from bridge.wire.opus import has_fec

MOST_WAITING_MS: Final = 240  # of the longest packet there may be (RFC 3551 section 4.2: 200), and two frames
LOUDNESS_DECAY: Final = 0.9  # a tick; -23 dB a second, so a talker outlives the pause between two words
MOST_POWER: Final = 4.0  # +6 dBov: full scale is 1; only a broken Opus payload decodes to more
LEVEL_WEIGHT: Final = 0.1  # of the newest tick in the level shown to people
RESTS_AFTER_TICKS: Final = 50  # unheard for a second: a mute of a word's length costs no new start
PROBE_TICKS: Final = 10  # one payload of ten is decoded for the level of a voice that nobody hears
PROBE_WEIGHT: Final = 1 - (1 - LEVEL_WEIGHT) ** PROBE_TICKS

NOTHING: Final[Samples] = np.zeros(0, dtype=np.float32)


class Voice:
    """Decodes one leg. `samples` is the tick's sound, None for silence; `loudness` ranks the talkers.

    A tick is `take`, perhaps `take_batch`, then `measure`. A voice that is `audible` to nobody rests: it is not
    decoded, but for a look at its level now and then, and begins again within its jitter buffer's delay.
    """

    __slots__ = (
        "_decoder",
        "_detector",
        "_frame_samples",
        "_gate",
        "_law",
        "_mean_power",
        "_playing",
        "_rested",
        "_source",
        "_unheard_ticks",
        "_waiting",
        "audible",
        "concealed",
        "dropped",
        "in_mix",
        "leg_id",
        "loudness",
        "malformed",
        "number",
        "participant_id",
        "rate_hz",
        "recovered",
        "samples",
        "searched",
        "slot",
    )

    def __init__(
        self, leg_id: LegId, participant_id: ParticipantId, codec: Codec, source: FrameSource, number: int
    ) -> None:
        self.leg_id = leg_id
        self.participant_id = participant_id
        self.number = number
        self.slot = -1
        self.samples: Samples | None = None
        self.loudness = 0.0
        self.in_mix = False
        self.audible = True
        self.searched = False  # for keys in its sound
        self.concealed = 0
        self.recovered = 0
        self.malformed = 0
        self.dropped = 0
        self._source = source
        self._decoder: AudioDecoder = decoder_for(codec)
        self.rate_hz = self._decoder.rate_hz
        self._law: Law | None = self._decoder.law if isinstance(self._decoder, G711Decoder) else None
        self._gate = SilenceGate() if codec.name == "OPUS" else None
        self._frame_samples = frame_samples(self.rate_hz)
        self._waiting: Samples = NOTHING
        self._playing = False
        self._mean_power = 0.0
        self._detector: DtmfDetector | None = None
        self._unheard_ticks = 0
        self._rested = b""

    @property
    def resting(self) -> bool:
        """Nobody hears it, for a while already."""
        return self._unheard_ticks > RESTS_AFTER_TICKS

    @property
    def law(self) -> Law | None:
        """The companding law, if payloads of this leg may be decoded in a batch."""
        return self._law

    @property
    def level_dbov(self) -> float:
        """Over the last 200 ms."""
        return dbov(self._mean_power)

    @property
    def gated(self) -> int:
        """Payloads that were not decoded because they are silent."""
        return self._gate.gated if self._gate else 0

    def take(self, now: float) -> bytes | None:
        """Pulls the tick. Returns a G.711 payload of exactly 20 ms for the batch; all else is done here."""
        if not self.audible:
            self._unheard_ticks += 1
            if self._unheard_ticks > RESTS_AFTER_TICKS:
                self._rest(now)
                return None
        elif self._unheard_ticks:
            self._wake()
        frame = self._source.pull(now)
        if self._fits_batch(frame):
            self._playing = True
            return frame.payload
        self.samples = self._read(frame)
        return None

    def _rest(self, now: float) -> None:
        self.samples = None
        self._rested = self._source.rest(now) or self._rested
        if (self._unheard_ticks + self.number) % PROBE_TICKS:
            return
        probed, self._rested = self._rested, b""
        power = 0.0
        if probed:
            samples = self._law.decode(probed) if self._law is not None else self._decoded(probed)
            power = float(np.dot(samples, samples)) / len(samples)
        if not power <= MOST_POWER:  # NaN too
            self.malformed += 1
            power = 0.0
        self.loudness = power
        self._mean_power += (power - self._mean_power) * PROBE_WEIGHT

    def _wake(self) -> None:
        """Somebody hears it again."""
        if self.resting:
            self._waiting = NOTHING
            self._playing = False
            if self._gate:
                self._gate.take_skipped()  # older than the rest
            if self._rested and self._law is None:
                self._decoded(self._rested)  # brings the decoder near where the encoder is
        self._unheard_ticks = 0
        self._rested = b""

    def take_batch(self, samples: Samples) -> Samples:
        """The samples of the payload that `take` returned; returns them as they are to be heard."""
        assert isinstance(self._decoder, G711Decoder)
        self.samples = samples = self._decoder.remember(samples)
        return samples

    def measure(self, power: float) -> None:
        """The mean square of the tick (0 without samples). What no sound can be is taken out of the mix."""
        if not power <= MOST_POWER:  # NaN too
            self.malformed += 1
            self.samples, power = None, 0.0
        self.loudness = max(power, self.loudness * LOUDNESS_DECAY)
        self._mean_power += (power - self._mean_power) * LEVEL_WEIGHT
        if self._gate and self.samples is not None:
            self._gate.heard(dbov(power) if power else SILENCE_DBOV)

    def find_digit(self) -> tuple[str, int] | None:
        """A key that was pressed and is over in this tick, and its length in ms. To be asked in every tick."""
        if self._detector is None:
            self._detector = DtmfDetector(self.rate_hz)
        return self._detector.hear(self.samples)

    def _fits_batch(self, frame: JitterFrame) -> bool:
        return (
            self._law is not None
            and frame.kind is FrameKind.PAYLOAD
            and len(frame.payload) == G711_FRAME_SAMPLES
            and not len(self._waiting)
            and not frame.speed
            and not frame.more
        )

    def _read(self, frame: JitterFrame) -> Samples | None:
        match frame.kind:
            case FrameKind.PAYLOAD:
                if self._gate and not self._gate.admits(frame):
                    return self._stop()
                self._decode(frame)
            case FrameKind.LOST:
                self._replace(frame.next_payload)
            case FrameKind.CONTINUES:
                if self._gate and self._gate.closed and not len(self._waiting):
                    return None
                self._replace(b"")
            case FrameKind.EMPTY:
                return self._stop()
        return self._next_tick(frame.speed)

    def _decode(self, frame: JitterFrame) -> None:
        skipped = self._gate.take_skipped() if self._gate else b""
        if skipped:  # brings the decoder near where the encoder is; its sound is past
            self._decoded(skipped)
        for payload in (frame.payload, *frame.more):
            self._append(self._decoded(payload))
        self._playing = True

    def _decoded(self, payload: bytes) -> Samples:
        try:
            return self._decoder.decode(payload)
        except ParseError:
            self.malformed += 1
            return self._decoder.conceal()

    def _replace(self, next_payload: bytes) -> None:
        """Fills the tick where the stream has a hole; what waits comes first."""
        if len(self._waiting) >= self._frame_samples or not self._playing:
            return
        if self._gate is None or not has_fec(next_payload):
            self.concealed += 1
            self._append(self._decoder.conceal())
            return
        try:
            self._append(self._decoder.recover(next_payload))
            self.recovered += 1
        except ParseError:
            self.malformed += 1
            self._append(self._decoder.conceal())

    def _append(self, samples: Samples) -> None:
        waiting = np.concatenate((self._waiting, samples)) if len(self._waiting) else samples
        surplus = len(waiting) - self.rate_hz * MOST_WAITING_MS // 1000
        if surplus > 0:
            self.dropped += surplus
            waiting = waiting[surplus:]
        self._waiting = waiting

    def _next_tick(self, speed: int) -> Samples | None:
        """20 ms of what waits, read faster or slower as asked and as there is."""
        if not self._playing:
            return None
        wanted = self._frame_samples
        read = wanted - speed * wanted // SPEED_STEPS_PER_FRAME
        if len(self._waiting) < read:
            read = wanted
        if len(self._waiting) < read:
            missing = read - len(self._waiting)
            self._append(self._decoder.conceal()[:missing])
        taken, self._waiting = self._waiting[:read], self._waiting[read:]
        if read == wanted:
            return taken
        before = NOTHING if self.samples is None else self.samples
        return stretch(before, taken, self._waiting, wanted)

    def _stop(self) -> Samples | None:
        """The stream pauses: one last tick fades out, so that it does not end with a click."""
        if not self._playing:
            return None
        self._playing = False
        ending = np.concatenate((self._waiting, self._decoder.conceal()))[: self._frame_samples]
        self._waiting = self._waiting[:0]
        faded: Samples = ending * np.linspace(1.0, 0.0, len(ending), dtype=np.float32)
        return faded
