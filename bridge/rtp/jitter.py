"""The adaptive jitter buffer: packets in when they come, one frame out every 20 ms.

The delay follows `rtp.delay`: a payload should have been here for the target when the reader asks for it. As
ticks and payloads are whole frames, one frame more is as good as it gets. Small errors are corrected by `speed`
(the reader resamples by 1/160 until a whole frame is won or used up), larger ones in silence: a frame is left
out when the buffer is too long, a concealed one put in when it is too short. What the reader still holds of
earlier payloads is counted here too, so that both agree without talking.
"""

from bisect import insort
from operator import attrgetter

import msgspec

from bridge.errors import ParseError
from bridge.rtp.delay import DelayEstimator
from bridge.rtp.frame import (
    CONTINUES_FRAME,
    EMPTY_FRAME,
    LOST_FRAME,
    SPEED_STEPS_PER_FRAME,
    FrameKind,
    JitterFrame,
)
from bridge.rtp.payload_shape import PayloadShape

CAPACITY = 100  # payloads: two seconds of 20 ms; the oldest goes first
INITIAL_DELAY_S = 0.04  # until fifty packets were seen
MIN_DELAY_S = 0.01
MAX_DELAY_S = 0.4  # G.114: beyond it nobody can talk
MARGIN_S = 0.005  # a tick may come late by this (p99 of 0.2-3.0 ms measured)
SHORT_S = 0.005  # missing before the speed changes: the margin is used up
LONG_S = 0.002  # too much, beyond the frame that cannot be helped, before it changes
FORCED_DROP_S = 0.08  # too long by this much: leave out a frame even of speech
QUIET_LEVEL = 50  # RFC 6464: -50 dBov and less is background, not speech
MAX_CONCEALED = 6  # frames; concealment has faded to silence after 120 ms
JUMP_S = 1.0  # a timestamp this far from its arrival is another timeline
JUMP_AGREEMENT_S = 0.25  # two such packets in a row that agree are the new timeline
MAX_PAYLOADS_PER_TICK = 8  # Opus frames of 2.5 ms
LOSS_WINDOW = 1500  # payloads: one lost, and one with FEC, of them make room for FEC. Half a minute, as each
# change of the delay is heard: PESQ at 1 % loss is LOWER with 100

_media_time = attrgetter("media_time")


class _Entry(msgspec.Struct, frozen=True, gc=False):
    index: int
    media_time: int
    end: int
    payload: bytes
    audio_level: int | None
    pauses: bool = False


class JitterBuffer:
    """One stream of one codec. A new SSRC or codec gets a new buffer."""

    __slots__ = (
        "_concealed_run",
        "_cursor",
        "_entries",
        "_estimator",
        "_frame_samples",
        "_frame_units",
        "_gap_after",
        "_held",
        "_jump_transit",
        "_last_error",
        "_last_index",
        "_rate",
        "_shape",
        "_since_fec",
        "_since_loss",
        "_speed",
        "_waited",
        "_watched_at",
        "concealed",
        "delay_ms",
        "dropped",
        "duplicates",
        "inserted",
        "late",
        "lost",
        "malformed",
        "paused",
        "played",
        "restarts",
    )

    def __init__(self, clock_rate_hz: int, frame_samples: int, shape: PayloadShape) -> None:
        self.delay_ms = 0.0
        self.played = self.concealed = self.late = self.lost = self.dropped = self.inserted = 0
        self.duplicates = self.malformed = self.restarts = 0
        self.paused = False
        self._rate = clock_rate_hz
        self._frame_samples = frame_samples
        self._frame_units = frame_samples * SPEED_STEPS_PER_FRAME
        self._shape = shape
        self._entries: list[_Entry] = []
        self._estimator = DelayEstimator(INITIAL_DELAY_S)
        self._cursor: int | None = None
        self._held = 0  # what the reader has left, in 1/160 of a sample
        self._speed = 0
        self._concealed_run = 0
        self._waited = 0  # concealed frames in which the cursor stood still
        self._gap_after = -1  # the loss behind this index is counted
        self._last_error = 0.0
        self._last_index = -1
        self._since_fec = self._since_loss = LOSS_WINDOW
        self._jump_transit: float | None = None
        self._watched_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def target_ms(self) -> float:
        """The delay aimed at, from the fastest packet to the reader."""
        return self._target() * 1000

    # --- packets ----------------------------------------------------------------------------------------

    def push(
        self,
        index: int,
        media_time: int,
        payload: bytes,
        now: float,
        audio_level: int | None = None,
        *,
        pauses: bool = False,
    ) -> None:
        """Takes a packet as `StreamReceiver` placed it. After one that `pauses` nothing need come for long."""
        try:
            samples = self._shape.samples(payload)
        except ParseError:
            samples = 0
        if samples == 0:
            self.malformed += 1
            return
        transit = now - media_time / self._rate
        if self._jumps(transit):
            return
        self._begin_spurt(transit)
        self._estimator.push(transit, now)
        end = media_time + samples
        if (self._cursor is not None and end <= self._cursor) or index <= self._last_index:
            self.late += 1
            return
        entry = _Entry(index, media_time, end, payload, audio_level, pauses)
        last = self._entries[-1] if self._entries else None
        if last is not None and (index <= last.index or media_time < last.media_time):
            self._insert(entry)
            return
        self._make_room()
        self._entries.append(entry)

    def watch(self, media_time: int, now: float) -> None:
        """A packet that nobody will hear: how late it came tells the delay to begin with later."""
        transit = now - media_time / self._rate
        if self._jumps(transit):
            return
        paused_s = self._target() + MAX_CONCEALED * self._frame_samples / self._rate  # as where it is played
        if now - self._watched_at > paused_s:
            self._begin_spurt(transit)
        self._watched_at = now
        self._estimator.push(transit, now)

    def rest(self) -> None:
        """Nobody listens: what is here is let go, what was learned about the path stays."""
        self._entries.clear()
        self._pause()

    def _insert(self, entry: _Entry) -> None:
        """One that comes out of order, or twice."""
        if any(known.index == entry.index for known in self._entries):
            self.duplicates += 1
            return
        self._make_room()
        insort(self._entries, entry, key=_media_time)

    def _make_room(self) -> None:
        if len(self._entries) >= CAPACITY:
            del self._entries[0]
            self.dropped += 1

    def clear(self) -> None:
        """Forgets the stream's past: it starts anew. Counters stay."""
        self.dropped += len(self._entries)
        self._entries.clear()
        self._estimator.clear()
        self._pause()

    def _jumps(self, transit: float) -> bool:
        """Whether this packet's timestamp is off; the second one that agrees begins a new timeline."""
        baseline = self._estimator.baseline
        if baseline is None or abs(transit - baseline) <= JUMP_S:
            self._jump_transit = None
            return False
        previous, self._jump_transit = self._jump_transit, transit
        if previous is None or abs(transit - previous) > JUMP_AGREEMENT_S:
            self.dropped += 1
            return True
        self._jump_transit = None
        self.restarts += 1
        self.clear()
        return False

    def _begin_spurt(self, transit: float) -> None:
        """Some senders stop their timestamps in silence: the first packet after one sets the baseline."""
        baseline = self._estimator.baseline
        if baseline is None or self._cursor is not None or self._entries:
            return
        if transit - baseline > FORCED_DROP_S:
            self._estimator.rebase()

    # --- frames -----------------------------------------------------------------------------------------

    def pull(self, now: float) -> JitterFrame:
        """The next 20 ms. To be asked once per tick."""
        if self._cursor is None and not self._begin(now):
            return EMPTY_FRAME
        error = self._error(now)
        surplus = min(error, self._last_error)  # payloads of 30 ms are wanted now 0, now 10 ms early
        if self._held < self._frame_units:  # measured where a payload is wanted, not inside a long one
            self._choose_speed(error, surplus)
            self._last_error = error
        need = self._frame_units - self._speed * self._frame_samples
        if self._held >= need:
            self._held -= need
            return self._continues()
        self._shorten(surplus)
        if not self._entries:
            return self._underrun()
        gap = self._entries[0].media_time - self._position()
        if gap > self._frame_samples // 4:
            return self._gap(self._entries[0], gap, now)
        if error < -0.5 * self._frame_samples / self._rate and self._is_quiet(self._entries[0]):
            self.inserted += 1
            self.concealed += 1
            return LOST_FRAME
        return self._take(need)

    def _position(self) -> int:
        assert self._cursor is not None
        return self._cursor

    def _target(self) -> float:
        target = self._estimator.wanted_s + MARGIN_S
        if max(self._since_loss, self._since_fec) < LOSS_WINDOW:
            target += self._frame_samples / self._rate
        return max(MIN_DELAY_S, min(target, MAX_DELAY_S))

    def _delay(self, media_time: float, now: float) -> float:
        baseline = self._estimator.baseline
        return 0.0 if baseline is None else now - baseline - media_time / self._rate

    def _error(self, now: float) -> float:
        """How much longer than wanted the next payload has been waited for, in seconds."""
        delay = self._delay(self._position(), now)
        self.delay_ms = (delay + self._held / SPEED_STEPS_PER_FRAME / self._rate) * 1000
        return delay - self._target()

    def _begin(self, now: float) -> bool:
        """Starts to play when the first payload has waited long enough; drops what waited too long."""
        if not self._entries or self._delay(self._entries[0].media_time, now) < self._target():
            return False
        while len(self._entries) > 1 and self._delay(self._entries[1].media_time, now) >= self._target():
            self._drop_first()
        self._cursor = self._entries[0].media_time
        self._held = 0
        self._last_index = max(self._last_index, self._entries[0].index - 1)
        self.paused = False
        return True

    def _choose_speed(self, error: float, surplus: float) -> None:
        frame_s = self._frame_samples / self._rate
        if error < -SHORT_S:
            self._speed = 1
        elif surplus > frame_s + LONG_S:
            self._speed = -1
        elif self._speed > 0:
            self._speed = 1 if error < 0 else 0
        elif (
            self._held <= 2 * self._frame_samples
        ):  # playing faster goes on until nothing waits at the reader
            self._speed = 0

    def _shorten(self, surplus: float) -> None:
        """Leaves out payloads: one of silence when that much too long, any when far too long."""
        while len(self._entries) > 1:
            first = self._entries[0]
            payload_s = (first.end - first.media_time) / self._rate
            if surplus <= max(payload_s, self._frame_samples / self._rate) + LONG_S:
                return
            if surplus <= MAX_DELAY_S and first.media_time > self._position():
                return  # a gap is better shortened than speech
            if surplus <= FORCED_DROP_S and not self._is_quiet(first):
                return
            self._drop_first()
            if surplus <= MAX_DELAY_S:
                return  # one per tick; only a buffer that is seconds too long is emptied at once
            surplus -= payload_s

    def _is_quiet(self, entry: _Entry) -> bool:
        level = entry.audio_level
        return (level is not None and level >= QUIET_LEVEL) or self._shape.is_quiet(entry.payload)

    def _drop_first(self) -> None:
        entry = self._entries.pop(0)
        self._cursor = entry.end
        self._last_index = entry.index
        self.dropped += 1

    def _take(self, need: int) -> JitterFrame:
        payloads: list[bytes] = []
        level = self._entries[0].audio_level
        while self._held < need and self._entries and len(payloads) < MAX_PAYLOADS_PER_TICK:
            entry = self._entries[0]
            if payloads and entry.media_time > self._position():
                break
            del self._entries[0]
            self._held += (entry.end - entry.media_time) * SPEED_STEPS_PER_FRAME
            self._cursor = entry.end
            self._last_index = entry.index
            payloads.append(entry.payload)
            self.paused = entry.pauses or self._shape.begins_pause(entry.payload)
        self._held = max(0, self._held - need)
        self._concealed_run = self._waited = 0
        self._since_loss += 1
        self._since_fec = 0 if self._shape.repairs(payloads[0]) else self._since_fec + 1
        self.played += len(payloads)
        return JitterFrame(
            FrameKind.PAYLOAD, payloads[0], speed=self._speed, audio_level=level, more=tuple(payloads[1:])
        )

    def _continues(self) -> JitterFrame:
        if self._speed == 0:
            return CONTINUES_FRAME
        return JitterFrame(FrameKind.CONTINUES, speed=self._speed)

    def _underrun(self) -> JitterFrame:
        """Nothing here. The cursor waits, so that what is only late is still played."""
        if self.paused or self._concealed_run >= MAX_CONCEALED or self.delay_ms > MAX_DELAY_S * 1000:
            self._pause()
            return EMPTY_FRAME
        self._waited += 1
        return self._conceal()

    def _conceal(self, next_payload: bytes = b"") -> JitterFrame:
        self._concealed_run += 1
        self.concealed += 1
        return JitterFrame(FrameKind.LOST, next_payload=next_payload) if next_payload else LOST_FRAME

    def _gap(self, entry: _Entry, gap: int, now: float) -> JitterFrame:
        if entry.index == self._last_index + 1 or self._concealed_run >= MAX_CONCEALED:
            return self._silence(entry, now)
        if self._last_index != self._gap_after:
            self._gap_after = self._last_index
            self.lost += entry.index - self._last_index - 1
            self._since_loss = 0
        # Ticks in which the cursor waited have concealed their share of what turns out to be lost.
        gap -= min(gap, self._waited * self._frame_samples)
        self._waited = 0
        self._cursor = entry.media_time - gap
        # Half a frame (payloads of 30 ms) is left out or doubled, whichever brings the delay nearer.
        is_long = self._last_error * self._rate > self._frame_samples // 2
        if gap <= self._frame_samples // (2 if is_long else 4):
            self._cursor = entry.media_time
            return self._take(self._frame_units - self._speed * self._frame_samples)
        self._cursor = min(entry.media_time, self._position() + self._frame_samples)
        is_next = entry.index == self._last_index + 2 and gap <= self._frame_samples
        return self._conceal(entry.payload if is_next else b"")

    def _silence(self, entry: _Entry, now: float) -> JitterFrame:
        """A gap in which nothing was sent (DTX): the place to bring the delay to its target for free."""
        self._held = 0
        baseline = self._estimator.baseline or 0.0
        tick_s = self._frame_samples / self._rate
        wanted = int((now + tick_s - baseline - self._target()) * self._rate)
        self._cursor = min(entry.media_time, max(self._position(), wanted))
        return EMPTY_FRAME

    def _pause(self) -> None:
        self._cursor = None
        self._held = 0
        self._speed = 0
        self._concealed_run = self._waited = 0
