"""What control and media plane say to each other: frozen values, nothing else.

A command declares the wanted state of one leg or one room; saying it twice changes nothing. It carries a
`request_id` and is answered by exactly one event with the same `request_id`: the event named in the
command's docstring, or `CommandRefused`. All other events are spontaneous and carry no request id.
"""

import msgspec

from bridge.ids import LegId, ParticipantId, RoomId, TrackId

# --- values inside commands -------------------------------------------------------------------------------


class Codec(msgspec.Struct, frozen=True, gc=False):
    """One payload format as negotiated on one media section.

    `name` is the IANA subtype in upper case: PCMU, PCMA, G722, OPUS, VP8, H264.
    `clock_rate_hz` is the RTP clock (8000 for G722, RFC 3551 section 4.5.2). `fmtp` is the text after the
    payload type of the a=fmtp line, "" if there is none. `written_clock_rate_hz` is what the peer calls the clock
    in its a=rtpmap where that is another, else 0.
    """

    name: str
    payload_type: int
    clock_rate_hz: int
    channels: int = 1
    rtx_payload_type: int | None = None
    fmtp: str = ""
    written_clock_rate_hz: int = 0


class ExtensionIds(msgspec.Struct, frozen=True, gc=False):
    """RTP header extension ids of one media section (RFC 8285); None = not negotiated."""

    mid: int | None = None
    audio_level: int | None = None
    transport_cc: int | None = None
    abs_send_time: int | None = None


class Playback(msgspec.Struct, frozen=True, gc=False):
    """A sound to play: `source` is the path of a WAV file (mono, 16 bit).

    The same `playback_id` again does not start it anew.
    """

    playback_id: str
    source: str
    loop: bool = False
    gain_db: float = 0.0


class SrtpKeys(msgspec.Struct, frozen=True, gc=False):
    """What protects one section of an RTP leg (RFC 4568). `suite` is a name of `wire.sdes.SUITES`; each key
    is master key and salt together: `local_key` of what the bridge sends, `remote_key` of what the phone does.
    So with the MKI that stands in each packet, b"" for none."""

    suite: str
    local_key: bytes
    remote_key: bytes
    local_mki: bytes = b""
    remote_mki: bytes = b""

    def __repr__(self) -> str:
        return f"SrtpKeys({self.suite})"  # never the keys: whatever is printed may be kept


class RtpAudio(msgspec.Struct, frozen=True, gc=False):
    """The audio section of an RTP leg. Directions are the bridge's: `sends` = bridge to phone.

    `exchange` counts the descriptions of the phone: with another number the phone may have moved, so its
    media may come from another address than before. `codec` is what it is sent; it may also send those of
    `up_codecs`, from one packet to the next. Keys come with `up_dtmf_payload_types`, too.
    """

    remote_address: str
    remote_port: int
    remote_rtcp_port: int
    codec: Codec
    dtmf_payload_type: int | None = None
    sends: bool = True
    receives: bool = True
    srtp: SrtpKeys | None = None
    rtcp_mux: bool = False
    exchange: int = 0
    inband_dtmf: bool = False  # keys come as tones: listen for them
    up_codecs: tuple[Codec, ...] = ()
    up_dtmf_payload_types: tuple[int, ...] = ()


VIDEO_MID = "video"  # of a phone's one picture: an RTP leg's SDP names no mids


class RtpVideo(msgspec.Struct, frozen=True, gc=False):
    """The video section of an RTP leg, on ports of its own. Directions are the bridge's.

    `up_codecs` is what the phone may send, `down_codecs` what it takes, its best first. `feedback` is what of
    a=rtcp-fb both sides do: "nack", "nack pli", "ccm fir". `source` is the video to send (None = nothing now).
    """

    remote_address: str
    remote_port: int
    remote_rtcp_port: int
    up_codecs: tuple[Codec, ...]
    down_codecs: tuple[Codec, ...]
    feedback: tuple[str, ...] = ()
    limit_bps: int | None = None  # what the phone is to be sent at most
    sends: bool = True
    receives: bool = True
    source: TrackId | None = None
    srtp: SrtpKeys | None = None
    rtcp_mux: bool = False
    exchange: int = 0
    key_frames_wanted: int = 0  # one more than before: the phone asked for one, by SIP INFO


class RtpLegSpec(msgspec.Struct, frozen=True, gc=False):
    """Wanted state of a SIP leg. `audio` is None before the remote side is known (outbound call).

    `video_port` asks for a port pair for video before the remote side is known. It stays for the leg's life.
    """

    leg_id: LegId
    participant_id: ParticipantId
    room_id: RoomId
    audio: RtpAudio | None = None
    playback: Playback | None = None
    video: RtpVideo | None = None
    video_port: bool = False


class IceCredentials(msgspec.Struct, frozen=True, gc=False):
    ufrag: str
    pwd: str


class Fingerprint(msgspec.Struct, frozen=True, gc=False):
    """Of a DTLS certificate: `algorithm` as in SDP ("sha-256"), `value` upper-case hex with colons."""

    algorithm: str
    value: str


class UpTrackSpec(msgspec.Struct, frozen=True, gc=False):
    """A medium the endpoint sends. `ssrcs` may be empty: then it is found by MID extension.

    `repairs`: lost packets may be asked for again (NACK). `rtx_ssrcs` are the retransmission SSRCs announced by
    a=ssrc-group:FID, in the order of `ssrcs`.
    """

    mid: str
    kind: str  # "audio" | "video"
    codecs: tuple[Codec, ...]
    extensions: ExtensionIds
    ssrcs: tuple[int, ...] = ()
    rtx_ssrcs: tuple[int, ...] = ()
    repairs: bool = True


class DownTrackSpec(msgspec.Struct, frozen=True, gc=False):
    """A medium the bridge sends. Audio carries the leg's mix; video carries `source` (None = nothing now).

    `level_binds`: the receiver decodes no higher level of H.264 than it names. All browsers name 3.1 and decode
    what comes.
    """

    mid: str
    kind: str  # "audio" | "video"
    codecs: tuple[Codec, ...]
    extensions: ExtensionIds
    ssrc: int
    rtx_ssrc: int | None = None
    source: TrackId | None = None
    level_binds: bool = False


class WebRtcLegSpec(msgspec.Struct, frozen=True, gc=False):
    """Wanted state of a browser leg: one BUNDLE transport, any number of tracks.

    `dtls_server` is True when the bridge waits for the ClientHello (a=setup:passive on our side).
    """

    leg_id: LegId
    participant_id: ParticipantId
    room_id: RoomId
    local_ice: IceCredentials
    remote_ice: IceCredentials | None
    remote_fingerprints: tuple[Fingerprint, ...]
    dtls_server: bool
    up_tracks: tuple[UpTrackSpec, ...] = ()
    down_tracks: tuple[DownTrackSpec, ...] = ()
    playback: Playback | None = None


class Hearing(msgspec.Struct, frozen=True, gc=False):
    """One row of the who-hears-whom matrix. A listener without a row, or with no talkers, hears silence."""

    listener: ParticipantId
    talkers: tuple[ParticipantId, ...]


class RoomSpec(msgspec.Struct, frozen=True, gc=False):
    """Wanted state of a room. `playback` is heard by every leg in it."""

    room_id: RoomId
    hears: tuple[Hearing, ...] = ()
    playback: Playback | None = None


class WorkerConfig(msgspec.Struct, frozen=True, gc=False):
    """What a worker is given once, before its first command. Durations in seconds, delays in ms.

    `rtp_port_first` is where in the range the first leg's port is looked for; 0: at its beginning.
    """

    ice_address: str = "127.0.0.1"
    ice_port: int = 0
    ice_advertised_address: str = ""
    consent_timeout_s: float = 30.0
    rtp_address: str = "127.0.0.1"
    rtp_advertised_address: str = ""
    rtp_port_min: int = 10_002
    rtp_port_max: int = 20_000
    rtp_port_first: int = 0
    rtp_drain_s: float = 5.0
    rtp_timeout_s: float = 30.0
    log_level: str = "info"
    log_format: str = "json"


# --- commands: control plane to media plane ---------------------------------------------------------------


class DeclareRtpLeg(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Answered by `RtpLegDeclared`."""

    request_id: int
    leg: RtpLegSpec


class DeclareWebRtcLeg(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Answered by `WebRtcLegDeclared`."""

    request_id: int
    leg: WebRtcLegSpec


class RemoveLeg(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Answered by `LegRemoved`; removing an unknown leg succeeds."""

    request_id: int
    leg_id: LegId


class DeclareRoom(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Answered by `RoomDeclared`. Legs may be declared before or after their room."""

    request_id: int
    room: RoomSpec


class RemoveRoom(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Answered by `RoomRemoved`. Legs still in it fall silent until removed."""

    request_id: int
    room_id: RoomId


class SendDigits(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Keys for a phone, behind those that are still being sent. Answered by `DigitsTaken`.

    `digits_id` again is not sent again. No declaration: a leg that is declared anew has nothing left to send.
    """

    request_id: int
    leg_id: LegId
    digits_id: str
    digits: str

    def __repr__(self) -> str:
        return f"SendDigits({self.leg_id}, {self.digits_id})"  # digits may be a card number


Command = DeclareRtpLeg | DeclareWebRtcLeg | RemoveLeg | DeclareRoom | RemoveRoom | SendDigits


# --- events: media plane to control plane -----------------------------------------------------------------


class WorkerReady(msgspec.Struct, frozen=True, gc=False, tag=True):
    """First event of a worker. `ice_candidates` are the texts after "candidate:" of our host candidates.

    `probe` is what desktops check their way to them with, outside of any call.
    """

    fingerprint: Fingerprint
    ice_candidates: tuple[str, ...]
    srtp_library: str
    probe: IceCredentials = IceCredentials("", "")


class CommandRefused(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The command changed nothing. `code` as in bridge.errors."""

    request_id: int
    code: str
    reason: str


class RtpLegDeclared(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The leg exists with this RTP port (RTCP on the next one); the same port for its whole life.

    `video_port` likewise: None while no video was asked for, 0 when no port was to be had.
    """

    request_id: int
    leg_id: LegId
    local_address: str
    local_port: int
    video_port: int | None = None


class WebRtcLegDeclared(msgspec.Struct, frozen=True, gc=False, tag=True):
    request_id: int
    leg_id: LegId


class LegRemoved(msgspec.Struct, frozen=True, gc=False, tag=True):
    request_id: int
    leg_id: LegId


class DigitsTaken(msgspec.Struct, frozen=True, gc=False, tag=True):
    request_id: int
    leg_id: LegId


class RoomDeclared(msgspec.Struct, frozen=True, gc=False, tag=True):
    request_id: int
    room_id: RoomId


class RoomRemoved(msgspec.Struct, frozen=True, gc=False, tag=True):
    request_id: int
    room_id: RoomId


class LegConnected(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Media can flow: DTLS is up, or the first RTP packet of a phone was latched."""

    leg_id: LegId


class LegFailed(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The connection is gone for good. `code`: consent_lost, dtls_failed, peer_closed, rtp_timeout,
    internal_error."""

    leg_id: LegId
    code: str
    reason: str


class DtmfReceived(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A digit ended (RFC 4733). `digit` is one of 0-9 * # A-D; never logged."""

    leg_id: LegId
    digit: str
    duration_ms: int


class PlaybackEnded(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A playback that does not loop is through, or its file cannot be read (`error` says why)."""

    playback_id: str
    leg_id: LegId | None = None
    room_id: RoomId | None = None
    error: str = ""


class KeyFrameWanted(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A phone that agreed to no RTCP feedback sent no key frame when it was asked by RTCP all the same."""

    leg_id: LegId


class PathChosen(msgspec.Struct, frozen=True, gc=False, tag=True):
    """How the video of one down track is made: `path` is forward or none; `reason` says why."""

    leg_id: LegId
    mid: str
    path: str
    reason: str


class TrackStatistics(msgspec.Struct, frozen=True, gc=False):
    """Counters since the track began. `direction`: up = endpoint to bridge. Levels in dBov (0 to -127).

    `foreign` packets have a payload type that was not agreed on; they are among the dropped ones.
    `digits_dropped` are keys that came quicker than anybody dials.
    """

    mid: str
    kind: str
    direction: str
    codec: str
    packets: int = 0
    octets: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    level_dbov: float | None = None
    frames: int = 0
    nacks: int = 0
    plis: int = 0
    retransmitted: int = 0
    concealed: int = 0
    recovered: int = 0
    dropped: int = 0
    foreign: int = 0
    digits_dropped: int = 0
    waits_for_key_frame: bool = False


class TransportStatistics(msgspec.Struct, frozen=True, gc=False):
    """Of sockets or a connection of one leg since it began: what came, and what of it was of no use."""

    received: int = 0
    strangers: int = 0  # from another source than the one that proved to be the endpoint
    undecryptable: int = 0
    unsent: int = 0  # nowhere to send to yet, or the network had no room


class LegStatistics(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sent once a second for every leg. `video_transport` is that of video alone, None where one carries all."""

    leg_id: LegId
    tracks: tuple[TrackStatistics, ...]
    transport: TransportStatistics = TransportStatistics()
    video_transport: TransportStatistics | None = None


class WorkerStatistics(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sent once a second: gauges and counters of the whole worker, by metric name."""

    values: dict[str, float]


Event = (
    WorkerReady
    | CommandRefused
    | RtpLegDeclared
    | WebRtcLegDeclared
    | LegRemoved
    | RoomDeclared
    | RoomRemoved
    | DigitsTaken
    | LegConnected
    | LegFailed
    | DtmfReceived
    | PlaybackEnded
    | KeyFrameWanted
    | PathChosen
    | LegStatistics
    | WorkerStatistics
)
Reply = (
    CommandRefused
    | RtpLegDeclared
    | WebRtcLegDeclared
    | LegRemoved
    | RoomDeclared
    | RoomRemoved
    | DigitsTaken
)
