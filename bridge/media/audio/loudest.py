"""Who is in whose mix: the loudest three that a listener may hear, never himself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bridge.ids import ParticipantId
from bridge.media.audio.voice import Voice

LOUDEST: Final = 3  # more voices at once are a noise; and mixes of few talkers are shared by many listeners
INCUMBENT_GAIN: Final = 2.0  # +3 dB of power: two equal talkers do not push each other out tick by tick
AUDIBLE_POWER: Final = 1e-9  # -90 dBov: below is digital silence
FLOOR_POWER: Final = 1e-6  # -60 dBov: a room noise may fill an empty place only where all voices have one

Matrix = Mapping[ParticipantId, frozenset[ParticipantId]]


def ranked(voices: Iterable[Voice]) -> list[Voice]:
    """The voices worth mixing, loudest first."""
    speaking = [voice for voice in voices if voice.samples is not None and voice.loudness > AUDIBLE_POWER]
    if len(speaking) > LOUDEST:
        speaking = [voice for voice in speaking if voice.loudness > FLOOR_POWER]
    speaking.sort(key=_rank, reverse=True)
    return speaking


def heard_by(listener: ParticipantId, hears: Matrix, speaking: Sequence[Voice]) -> list[Voice]:
    """The first of `speaking` that the matrix lets this listener hear."""
    talkers = hears.get(listener)
    if not talkers:
        return []
    chosen: list[Voice] = []
    for voice in speaking:
        participant_id = voice.participant_id
        if participant_id in talkers and participant_id != listener:
            chosen.append(voice)
            if len(chosen) == LOUDEST:
                break
    return chosen


def _rank(voice: Voice) -> float:
    return voice.loudness * INCUMBENT_GAIN if voice.in_mix else voice.loudness
