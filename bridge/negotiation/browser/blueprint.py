"""New sections of our own offers: payload types, extension ids and mids that fit the rest of the bundle.

In one BUNDLE group a payload type or extension id means the same everywhere (RFC 9143 section 10.1.1), so
a new section repeats what the browser uses, and takes free numbers only where there is nothing to repeat.
"""

import msgspec

from bridge.errors import CapacityError
from bridge.ids import TrackId
from bridge.negotiation.browser.section import EXTENSION_FIELDS, MAX_EXTENSION_ID, Format, Section
from bridge.plane.messages import Codec
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import ExtensionMap

_H264_FMTP = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"  # RFC 7742 section 6.2
_VIDEO_FEEDBACK = ("transport-cc", "ccm fir", "nack", "nack pli")
_EXTENSIONS = {
    "audio": ("mid", "audio_level", "transport_cc"),
    "video": ("mid", "transport_cc"),
}


class Blueprint:
    """Makes sections for one offer. `remote` and `sections` are what is agreed so far."""

    __slots__ = ("_extension_ids", "_mids", "_payload_types", "_sections", "_video")

    def __init__(self, remote: SessionDescription | None, sections: tuple[Section, ...]) -> None:
        media = () if remote is None else remote.media
        self._sections = sections
        self._video: Section | None = None  # what all new video sections of this offer are like
        self._mids = {section.mid for section in media} | {section.mid for section in sections}
        self._payload_types = {number for section in media for number in section.payload_types}
        self._payload_types |= {n for s in sections for entry in s.formats for n in entry.payload_types}
        maps = [entry for section in media for entry in section.extension_maps]
        maps += [entry for section in sections for entry in section.extensions]
        self._extension_ids = {entry.uri: entry.id for entry in maps}

    def first_sections(self) -> tuple[Section, ...]:
        """For a bridge that offers first: audio both ways, and a place for the browser's camera."""
        opus = Codec("OPUS", self._free_payload_type(), 48000, 2)
        audio = Section(
            "audio",
            self._free_mid(),
            live=True,
            formats=(Format(opus, ("transport-cc",)),),
            extensions=self._extensions("audio"),
            may_send=True,
            reduced_size_rtcp=True,
        )
        return (audio, self._video_section())

    def down_section(self, source: TrackId, label: str) -> Section:
        """A section that sends `source` and receives nothing."""
        return msgspec.structs.replace(self._video_section(), for_down=True, source=source, label=label)

    def insert(self, sections: tuple[Section, ...], made: Section) -> tuple[Section, ...]:
        """Puts a new section on a dead m= line of its kind, else at the end (RFC 8829 section 5.2.2)."""
        for index, section in enumerate(sections):
            if not section.live and section.kind == made.kind:
                return (*sections[:index], made, *sections[index + 1 :])
        return (*sections, made)

    def _video_section(self) -> Section:
        if self._video is None:
            self._video = next((s for s in self._sections if s.live and s.kind == "video"), None)
        if self._video is None:
            formats, extensions = self._video_formats(), self._extensions("video")
            self._video = Section("video", formats=formats, extensions=extensions)
        return Section(
            "video",
            self._free_mid(),
            live=True,
            formats=self._video.formats,
            extensions=self._video.extensions,
            may_send=True,
            reduced_size_rtcp=True,
        )

    def _video_formats(self) -> tuple[Format, ...]:
        number = self._free_payload_type
        vp8 = Codec("VP8", number(), 90000, rtx_payload_type=number())
        h264 = Codec("H264", number(), 90000, rtx_payload_type=number(), fmtp=_H264_FMTP)
        return (Format(vp8, _VIDEO_FEEDBACK), Format(h264, _VIDEO_FEEDBACK))

    def _extensions(self, kind: str) -> tuple[ExtensionMap, ...]:
        fields = _EXTENSIONS[kind]
        uris = [uri for uri, field in EXTENSION_FIELDS.items() if field in fields]
        numbered = ((self._extension_id(uri), uri) for uri in uris)
        return tuple(ExtensionMap(number, uri) for number, uri in numbered if number is not None)

    def _extension_id(self, uri: str) -> int | None:
        """The browser's id for it, or a free one; None when that would need two-byte headers."""
        if uri not in self._extension_ids:
            used = set(self._extension_ids.values())
            free = next((number for number in range(1, MAX_EXTENSION_ID + 1) if number not in used), None)
            if free is None:
                return None
            self._extension_ids[uri] = free
        number = self._extension_ids[uri]
        return number if number <= MAX_EXTENSION_ID else None

    def _free_payload_type(self) -> int:
        # RFC 3551 section 3: 96-127 are free to assign; RFC 8829 section 5.2.1 falls back to 35-63.
        candidates = (*range(96, 128), *range(35, 64))
        number: int | None = next((n for n in candidates if n not in self._payload_types), None)
        if number is None:
            raise CapacityError("The browser's description leaves no payload type free for another section.")
        self._payload_types.add(number)
        return number

    def _free_mid(self) -> str:
        """Never the browser's: those are plain numbers, ours have a letter in front."""
        mid = next(mid for number in range(10_000) if (mid := f"b{number}") not in self._mids)
        self._mids.add(mid)
        return mid
