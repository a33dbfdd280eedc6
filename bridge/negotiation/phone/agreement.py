"""What one exchange of descriptions with a phone came to, and the answer that says so."""

import msgspec

from bridge.negotiation.phone.audio import PhoneAudio, PhonePreferences, write_audio
from bridge.negotiation.phone.section import (
    PhonePlace,
    PhoneSection,
    explain_reach,
    find_sections,
    is_unspecified,
    refuse,
    write_description,
)
from bridge.negotiation.phone.transport import PhoneTransport
from bridge.negotiation.phone.video import (
    PhoneVideo,
    accepted_codecs,
    describe_formats,
    understand_video,
    write_video,
)
from bridge.plane.messages import Codec, RtpAudio, RtpVideo
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import Direction, MediaSection, make_direction

NOT_OFFERED = "the phone offers no video"
STRIPPED = "the phone says it does video, but its offer has none: a trunk on the way may have taken it out"
ENDED = "the phone, or a trunk before it, ended the video"
VOICE_ONLY = "the trunk is for voice only: it has no video codecs"
NOT_PLAIN = "the phone's video comes by a protocol or from an address the bridge does not take"
NO_PORT = "no RTP port is free for the phone's video"


class PhoneAgreement(msgspec.Struct, frozen=True):
    """`audio` and `video` go into `RtpLegSpec`; the rest is what `answer` writes.

    `no_video` says why there is no video, "" if there is.
    """

    audio: RtpAudio
    held_by_remote: bool
    remote: SessionDescription
    audio_index: int
    dtmf_clock_rate_hz: int = 8000
    video: RtpVideo | None = None
    video_index: int | None = None
    no_video: str = NOT_OFFERED
    video_bps: int = 1_000_000
    audio_transport: PhoneTransport | None = None
    video_transport: PhoneTransport | None = None

    def answer(
        self, local_address: str, local_port: int, session_id: int = 1, session_version: int = 1
    ) -> str:
        """The SDP answer of a voice call, once the media plane said where the leg receives."""
        media = self.answer_media(PhonePlace(local_address, local_port))
        return write_description(local_address, session_id, session_version, media)

    def answer_media(self, place: PhonePlace) -> tuple[MediaSection, ...]:
        """The m= sections of the answer: audio, video if there is a port for it, all others refused."""
        return tuple(
            self._answer_section(index, section, place) for index, section in enumerate(self.remote.media)
        )

    @property
    def remote_has_video(self) -> bool:
        """The phone described video, whether or not the bridge takes it."""
        return any(section.kind == "video" and section.port for section in self.remote.media)

    def protocol_of(self, index: int) -> str:
        return self.remote.media[index].protocol

    def _answer_section(self, index: int, section: MediaSection, place: PhonePlace) -> MediaSection:
        if index == self.audio_index:
            event = self.audio.dtmf_payload_type
            events = () if event is None else ((event, self.dtmf_clock_rate_hz),)
            direction = make_direction(sends=self.audio.sends, receives=self.audio.receives)
            codecs = (self.audio.codec,)
            transport = self.audio_transport or PhoneTransport(section.protocol)
            return write_audio(place.address, place.audio_port, transport, direction, codecs, events)
        if index == self.video_index and self.video is not None and place.video_port:
            direction = make_direction(sends=self.video.sends, receives=self.video.receives)
            transport = self.video_transport or PhoneTransport(section.protocol)
            return rewrite_video(self.video, place, transport, direction, self.video_bps)
        return refuse(section)


def rewrite_video(
    video: RtpVideo, place: PhonePlace, transport: PhoneTransport, direction: Direction, limit_bps: int
) -> MediaSection:
    """What is agreed on video, as our description says it."""
    return write_video(place, transport, direction, video.up_codecs, video.feedback, limit_bps)


class Understood(msgspec.Struct, frozen=True):
    """A description of the phone, with what was found in it. `offered` are the video codecs of our offer
    that it answers, `up_codecs` the audio that it may send beside the one chosen, `up_events` the numbers that
    its keys may come with beside its own."""

    remote: SessionDescription
    audio: PhoneAudio
    audio_transport: PhoneTransport
    video: PhoneVideo | None = None
    video_transport: PhoneTransport | None = None
    no_video: str = NOT_OFFERED
    offered: tuple[Codec, ...] = ()
    up_codecs: tuple[Codec, ...] = ()
    up_events: tuple[int, ...] = ()


def agree(
    found: Understood,
    wish: Direction,
    last: PhoneAgreement | None,
    preferences: PhonePreferences,
    *,
    held: bool,
    exchange: int,
) -> PhoneAgreement:
    """What follows from the phone's description and our own wish. `exchange` is a number it has alone."""
    video = None
    if found.video is not None:
        video = _agree_video(found, found.video, wish, last.video if last else None, preferences, exchange)
    return PhoneAgreement(
        audio=_agree_audio(found, wish, last.audio if last else None, preferences, exchange),
        held_by_remote=held,
        remote=found.remote,
        audio_index=found.audio.section.index,
        dtmf_clock_rate_hz=found.audio.dtmf_clock_rate_hz,
        video=video,
        video_index=None if found.video is None else found.video.section.index,
        no_video=found.no_video,
        video_bps=preferences.video_bps,
        audio_transport=found.audio_transport,
        video_transport=found.video_transport,
    )


def _agree_audio(
    found: Understood, wish: Direction, last: RtpAudio | None, preferences: PhonePreferences, exchange: int
) -> RtpAudio:
    audio, transport = found.audio, found.audio_transport
    address, port, rtcp_port = _route(audio.section, last)
    return RtpAudio(
        remote_address=address,
        remote_port=port,
        remote_rtcp_port=rtcp_port,
        codec=audio.codec,
        dtmf_payload_type=audio.dtmf_payload_type,
        sends=wish.sends and audio.section.direction.receives,
        receives=wish.receives and audio.section.direction.sends,
        srtp=transport.srtp,
        rtcp_mux=transport.rtcp_mux,
        exchange=exchange,
        inband_dtmf=preferences.inband_dtmf,
        up_codecs=found.up_codecs,
        up_dtmf_payload_types=found.up_events,
    )


def _agree_video(
    found: Understood,
    video: PhoneVideo,
    wish: Direction,
    last: RtpVideo | None,
    preferences: PhonePreferences,
    exchange: int,
) -> RtpVideo:
    address, port, rtcp_port = _route(video.section, last)
    direction = video_direction(wish)
    transport = found.video_transport or PhoneTransport()
    return RtpVideo(
        remote_address=address,
        remote_port=port,
        remote_rtcp_port=rtcp_port,
        up_codecs=accepted_codecs(found.offered, video.codecs),
        down_codecs=video.codecs,
        feedback=video.feedback,
        limit_bps=video.limit_bps or preferences.video_bps,
        sends=direction.sends and video.section.direction.receives,
        receives=direction.receives and video.section.direction.sends,
        srtp=transport.srtp,
        rtcp_mux=transport.rtcp_mux,
        exchange=exchange,
    )


def video_direction(wish: Direction) -> Direction:
    """Whoever is on hold is not watched and sees nothing, and hears the music."""
    return make_direction(sends=wish.sends and wish.receives, receives=wish.receives)


def find_video(
    remote: SessionDescription, preferences: PhonePreferences, first: int | None
) -> tuple[PhoneVideo | None, str]:
    """The video section to take, or why there is none."""
    described = [media for media in remote.media if media.kind == "video" and media.port]
    if not described:
        return None, NOT_OFFERED
    if not preferences.video_codecs:
        return None, VOICE_ONLY
    sections = find_sections(remote, "video", preferences.srtp_policy, first, preferences.reach)
    if not sections:
        return None, explain_reach(remote, "video", preferences.reach) or NOT_PLAIN
    for section in sections:
        video = understand_video(remote, section, preferences)
        if video is not None:
            return video, ""
    theirs = describe_formats(remote.media[sections[0].index])
    ours = ", ".join(preferences.video_codecs)
    return None, f"no common video codec: the phone has {theirs}, the bridge takes {ours}"


def _route(section: PhoneSection, last: RtpAudio | RtpVideo | None) -> tuple[str, int, int]:
    """Old-style hold (RFC 3264 section 8.4) names no address; the one that worked is kept."""
    if is_unspecified(section.address) and last is not None:
        return last.remote_address, last.remote_port, last.remote_rtcp_port
    return section.address, section.port, section.rtcp_port
