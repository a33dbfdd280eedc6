"""How the video of one source reaches one receiver: the cheapest way that works, and why.

Codecs are compared by what they mean, never by their text (a different profile-level-id may be the same
stream).
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


def choose(source: Codec, down_codecs: Iterable[Codec]) -> Path:
    """The path of a stream of `source` to a receiver that takes `down_codecs`, its preference first."""
    refusals: list[str] = []
    for codec in down_codecs:
        refusal = _refusal(source, codec)
        if refusal is None:
            return Path(PathKind.FORWARD, codec, f"the receiver takes {source.name} as it is")
        refusals.append(refusal)
    why = "; ".join(dict.fromkeys(refusals)) or "the receiver takes no video"
    return Path(PathKind.NONE, None, f"{why}; transcoding is not available")


def _refusal(source: Codec, down: Codec) -> str | None:
    """Why a stream of `source` cannot go out as `down`; None if it can."""
    if source.name != down.name:
        return f"the source sends {source.name}, the receiver takes {down.name}"
    if source.clock_rate_hz != down.clock_rate_hz:
        return f"{source.name} with different RTP clocks"
    if source.name == "H264":
        return _h264_refusal(source.fmtp, down.fmtp)
    return None


def _h264_refusal(source_fmtp: str, down_fmtp: str) -> str | None:
    try:
        source, down = h264.parse_fmtp(source_fmtp), h264.parse_fmtp(down_fmtp)
    except ParseError as error:
        return error.reason
    if source.packetization_mode > down.packetization_mode:
        return (
            f"the source sends H.264 packetization-mode {source.packetization_mode}, "
            f"the receiver takes {down.packetization_mode}"
        )
    if not down.profile.decodes(source.profile):
        return f"the source sends H.264 {_described(source.profile)}, the receiver decodes {_described(down.profile)}"
    return None


def _described(profile: h264.H264Profile) -> str:
    return f"{profile.profile.name.lower().replace('_', ' ')} level {profile.level / 10:g}"
