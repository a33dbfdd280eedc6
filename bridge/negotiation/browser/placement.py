"""Which section carries what down: the mix on one audio section, each wanted video on a video section."""

from collections.abc import Mapping

import msgspec

from bridge.ids import TrackId
from bridge.negotiation.browser.section import Section

MIX_LABEL = "mix"  # the MediaStream id of the mix; participants' ids have another form


def place(
    sections: tuple[Section, ...], wanted: Mapping[TrackId, str]
) -> tuple[tuple[Section, ...], tuple[TrackId, ...]]:
    """The sections with what they shall carry, and the sources that found no section.

    A source stays where it is; a new one takes the first free section the browser lets us send on.
    """
    kept = [_keep(section, wanted) for section in sections]
    placed = {section.source for section in kept if section.source is not None}
    waiting = [source for source in wanted if source not in placed]
    for index, section in enumerate(kept):
        if waiting and is_free(section):
            source = waiting.pop(0)
            kept[index] = msgspec.structs.replace(section, source=source, label=wanted[source])
    return _place_mix(kept), tuple(waiting)


def is_free(section: Section) -> bool:
    """Video may be sent here and none is."""
    return section.live and section.kind == "video" and section.may_send and section.source is None


def carries(section: Section) -> bool:
    """The bridge has something to send here: the mix or a video."""
    return section.live and section.may_send and section.label != ""


def voice_of(sections: tuple[Section, ...], before: tuple[Section, ...] = ()) -> int | None:
    """The section whose sound is the browser's voice: a leg has one. That which was stays it while it sends."""
    audio = [index for index, section in enumerate(sections) if section.kind == "audio" and section.live]
    sending = [index for index in audio if sections[index].receives]
    was = voice_of(before) if before else None
    if was in sending and before[was].mid == sections[was].mid:
        return was
    return next(iter(sending or audio), None)


def _keep(section: Section, wanted: Mapping[TrackId, str]) -> Section:
    if section.kind != "video":
        return section
    source = section.source
    usable = section.live and section.may_send and source is not None and source in wanted
    if not usable or source is None:
        return msgspec.structs.replace(section, source=None, label="")
    return msgspec.structs.replace(section, label=wanted[source])


def _place_mix(sections: list[Section]) -> tuple[Section, ...]:
    audio = [index for index, section in enumerate(sections) if section.kind == "audio" and section.live]
    mix = next((index for index in audio if sections[index].may_send), None)
    for index in audio:
        label = MIX_LABEL if index == mix else ""
        sections[index] = msgspec.structs.replace(sections[index], label=label)
    return tuple(sections)
