"""How the video of one source reaches one receiver: the cheapest way that works, and why.

Codecs are compared by what they mean, never by their text (a different profile-level-id may be the same
stream).

Audio is not chosen for: it always goes through the mixer, never from one leg to the other as it is. With
levels, prompts, mute, hold and comings and goings seamless on one timeline, a relay would have to leave and
enter the mix in mid-word, and it would save little (DECISIONS.md, `make bench`).
"""

import enum
from collections.abc import Iterable

import msgspec

from bridge.errors import ParseError
from bridge.plane.messages import Codec
from bridge.wire import h264


class PathKind(enum.Enum):
    """The values are those of `PathChosen.path`."""

    FORWARD = "forward"
    NONE = "none"


class Path(msgspec.Struct, frozen=True, gc=False):
    """`codec` is the receiver's payload format to send with; None when nothing can be sent."""

    kind: PathKind
    codec: Codec | None
    reason: str


def choose(source: Codec, down_codecs: Iterable[Codec], *, level_binds: bool = True) -> Path:
    """The path of a stream of `source` to a receiver that takes `down_codecs`, its preference first.

    Without `level_binds` the receiver decodes higher levels of H.264 than it names.
    """
    refusals: list[str] = []
    for codec in down_codecs:
        refusal = _refusal(source, codec, level_binds=level_binds)
        if refusal is None:
            return Path(PathKind.FORWARD, codec, f"the receiver takes {source.name} as it is")
        refusals.append(refusal)
    why = "; ".join(dict.fromkeys(refusals)) or "the receiver takes no video"
    return Path(PathKind.NONE, None, f"{why}; transcoding is not available")


def _refusal(source: Codec, down: Codec, *, level_binds: bool) -> str | None:
    """Why a stream of `source` cannot go out as `down`; None if it can."""
    if source.name != down.name:
        return f"the source sends {source.name}, the receiver takes {down.name}"
    if source.clock_rate_hz != down.clock_rate_hz:
        return f"{source.name} with different RTP clocks"
    if source.name != "H264":
        return None
    try:
        sent, taken = h264.parse_fmtp(source.fmtp), h264.parse_fmtp(down.fmtp)
    except ParseError as error:
        return error.reason
    refusal = h264.mode_refusal(sent, taken) or h264.profile_refusal(sent, taken)
    return refusal or (h264.level_refusal(sent, taken) if level_binds else None)
