"""The audio of all rooms of a worker: every 20 ms each leg's frame goes in and its mix comes out.

A leg hears the loudest three that the matrix of its room allows, never its own participant, and the prompt or
music of its leg and room. Listeners of the same sound share one encode.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from bridge.codec.audio import known
from bridge.codec.sample import Rows, Samples, dbov, frame_samples
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.media.audio.bank import Banks
from bridge.media.audio.frames import MIX_SAMPLES, FrameSink, FrameSource
from bridge.media.audio.jukebox import Jukebox, Place
from bridge.media.audio.listener import NO_CONTENT, Listener, OnFault
from bridge.media.audio.loudest import heard_by, ranked
from bridge.media.audio.mix import Mix
from bridge.media.audio.mixes import Mixes, Sounds
from bridge.media.audio.playback import Player, SoundLibrary
from bridge.media.audio.room import Room
from bridge.media.audio.voice import Voice
from bridge.plane.messages import Codec, Hearing, Playback, PlaybackEnded

if TYPE_CHECKING:
    from bridge.codec.g711 import Law

VOICES_PER_STEP: Final = 24  # decoding Opus costs 20-40 us each: a step stays around one millisecond
REPLAYS_PER_STEP: Final = 64  # looked up and sent: about 10 us each
NOTHING_HEARD: Final[Samples] = np.zeros(MIX_SAMPLES, dtype=np.float32)
MIXES_PER_STEP: Final = 16  # encoding Opus costs 40-160 us each


class AudioLeg(msgspec.Struct, frozen=True):
    """A leg as the mixer needs it. `up` or `down` is None where the leg has no audio that way."""

    leg_id: LegId
    participant_id: ParticipantId
    room_id: RoomId
    up: Codec | None = None
    down: Codec | None = None
    sends: bool = True  # bridge to endpoint; False on hold, while its timeline goes on
    finds_digits: bool = False  # listen for keys in what it says


class AudioStatistics(msgspec.Struct, frozen=True):
    """One leg: counters since it began, levels of the last 200 ms."""

    level_dbov: float | None = None  # what it says
    down_level_dbov: float | None = None  # what it hears
    pushed: int = 0
    concealed: int = 0
    recovered: int = 0
    gated: int = 0
    malformed: int = 0
    dropped: int = 0


HeardDigit = tuple[LegId, str, int]  # and its duration in ms


class _Member(msgspec.Struct):
    """What a leg consists of."""

    leg: AudioLeg
    source: FrameSource | None
    sink: FrameSink | None
    voice: Voice | None = None
    listener: Listener | None = None


class Mixer:
    """Legs, rooms and playbacks are declared; `tick` runs one beat, or `begin` and `step` in slices.

    Between the slices of a beat anything may be declared: the beat is finished first. Sources and sinks must
    not call back into the mixer.

    A leg that raises is our own fault and must not take the other calls along: `on_fault` gets the leg and
    the error, within the beat (note it, act after it), and the leg is silent in this beat. Without `on_fault`
    the error goes through.
    """

    __slots__ = (
        "_banks",
        "_beat",
        "_digits",
        "_jukebox",
        "_members",
        "_mixes",
        "_numbers",
        "_on_fault",
        "_rooms",
        "_speakers",
        "skipped",
        "ticks",
    )

    def __init__(self, library: SoundLibrary, on_fault: OnFault | None = None) -> None:
        self._on_fault = on_fault
        self._members: dict[LegId, _Member] = {}
        self._rooms: dict[RoomId, Room] = {}
        self._banks = Banks()
        self._mixes = Mixes(self._fault)
        self._jukebox = Jukebox(library, self._banks)
        self._numbers = count(1)
        self._digits: list[HeardDigit] = []
        self._speakers: dict[int, Voice | Player] = {}
        self._beat: Iterator[None] | None = None
        self.ticks = 0
        self.skipped = 0

    # --- declarations -----------------------------------------------------------------------------------

    def add_leg(
        self, leg: AudioLeg, source: FrameSource | None = None, sink: FrameSink | None = None
    ) -> None:
        """Declares a leg: what is as before goes on undisturbed. NegotiationError for an unknown codec.

        Another source or up codec is a new stream with a fresh decoder, another sink or down codec one with a
        fresh encoder and a media time that begins at 0.
        """
        self._finish_beat()
        for codec in (leg.up, leg.down):
            if codec is not None:
                known(codec.name)
        new = _Member(leg, source, sink)
        old = self._members.pop(leg.leg_id, None)
        if old is not None:
            self._leave_room(old)
            self._inherit(new, old)
        self._complete(new)
        self._members[leg.leg_id] = new
        self._enter_room(new)
        if old is not None:
            self._forget_room(old.leg.room_id)

    def remove_leg(self, leg_id: LegId) -> None:
        """An unknown leg is fine."""
        self._finish_beat()
        member = self._members.pop(leg_id, None)
        if member is None:
            return
        self._leave_room(member)
        self._end(member.voice, member.listener)
        self._jukebox.stop(Place(leg_id=leg_id))
        self._forget_room(member.leg.room_id)

    def set_hears(self, room_id: RoomId, hears: Iterable[Hearing]) -> None:
        """Declares a room. Who is no longer heard fades out within the next tick."""
        self._finish_beat()
        self._room(room_id).declare(hears)

    def remove_room(self, room_id: RoomId) -> None:
        """Legs still in it hear silence. An unknown room is fine."""
        self._finish_beat()
        self._jukebox.stop(Place(room_id=room_id))
        room = self._rooms.get(room_id)
        if room is not None:
            room.undeclare()
            self._forget_room(room_id)

    def play_to_leg(self, leg_id: LegId, playback: Playback | None) -> None:
        """What this leg hears beside the matrix. The same playback id again changes nothing."""
        if leg_id in self._members:
            self._play(Place(leg_id=leg_id), playback)

    def play_to_room(self, room_id: RoomId, playback: Playback | None) -> None:
        """What every leg of the room hears beside the matrix."""
        if room_id in self._rooms:
            self._play(Place(room_id=room_id), playback)

    def receive_loss(self, leg_id: LegId, fraction_lost: float) -> None:
        """The loss (0 to 1) that the endpoint reports of what we send; Opus answers with FEC."""
        self._finish_beat()
        member = self._members.get(leg_id)
        if member is not None and member.listener is not None:
            member.listener.receive_loss(fraction_lost)

    # --- the beat ---------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """One beat: every source is pulled once, every sink gets one payload."""
        self.begin(now)
        self._finish_beat()

    def begin(self, now: float) -> None:
        """Starts a beat that `step` carries out; one that is still under way is finished first."""
        self._finish_beat()
        self._beat = self._run(now)

    def step(self) -> bool:
        """About a millisecond of the beat. Returns whether there is more to do."""
        if self._beat is None:
            return False
        try:
            next(self._beat)
        except StopIteration:
            self._beat = None
        return self._beat is not None

    def skip(self, ticks: int) -> None:
        """Beats that are left out: the RTP timelines and the playbacks jump over them."""
        self._finish_beat()
        self.skipped += ticks
        self._jukebox.skip(ticks)
        for member in self._members.values():
            if member.listener is not None:
                member.listener.skip(ticks)

    def events(self) -> list[PlaybackEnded]:
        """Playbacks that ended, or could not begin, since the last call."""
        return self._jukebox.events()

    def digits(self) -> list[HeardDigit]:
        """Keys heard in the sound of legs that want it, since the last call: one tick's, as it is asked then."""
        digits, self._digits = self._digits, []
        return digits

    def statistics(self) -> dict[str, float]:
        """Gauges and counters of the whole mixer."""
        voices = [member.voice for member in self._members.values() if member.voice]
        return {
            "mixer_legs": len(self._members),
            "mixer_rooms": len(self._rooms),
            "mixer_mixes": len(self._mixes),
            "mixer_players": len(self._jukebox),
            "mixer_ticks_total": self.ticks,
            "mixer_ticks_skipped_total": self.skipped,
            "mixer_encodes_total": self._mixes.encodes,
            "mixer_encoder_clones_total": self._mixes.clones,
            "mixer_encoder_merges_total": self._mixes.merges,
            "mixer_limited_total": self._mixes.limited,
            "mixer_replays_total": self._mixes.replayed,
            "mixer_voices_resting": sum(voice.resting for voice in voices),
            "mixer_voices_silent": sum(voice.samples is None for voice in voices),
        }

    def leg_statistics(self, leg_id: LegId) -> AudioStatistics:
        """Of an unknown leg: nothing."""
        member = self._members.get(leg_id)
        if member is None:
            return AudioStatistics()
        voice, listener = member.voice, member.listener
        mix = self._mixes.mix_of(listener) if listener else None
        return AudioStatistics(
            level_dbov=voice.level_dbov if voice else None,
            down_level_dbov=dbov(mix.power) if mix else None,
            pushed=listener.pushed if listener else 0,
            concealed=voice.concealed if voice else 0,
            recovered=voice.recovered if voice else 0,
            gated=voice.gated if voice else 0,
            malformed=voice.malformed if voice else 0,
            dropped=voice.dropped if voice else 0,
        )

    def _finish_beat(self) -> None:
        while self.step():
            pass

    def _run(self, now: float) -> Iterator[None]:
        self.ticks += 1
        for bank in self._banks:
            bank.begin_tick()
        yield from self._take(now)
        self._measure()
        for room_id, room in self._rooms.items():
            self._choose(room_id, room)
        self._mixes.regroup()
        mixes = self._mixes.begin_tick(now, self._speakers)
        self._resume(mixes)
        needed = {number for mix in mixes for number in (*mix.content, *mix.previous)}
        self._jukebox.tick(needed)
        replays = self._mixes.replays
        for first in range(0, len(replays), REPLAYS_PER_STEP):
            yield
            self._mixes.replay(replays[first : first + REPLAYS_PER_STEP], now)
        yield
        sounds = self._sounds(needed)
        for first in range(0, len(mixes), MIXES_PER_STEP):
            yield
            some = mixes[first : first + MIXES_PER_STEP]
            self._mixes.render(some, sounds)
            self._mixes.send(some, now)
        for number in self._jukebox.end_tick():
            del self._speakers[number]

    def _take(self, now: float) -> Iterator[None]:
        """Every voice's samples into its row; G.711 of the whole worker by one look into the table."""
        batches: dict[Law, list[tuple[Voice, bytes]]] = {}
        voices = [member.voice for member in self._members.values() if member.voice]
        for position, voice in enumerate(voices, start=1):
            payload = self._take_one(voice, now)
            if payload is not None and voice.law is not None:
                batches.setdefault(voice.law, []).append((voice, payload))
            elif voice.samples is not None:
                self._banks[voice.rate_hz].write(voice.slot, voice.samples)
            if position % VOICES_PER_STEP == 0:
                yield
        for law, batch in batches.items():
            rows = law.decode_many([payload for _, payload in batch])
            for (voice, _), samples in zip(batch, rows, strict=True):
                self._banks[voice.rate_hz].write(voice.slot, voice.take_batch(samples))

    def _take_one(self, voice: Voice, now: float) -> bytes | None:
        try:
            return voice.take(now)
        except Exception as error:
            voice.samples = None
            self._fault(voice.leg_id, error)
            return None

    def _fault(self, leg_id: LegId, error: Exception) -> None:
        if self._on_fault is None:
            raise error
        self._on_fault(leg_id, error)

    def _measure(self) -> None:
        powers = {bank.rate_hz: bank.powers() for bank in self._banks}
        for member in self._members.values():
            if member.voice is not None and not member.voice.resting:
                member.voice.measure(powers[member.voice.rate_hz][member.voice.slot])
                heard = member.voice.find_digit() if member.leg.finds_digits else None
                if heard is not None:
                    self._digits.append((member.leg.leg_id, *heard))

    def _choose(self, room_id: RoomId, room: Room) -> None:
        """What each listener of the room hears in this tick."""
        speaking = ranked(room.voices) if room.is_heard else []
        for voice in room.voices:
            voice.in_mix = False
        players = self._jukebox.numbers
        to_all = players.get(Place(None, room_id), NO_CONTENT)
        for listener in room.listeners:
            numbers = to_all + players.get(Place(listener.leg_id), NO_CONTENT)
            if speaking:
                voices = heard_by(listener.participant_id, room.hears, speaking)
                numbers += tuple(voice.number for voice in voices)
            listener.content = tuple(sorted(numbers)) if len(numbers) > 1 else numbers
        if speaking:
            heard = {number for listener in room.listeners for number in listener.content}
            for voice in speaking:
                voice.in_mix = voice.number in heard

    def _resume(self, mixes: Iterable[Mix]) -> None:
        """Gives mixes that were replayed in the last tick the past that they would have had."""
        for mix in mixes:
            if not mix.is_replayed:
                continue
            if not mix.previous:
                self._mixes.resume(mix, NOTHING_HEARD)
                continue
            player = self._speakers[mix.previous[0]]
            assert isinstance(player, Player)
            bank = self._banks[player.rate_hz]
            before = player.recent(bank.history + frame_samples(player.rate_hz))
            self._mixes.resume(mix, bank.converted(before[None])[0])

    def _sounds(self, needed: Iterable[int]) -> Sounds:
        """Brings to the mix's rate what is heard by anybody, and nothing else."""
        by_rate: dict[int, list[Voice | Player]] = {}
        for number in needed:
            speaker = self._speakers.get(number)
            if speaker is not None and not (isinstance(speaker, Voice) and speaker.samples is None):
                by_rate.setdefault(speaker.rate_hz, []).append(speaker)
        row_of: dict[int, int] = {}
        rows: list[Rows] = [np.zeros((1, MIX_SAMPLES), dtype=np.float32)]
        for rate_hz, speakers in by_rate.items():
            rows.append(self._banks[rate_hz].at_mix_rate([speaker.slot for speaker in speakers]))
            for speaker in speakers:
                row_of[speaker.number] = len(row_of) + 1
        return Sounds(np.concatenate(rows), row_of)

    # --- legs and rooms ---------------------------------------------------------------------------------

    def _complete(self, member: _Member) -> None:
        """Makes what the leg wants and did not inherit."""
        leg = member.leg
        if member.voice is None and leg.up is not None and member.source is not None:
            voice = Voice(leg.leg_id, leg.participant_id, leg.up, member.source, next(self._numbers))
            voice.slot = self._banks[voice.rate_hz].claim()
            self._speakers[voice.number] = voice
            member.voice = voice
        if member.listener is None and leg.down is not None and member.sink is not None:
            member.listener = Listener(leg.leg_id, leg.participant_id, leg.down, member.sink)
            self._mixes.join(member.listener)
        if member.listener is not None:
            member.listener.sends = leg.sends

    def _inherit(self, new: _Member, old: _Member) -> None:
        """Takes over what has not changed, and ends the rest."""
        if new.leg.participant_id == old.leg.participant_id:
            if new.leg.up == old.leg.up and new.source is old.source:
                new.voice, old.voice = old.voice, None
            if new.leg.down == old.leg.down and new.sink is old.sink:
                new.listener, old.listener = old.listener, None
        self._end(old.voice, old.listener)

    def _end(self, voice: Voice | None, listener: Listener | None) -> None:
        if voice is not None:
            self._banks[voice.rate_hz].release(voice.slot)
            del self._speakers[voice.number]
        if listener is not None:
            self._mixes.leave(listener)

    def _room(self, room_id: RoomId) -> Room:
        return self._rooms.setdefault(room_id, Room())

    def _enter_room(self, member: _Member) -> None:
        room = self._room(member.leg.room_id)
        if member.voice is not None:
            member.voice.searched = member.leg.finds_digits
            room.voices.append(member.voice)
        if member.listener is not None:
            room.listeners.append(member.listener)
        room.settle()

    def _leave_room(self, member: _Member) -> None:
        room = self._rooms.get(member.leg.room_id)
        if room is None:
            return  # who neither speaks nor hears, as a phone that rings, keeps no room
        if member.voice is not None:
            room.voices.remove(member.voice)
        if member.listener is not None:
            room.listeners.remove(member.listener)
        room.settle()

    def _forget_room(self, room_id: RoomId) -> None:
        if room_id in self._rooms and self._rooms[room_id].forgotten:
            self._jukebox.stop(Place(room_id=room_id))
            del self._rooms[room_id]

    def _play(self, place: Place, playback: Playback | None) -> None:
        self._finish_beat()
        player = self._jukebox.declare(place, playback, next(self._numbers))
        if player is not None:
            self._speakers[player.number] = player
