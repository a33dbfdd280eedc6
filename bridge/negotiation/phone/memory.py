"""A phone's session as it is kept on disk: what was agreed, and nothing that must not be kept."""

import msgspec

from bridge.errors import NegotiationError
from bridge.negotiation.phone.agreement import NOT_OFFERED, PhoneAgreement
from bridge.negotiation.phone.audio import PhonePreferences
from bridge.negotiation.phone.section import parse_description
from bridge.negotiation.phone.transport import PhoneTransport, without_keys
from bridge.plane.messages import RtpAudio, RtpVideo
from bridge.wire.sdp import serialize_session_description
from bridge.wire.sdp_section import Direction


class PhoneMemory(msgspec.Struct, frozen=True):
    """`wish` is what the bridge wanted, `video_ours` whether it was the bridge that began the video,
    `video_declined` whether the phone is not to be asked for video."""

    session_id: int
    version: int
    wish: Direction
    agreement: PhoneAgreement | None
    video_ours: bool = False
    video_declined: bool = False


class _Record(msgspec.Struct, frozen=True):
    """As it is on disk."""

    session_id: int
    version: int
    wish: Direction
    audio: RtpAudio | None
    held_by_remote: bool
    remote: str
    audio_index: int
    dtmf_clock_rate_hz: int
    video: RtpVideo | None = None
    video_index: int | None = None
    no_video: str = NOT_OFFERED
    audio_suite: str = ""
    video_suite: str = ""
    video_ours: bool = False
    video_declined: bool = False


def serialize_memory(memory: PhoneMemory) -> bytes:
    """Without keys: one that is kept is one that leaks."""
    agreed = memory.agreement
    record = _Record(
        session_id=memory.session_id,
        version=memory.version,
        wish=memory.wish,
        audio=None if agreed is None else msgspec.structs.replace(agreed.audio, srtp=None),
        held_by_remote=agreed is not None and agreed.held_by_remote,
        remote="" if agreed is None else serialize_session_description(without_keys(agreed.remote)),
        audio_index=0 if agreed is None else agreed.audio_index,
        dtmf_clock_rate_hz=8000 if agreed is None else agreed.dtmf_clock_rate_hz,
        video=None
        if agreed is None or agreed.video is None
        else msgspec.structs.replace(agreed.video, srtp=None),
        video_index=None if agreed is None else agreed.video_index,
        no_video=NOT_OFFERED if agreed is None else agreed.no_video,
        audio_suite=agreed.audio_transport.suite if agreed and agreed.audio_transport else "",
        video_suite=agreed.video_transport.suite if agreed and agreed.video_transport else "",
        video_ours=memory.video_ours,
        video_declined=memory.video_declined,
    )
    return msgspec.json.encode(record)


def parse_memory(body: bytes, preferences: PhonePreferences) -> PhoneMemory:
    """Raises NegotiationError for bytes it cannot read."""
    try:
        record = msgspec.json.decode(body, type=_Record)
    except msgspec.MsgspecError as error:
        raise NegotiationError(f"what was remembered of the phone cannot be read: {error}") from error
    agreement = None if record.audio is None else _agreement_of(record, record.audio, preferences)
    return PhoneMemory(
        record.session_id, record.version, record.wish, agreement, record.video_ours, record.video_declined
    )


def _agreement_of(record: _Record, audio: RtpAudio, preferences: PhonePreferences) -> PhoneAgreement:
    """What is left of an agreement. Without its keys nothing can be said or heard until new ones are agreed."""
    remote = parse_description(record.remote)
    video, video_transport = record.video, None
    protocol = remote.media[record.audio_index].protocol
    audio_transport = PhoneTransport(protocol, rtcp_mux=audio.rtcp_mux, suite=record.audio_suite)
    if audio_transport.lacks_keys:
        audio = msgspec.structs.replace(audio, sends=False, receives=False)
    if video is not None and record.video_index is not None:
        protocol = remote.media[record.video_index].protocol
        video_transport = PhoneTransport(protocol, rtcp_mux=video.rtcp_mux, suite=record.video_suite)
        if video_transport.lacks_keys:
            video = msgspec.structs.replace(video, sends=False, receives=False)
    return PhoneAgreement(
        audio,
        record.held_by_remote,
        remote,
        record.audio_index,
        record.dtmf_clock_rate_hz,
        video,
        record.video_index,
        record.no_video,
        preferences.video_bps,
        audio_transport,
        video_transport,
    )
