"""What phones ask of a browser's camera: a codec that they take as it comes, and no more bits than they want."""

import msgspec

from bridge.errors import ParseError
from bridge.negotiation.browser.section import Format, Section
from bridge.plane.messages import Codec
from bridge.wire import h264


class PhoneTaste(msgspec.Struct, frozen=True):
    """Of one phone that is shown the browser's camera: its `RtpVideo.down_codecs` and `limit_bps`."""

    codecs: tuple[Codec, ...]
    limit_bps: int | None = None


def suit(section: Section, tastes: tuple[PhoneTaste, ...], *, reorder: bool) -> Section:
    """A camera's section as the phones like it. A browser sends the first codec of our description.

    The order stays as it is while it serves as many phones as any other: each change costs an offer.
    """
    if section.kind != "video" or not section.live or section.for_down:
        return section
    limits = [taste.limit_bps for taste in tastes if taste.limit_bps is not None]
    section = msgspec.structs.replace(section, limit_bps=min(limits, default=None))
    if not reorder or is_suited(section, tastes):
        return section
    ordered = sorted(section.formats, key=lambda entry: -_served(entry, tastes))  # stable: ties as they were
    return msgspec.structs.replace(section, formats=tuple(ordered))


def is_suited(section: Section, tastes: tuple[PhoneTaste, ...]) -> bool:
    """Whether no other codec of the section would reach more phones than its first does."""
    served = [_served(entry, tastes) for entry in section.formats]
    return not served or served[0] == max(served)


def _served(entry: Format, tastes: tuple[PhoneTaste, ...]) -> int:
    return sum(any(_reaches(entry.codec, codec) for codec in taste.codecs) for taste in tastes)


def _reaches(source: Codec, down: Codec) -> bool:
    """Levels are left out: they are known from the stream alone, when it comes (media.path)."""
    if source.name != down.name:
        return False
    if source.name != "H264":
        return True
    try:
        sent, taken = h264.parse_fmtp(source.fmtp), h264.parse_fmtp(down.fmtp)
    except ParseError:
        return False
    return h264.mode_refusal(sent, taken) is None and h264.profile_refusal(sent, taken) is None
