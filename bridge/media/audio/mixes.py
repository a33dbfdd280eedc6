"""All mixes of a worker: who shares one, how they sound, and their payloads."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bridge.codec.g711 import G711Encoder, Law
from bridge.codec.resample import resampler
from bridge.codec.sample import Rows, Samples
from bridge.media.audio.frames import MIX_RATE_HZ, MIX_SAMPLES
from bridge.media.audio.listener import Content, Listener, OnFault
from bridge.media.audio.mix import FADE_OUT, LEVEL_WEIGHT, Mix
from bridge.media.audio.playback import EncodedFrame, Player

if TYPE_CHECKING:
    from bridge.codec.audio import EncodingProfile

HISTORY = 144  # samples at 48 kHz that resampling down to 8 kHz looks back, rounded up
FIRST_ROWS = 8
SILENT_ROW = 0  # of the sounds: what is not there

NOBODY: Mapping[int, object] = {}

Index = npt.NDArray[np.intp]
Replay = tuple[Mix, EncodedFrame]


class Sounds:
    """The tick's voices and players at 48 kHz, by their numbers."""

    __slots__ = ("row_of", "rows")

    def __init__(self, rows: Rows, row_of: Mapping[int, int]) -> None:
        self.rows = rows
        self.row_of = row_of

    def positions(self, contents: Sequence[Content]) -> Index:
        """Row numbers per content, filled up with the silent row."""
        width = max((len(content) for content in contents), default=0)
        found = [[self.row_of.get(number, SILENT_ROW) for number in content] for content in contents]
        padded = [rows + [SILENT_ROW] * (width - len(rows)) for rows in found]
        return np.array(padded, dtype=np.intp).reshape(len(contents), width)


class Mixes:
    """Groups listeners by what they hear, so that each distinct mix is encoded once."""

    __slots__ = (
        "_free",
        "_mixes",
        "_on_fault",
        "_rows",
        "clones",
        "encodes",
        "limited",
        "merges",
        "replayed",
        "replays",
    )

    def __init__(self, on_fault: OnFault) -> None:
        self._on_fault = on_fault
        self._mixes: list[Mix] = []
        self._rows: Rows = np.zeros((FIRST_ROWS, HISTORY + MIX_SAMPLES), dtype=np.float32)
        self._free = list(range(FIRST_ROWS))
        self.clones = 0
        self.merges = 0
        self.encodes = 0
        self.limited = 0
        self.replayed = 0
        self.replays: list[Replay] = []

    def __len__(self) -> int:
        return len(self._mixes)

    # --- who shares -------------------------------------------------------------------------------------

    def join(self, listener: Listener) -> None:
        """A mix of its own with a fresh encoder, as fresh as the far end's decoder; it may be shared later."""
        mix = Mix(listener.profile, self._claim())
        mix.listeners.append(listener)
        self._mixes.append(mix)

    def leave(self, listener: Listener) -> None:
        for mix in self._mixes:
            if listener in mix.listeners:
                mix.listeners.remove(listener)
                if not mix.listeners:
                    self._put_away(mix)
                return

    def mix_of(self, listener: Listener) -> Mix | None:
        return next((mix for mix in self._mixes if listener in mix.listeners), None)

    def regroup(self) -> None:
        """Splits and merges mixes after every listener's content was set for this tick."""
        for mix in tuple(self._mixes):
            self._regroup(mix)
        self._merge()

    def _regroup(self, mix: Mix) -> None:
        first = mix.listeners[0]
        content, profile = first.content, first.profile
        for listener in mix.listeners:
            if listener.content != content or listener.profile is not profile:
                self._split(mix)
                return
        mix.change(content, profile)

    def _split(self, mix: Mix) -> None:
        groups: dict[tuple[Content, EncodingProfile], list[Listener]] = {}
        for listener in mix.listeners:
            groups.setdefault((listener.content, listener.profile), []).append(listener)
        largest, *others = sorted(groups, key=lambda key: len(groups[key]), reverse=True)
        for key in others:
            twin = mix.split(self._claim())
            self._rows[twin.slot] = self._rows[mix.slot]
            twin.listeners = groups[key]
            twin.change(*key)
            self._mixes.append(twin)
            self.clones += 1
        mix.listeners = groups[largest]
        mix.change(*largest)

    def _merge(self) -> None:
        fresh = [mix for mix in self._mixes if mix.just_ripe]
        if not fresh:
            return
        hosts = {(mix.profile, mix.content): mix for mix in self._mixes if mix.ripe and not mix.just_ripe}
        for mix in fresh:
            host = hosts.setdefault((mix.profile, mix.content), mix)
            if host is not mix:
                host.listeners.extend(mix.listeners)
                self._put_away(mix)
                self.merges += 1

    def _claim(self) -> int:
        if not self._free:
            count = len(self._rows)
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
            self._free.extend(range(count, 2 * count))
        return self._free.pop()

    def _put_away(self, mix: Mix) -> None:
        self._mixes.remove(mix)
        self._rows[mix.slot] = 0
        self._free.append(mix.slot)

    # --- how it sounds ----------------------------------------------------------------------------------

    def begin_tick(self, now: float, speakers: Mapping[int, object] = NOBODY) -> tuple[Mix, ...]:
        """Returns the mixes that somebody gets and that are to be made; `replays` are those whose payload is
        known. For what was a replay in the last tick, and is to be made now, `resume` is to be called."""
        wanted: list[Mix] = []
        self.replays = []
        for mix in self._mixes:
            mix.solo = None
            if not mix.wanted:
                mix.rest(now, self._on_fault)
                self._rows[mix.slot] = 0
            elif (frame := _known(mix, speakers)) is not None:
                self.replays.append((mix, frame))
            else:
                wanted.append(mix)
        slots = [mix.slot for mix in wanted]
        self._rows[slots, :HISTORY] = self._rows[slots, -HISTORY:]
        return tuple(wanted)

    def replay(self, replays: Sequence[Replay], now: float) -> None:
        """Sends what was made before."""
        for mix, frame in replays:
            mix.replay(frame, now, self._on_fault)
        self.replayed += len(replays)

    def resume(self, mix: Mix, before: Samples) -> None:
        """The end of what was replayed, at the mix's rate: the past of what is made from here on."""
        mix.is_replayed = False
        self._rows[mix.slot, :HISTORY] = before[-HISTORY:]

    def render(self, mixes: Sequence[Mix], sounds: Sounds) -> None:
        """Adds up, fades what changed, limits."""
        positions = sounds.positions([mix.content for mix in mixes])
        mixed: Rows = np.zeros((len(mixes), MIX_SAMPLES), dtype=np.float32)
        for column in positions.T:
            mixed += sounds.rows[column]
        for samples, mix in zip(mixed, mixes, strict=True):
            if mix.content != mix.previous:
                samples += fading(mix, sounds)
        peaks = np.maximum(mixed.max(axis=1), -mixed.min(axis=1)).tolist()
        for samples, mix, peak in zip(mixed, mixes, peaks, strict=True):
            if mix.limit(samples, peak):
                self.limited += 1
                mix.solo = None
        powers = (np.einsum("ij,ij->i", mixed, mixed) / MIX_SAMPLES).tolist()
        for mix, power in zip(mixes, powers, strict=True):
            mix.last_power = power
            mix.power += (power - mix.power) * LEVEL_WEIGHT
        self._rows[[mix.slot for mix in mixes], HISTORY:] = mixed

    def send(self, mixes: Sequence[Mix], now: float) -> None:
        """Encodes each mix once and hands the payload to its listeners."""
        batches: dict[Law, list[Mix]] = {}
        for mix in mixes:
            if isinstance(mix.encoder, G711Encoder):
                batches.setdefault(mix.encoder.law, []).append(mix)
                continue
            rate_hz = mix.encoder.rate_hz
            is_native = rate_hz == MIX_RATE_HZ
            samples = self._rows[mix.slot, HISTORY:] if is_native else self._at_rate([mix], rate_hz)[0]
            self._push(mix, mix.encoder.encode(samples), now)
        for law, batch in batches.items():
            payloads = law.encode_many(self._at_rate(batch, G711Encoder.rate_hz))
            for mix, payload in zip(batch, payloads, strict=True):
                self._push(mix, payload, now)
        self.encodes += len(mixes)

    def _push(self, mix: Mix, payload: bytes, now: float) -> None:
        """Sends a new payload, and keeps it where it will be wanted again."""
        mix.push(payload, now, self._on_fault)
        if mix.solo is not None:
            mix.solo.keep(mix.profile.name, EncodedFrame(payload, mix.last_power))
        elif mix.is_lasting_silence:
            mix.silence = payload

    def _at_rate(self, mixes: Sequence[Mix], rate_hz: int) -> Rows:
        converter = resampler(MIX_RATE_HZ, rate_hz)
        return converter.process(self._rows[[mix.slot for mix in mixes], HISTORY - converter.history :])


def _known(mix: Mix, speakers: Mapping[int, object]) -> EncodedFrame | None:
    """The tick's payload, if it was made before; if it can be kept instead, `solo` says whose it is."""
    if mix.silence:
        return EncodedFrame(mix.silence, 0.0)
    if not mix.repeats:
        return None
    player = speakers.get(mix.content[0])
    if not isinstance(player, Player):
        return None
    frame = player.encoded(mix.profile.name)
    if frame is None:
        mix.solo = player
    return frame


def fading(mix: Mix, sounds: Sounds) -> Rows:
    """What to add so that newcomers fade in and leavers fade out within the tick."""
    before, after = set(mix.previous), set(mix.content)
    left = sounds.rows[[sounds.row_of.get(number, SILENT_ROW) for number in before - after]].sum(axis=0)
    came = sounds.rows[[sounds.row_of.get(number, SILENT_ROW) for number in after - before]].sum(axis=0)
    change: Rows = (left - came) * FADE_OUT
    return change
