"""The bridge's own offers to a phone, and the answers to them."""

from collections.abc import Iterator, Set

import msgspec

from bridge.errors import NegotiationError
from bridge.negotiation.codecs import SHAPES
from bridge.negotiation.phone.agreement import (
    NOT_OFFERED,
    PhoneAgreement,
    Understood,
    rewrite_video,
    video_direction,
)
from bridge.negotiation.phone.audio import (
    PhonePreferences,
    also_pressed,
    also_sent,
    understand_audio,
    write_audio,
)
from bridge.negotiation.phone.section import PhonePlace, explain_reach, read_section, refuse
from bridge.negotiation.phone.transport import (
    KeyMaker,
    KeyMakers,
    PhoneTransport,
    accepted_transport,
    offered_transport,
    renewed_transport,
)
from bridge.negotiation.phone.video import FEEDBACK, PhoneVideo, offered_codecs, understand_video, write_video
from bridge.plane.messages import Codec
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import Attributes, Direction, MediaSection

_FIRST_DYNAMIC = 96  # RFC 3551 section 3
_FIRST_EVENT = 101  # as most phones number it; the number itself has no meaning

VIDEO_DECLINED = "the phone has no video: it, or a trunk before it, took the video out of the bridge's offer"
VIDEO_ENDED = "the bridge went back to voice"

Events = tuple[tuple[int, int], ...]  # telephone-events: payload type and clock


class PhoneOffer(msgspec.Struct, frozen=True):
    """An offer while it waits for its answer. `video_index` is where it has video, `no_video` why it has not."""

    direction: Direction
    audio_index: int
    codecs: tuple[Codec, ...]
    media: tuple[MediaSection, ...]
    audio_transport: PhoneTransport
    video_transport: PhoneTransport | None = None
    video_index: int | None = None
    video_codecs: tuple[Codec, ...] = ()
    events: tuple[int, ...] = ()  # payload types of telephone-event
    no_video: str = NOT_OFFERED
    change: bool | None = None  # True: it adds video, False: it ends it


class Wanted(msgspec.Struct, frozen=True):
    """What an offer is for. `video` True adds it, False ends it; `anew`: with all codecs, not only that in use."""

    direction: Direction
    video: bool | None
    anew: bool = False


def make_offer(
    agreed: PhoneAgreement | None,
    place: PhonePlace,
    preferences: PhonePreferences,
    keys: KeyMakers,
    wanted: Wanted,
) -> PhoneOffer:
    """RFC 3264 section 8: every m= line ever agreed stays in its place, refused ones with port 0."""
    direction, video = wanted.direction, wanted.video
    codecs, events = _audio_formats(agreed, preferences, anew=wanted.anew)
    numbers = tuple(number for number, _ in events)
    policy = preferences.srtp_policy
    if agreed is None:
        transport = offered_transport(policy, keys.audio)
    else:
        kept = agreed.audio_transport or PhoneTransport(agreed.protocol_of(agreed.audio_index))
        transport = renewed_transport(kept, policy, keys.audio)
    audio = write_audio(place.address, place.audio_port, transport, direction, codecs, events)
    if agreed is None:
        offer = PhoneOffer(direction, 0, codecs, (audio,), transport, events=numbers)
        return _add_video(offer, place, preferences, keys.video) if video else offer
    media = tuple(
        audio if index == agreed.audio_index else refuse(section)
        for index, section in enumerate(agreed.remote.media)
    )
    offer = PhoneOffer(
        direction, agreed.audio_index, codecs, media, transport, events=numbers, no_video=agreed.no_video
    )
    if agreed.video is not None and place.video_port:
        if video is False:
            return msgspec.structs.replace(offer, no_video=VIDEO_ENDED, change=False)
        return _keep_video(offer, agreed, place, preferences, keys.video)
    return _add_video(offer, place, preferences, keys.video) if video else offer


def read_answer(remote: SessionDescription, offered: PhoneOffer, preferences: PhonePreferences) -> Understood:
    """The answer to `offered`. Raises NegotiationError when it has no usable audio."""
    remote = _aligned(remote, offered.media)
    names = tuple(codec.name for codec in offered.codecs)
    policy = preferences.srtp_policy
    section = read_section(remote, offered.audio_index, "audio", policy, preferences.reach)
    audio = transport = None
    if section is not None:
        asked = msgspec.structs.replace(preferences, codecs=names)
        media = remote.media[section.index]
        audio = understand_audio(media, section, asked, preferred=None, in_order=True)
        if audio is None:  # a gateway whose call went on to another phone says what that one has
            audio = understand_audio(media, section, preferences, preferred=None, in_order=True)
        transport = accepted_transport(media, policy, offered.audio_transport)
    if audio is None or transport is None:
        unreachable = explain_reach(remote, "audio", preferences.reach)
        raise NegotiationError(unreachable or "The answer accepts no audio the bridge offered.")
    video, video_transport = _read_video(remote, offered, preferences)
    declined = offered.video_index is not None and video is None
    reason = VIDEO_DECLINED if declined else offered.no_video
    return Understood(
        remote,
        audio,
        transport,
        video,
        video_transport,
        reason,
        offered.video_codecs,
        also_sent(audio, offered.codecs),
        also_pressed(audio, offered.events),
    )


def _aligned(remote: SessionDescription, offered: tuple[MediaSection, ...]) -> SessionDescription:
    """The answer with a section for each of the offer's, in its order (RFC 3264 section 6). Gateways leave out what
    they refuse, or put their own order: a medium is found by its name, and what was not offered is dropped."""
    if [section.kind for section in remote.media] != [section.kind for section in offered]:
        remote = msgspec.structs.replace(remote, media=_reordered(remote, offered))
    media = tuple(map(_explained, remote.media, offered))
    return remote if media == remote.media else msgspec.structs.replace(remote, media=media)


def _reordered(remote: SessionDescription, offered: tuple[MediaSection, ...]) -> tuple[MediaSection, ...]:
    left = list(remote.media)
    media = []
    for asked in offered:
        found = next((section for section in left if section.kind == asked.kind), None)
        if found is not None:
            left.remove(found)
        media.append(found or refuse(asked))
    return tuple(media)


def _explained(answered: MediaSection, offered: MediaSection) -> MediaSection:
    """A number that the answer does not explain means what it meant in the offer."""
    written = answered.rtp_maps
    unexplained = {str(number) for number in answered.payload_types if number not in written}
    lines = [
        line
        for line in offered.attributes.lines
        if line.name in ("rtpmap", "fmtp") and line.value and line.value.partition(" ")[0] in unexplained
    ]
    if not lines:
        return answered
    # Its own lines come first, and the first one counts.
    attributes = Attributes((*answered.attributes.lines, *lines))
    return msgspec.structs.replace(answered, attributes=attributes)


def _read_video(
    remote: SessionDescription, offered: PhoneOffer, preferences: PhonePreferences
) -> tuple[PhoneVideo, PhoneTransport] | tuple[None, None]:
    index, ours = offered.video_index, offered.video_transport
    if index is None or ours is None:
        return None, None
    policy = preferences.srtp_policy
    section = read_section(remote, index, "video", policy, preferences.reach)
    transport = accepted_transport(remote.media[index], policy, ours)
    if section is None or transport is None:
        return None, None
    names = tuple(dict.fromkeys(codec.name for codec in offered.video_codecs))
    video = understand_video(remote, section, msgspec.structs.replace(preferences, video_codecs=names))
    return (None, None) if video is None else (video, transport)


def _audio_formats(
    agreed: PhoneAgreement | None, preferences: PhonePreferences, *, anew: bool
) -> tuple[tuple[Codec, ...], Events]:
    codecs: list[Codec] = []
    events: list[tuple[int, int]] = []
    if agreed is not None:
        codecs.append(agreed.audio.codec)
        if (event := agreed.audio.dtmf_payload_type) is not None:
            events.append((event, agreed.dtmf_clock_rate_hz))
        if not anew:
            # A re-offer changes no codec: the same one keeps the media plane untouched.
            return tuple(codecs), tuple(events)
    taken = _numbers_of(agreed)
    dynamic = _free_numbers(_FIRST_DYNAMIC, taken)
    beside = {codec.name: codec for codec in agreed.audio.up_codecs} if agreed else {}
    for name in preferences.codecs:
        used = {*(codec.payload_type for codec in codecs), *(number for number, _ in events)}
        if name not in {codec.name for codec in codecs}:
            codec = beside.get(name) or _numbered(name, dynamic, used)
            codecs += [codec] if codec is not None and codec.payload_type not in used else []
    if preferences.dtmf:
        numbers = _free_numbers(_FIRST_EVENT, taken | {codec.payload_type for codec in codecs})
        clocks = dict.fromkeys(codec.clock_rate_hz for codec in codecs)
        missing = [clock for clock in clocks if clock not in {known for _, known in events}]
        events += [(number, clock) for clock, number in zip(missing, numbers, strict=False)]
    return tuple(codecs), tuple(events)


def _numbered(name: str, dynamic: Iterator[int], used: Set[int]) -> Codec | None:
    """None if no number is left for it."""
    shape = SHAPES[name]
    number = shape.static_payload_type
    if number is None or number in used:
        number = next(dynamic, None)
    return None if number is None else Codec(name, number, shape.clock_rate_hz, shape.channels)


def _numbers_of(agreed: PhoneAgreement | None) -> set[int]:
    """What has a meaning in this call (RFC 3264 section 8.3.2)."""
    if agreed is None:
        return set()
    codecs = [agreed.audio.codec, *agreed.audio.up_codecs, *(agreed.video.up_codecs if agreed.video else ())]
    described = (number for section in agreed.remote.media for number in section.payload_types)
    return {*(codec.payload_type for codec in codecs), *agreed.audio.up_dtmf_payload_types, *described}


def _free_numbers(first: int, taken: Set[int]) -> Iterator[int]:
    """Dynamic payload types from `first` on, and those before it once they are used up."""
    numbers = (*range(first, 128), *range(_FIRST_DYNAMIC, first))
    return (number for number in numbers if number not in taken)


def _keep_video(
    offer: PhoneOffer,
    agreed: PhoneAgreement,
    place: PhonePlace,
    preferences: PhonePreferences,
    make_key: KeyMaker,
) -> PhoneOffer:
    index, video = agreed.video_index, agreed.video
    if index is None or video is None:
        return offer
    direction = video_direction(offer.direction)
    kept = agreed.video_transport or PhoneTransport(agreed.protocol_of(index))
    transport = renewed_transport(kept, preferences.srtp_policy, make_key)
    ours = rewrite_video(video, place, transport, direction, preferences.video_bps)
    return _with_video(offer, index, ours, transport, video.up_codecs)


def _add_video(
    offer: PhoneOffer, place: PhonePlace, preferences: PhonePreferences, make_key: KeyMaker
) -> PhoneOffer:
    if not place.video_port or not preferences.video_codecs:
        return offer
    # Numbers of their own: some phones take a number for the same codec on both m= lines.
    taken = frozenset(number for section in offer.media for number in section.payload_types)
    codecs = offered_codecs(preferences, taken)
    protocol = offer.audio_transport.protocol
    transport = offered_transport(preferences.srtp_policy, make_key, protocol)
    direction = video_direction(offer.direction)
    ours = write_video(place, transport, direction, codecs, FEEDBACK, preferences.video_bps)
    dead = (i for i, section in enumerate(offer.media) if section.kind == "video" and not section.port)
    added = _with_video(offer, next(dead, len(offer.media)), ours, transport, codecs)
    return msgspec.structs.replace(added, change=True)


def _with_video(
    offer: PhoneOffer, index: int, ours: MediaSection, transport: PhoneTransport, codecs: tuple[Codec, ...]
) -> PhoneOffer:
    media = (*offer.media[:index], ours, *offer.media[index + 1 :])
    return msgspec.structs.replace(
        offer, media=media, video_index=index, video_transport=transport, video_codecs=codecs, no_video=""
    )
