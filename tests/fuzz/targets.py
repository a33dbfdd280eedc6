"""All targets. Parsers raise ParseError and nothing else; engines raise nothing, whatever arrives."""

import itertools
from collections.abc import Callable

from bridge.errors import BridgeError, GlareError, NegotiationError, ParseError
from bridge.flows.flow_file import Known, parse_flow
from bridge.ids import FlowId
from bridge.media.audio.track import AudioUpTrack
from bridge.media.video.down_track import DownTrack
from bridge.media.video.forwarder import UpTrack
from bridge.negotiation import BrowserSession, PhoneSession
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds, Fingerprint, IceCredentials, UpTrackSpec
from bridge.transport.demux import classify
from bridge.transport.ice_lite import IceLite
from bridge.wire.dtmf import parse_telephone_event
from bridge.wire.extensions import parse_extensions
from bridge.wire.h264 import parse_fmtp, parse_fragment, parse_profile_level_id, parse_sps_profile
from bridge.wire.opus import parse_toc
from bridge.wire.rtcp import RtcpPacket, parse_rtcp, serialize_rtcp
from bridge.wire.rtp import parse_rtp
from bridge.wire.sdp import parse_session_description, serialize_session_description
from bridge.wire.vp8 import parse_descriptor
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.diagnosis.masking import mask, summary
from signaling.sip.session.event import CallArrived, CallReoffered
from signaling.sip.session.memory import parse_memory
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import parse_essentials, parse_message, salvage_request, serialize_message
from signaling.sip.wire.stream import StreamFramer
from signaling.sip.wire.uri import parse_name_address, parse_uri
from signaling.sip.wire.via import parse_via
from signaling.web.protocol.messages import parse_command, parse_command_id
from tests.fuzz.seeds import SEEDS
from tests.fuzz.sip_targets import SIP_TARGETS, sip_text
from tests.fuzz.target import Target

PHONE = Flow("udp", "192.0.2.7", 5060)
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
VP8 = Codec("VP8", 96, 90_000, rtx_payload_type=97)
H264 = Codec("H264", 98, 90_000, fmtp="packetization-mode=1;profile-level-id=42e01f")
ICE = IceCredentials("abcd", "p" * 24)
PACKET_S = 0.02


def _text(data: bytes) -> str:
    """As SDP and the commands of a websocket come: valid UTF-8, or made so before anything parses it."""
    return data.decode("utf-8", "replace")


def _hex() -> Callable[[int], str]:
    serial = itertools.count(1)
    return lambda count: f"{next(serial):x}".rjust(2 * count, "0")[: 2 * count]


def _packets(data: bytes) -> list[bytes]:
    """Several packets in one input: a length octet before each."""
    packets: list[bytes] = []
    at = 0
    while at < len(data) and len(packets) < 64:
        end = at + 1 + data[at]
        packets.append(data[at + 1 : end])
        at = end
    return packets


# --- wire -------------------------------------------------------------------------------------------------


def rtcp(data: bytes) -> None:
    """What was read can be written and read again."""
    packets: list[RtcpPacket] = parse_rtcp(data)
    if packets:
        parse_rtcp(serialize_rtcp(packets))


def sdp(data: bytes) -> None:
    """What was understood is written so that it is understood the same."""
    once = parse_session_description(_text(data))
    text = serialize_session_description(once)
    assert serialize_session_description(parse_session_description(text)) == text


def extensions(data: bytes) -> None:
    for profile in (0xBEDE, 0x1000):
        parse_extensions(profile, data)


# --- media engines ----------------------------------------------------------------------------------------


def audio_track(data: bytes) -> None:
    """RTP of a phone, with digits and levels, read by a mixer that ticks."""
    track = AudioUpTrack(
        "0",
        Codec("OPUS", 111, 48_000, 2),
        dtmf_payload_types=(101,),
        level_extension=1,
        on_digit=lambda *_: None,
    )
    for number, packet in enumerate(_packets(data)):
        track.receive(packet, number * PACKET_S)
        track.pull(number * PACKET_S)


def video_track(data: bytes) -> None:
    """RTP of a browser through a forward table to a viewer."""
    up = UpTrack(UpTrackSpec("1", "video", (VP8, H264), ExtensionIds(mid=4)), 1)
    sent: list[bytes] = []
    for codec in (VP8, H264):
        spec = DownTrackSpec("2", "video", (codec,), ExtensionIds(mid=4), 77, 78)
        up.add(DownTrack(spec, sent.append))
    for number, packet in enumerate(_packets(data)):
        up.receive(packet, number * PACKET_S)
        up.take_feedback(number * PACKET_S)
    for packet in sent:
        parse_rtp(packet)


def ice(data: bytes) -> None:
    engine = IceLite(ICE, IceCredentials("efgh", "q" * 24), 0.0)
    for number, packet in enumerate(_packets(data)):
        classify(packet)
        engine.receive_stun(packet, ("192.0.2.7", 4000), number * PACKET_S)


# --- negotiation ------------------------------------------------------------------------------------------


def phone_offer(data: bytes) -> None:
    """An offer in an INVITE; what is agreed to is answered in a description that can be read."""
    session = PhoneSession(1)
    session.receive_offer(_text(data))
    session.place("192.0.2.1", 10_002, 10_004)
    parse_session_description(session.answer())


def phone_answer(data: bytes) -> None:
    session = PhoneSession(1)
    session.place("192.0.2.1", 10_002, 10_004)
    session.offer()
    session.receive_answer(_text(data))


def browser_offer(data: bytes) -> None:
    parse_session_description(_browser().receive_offer(_text(data)))


def browser_answer(data: bytes) -> None:
    session = _browser()
    session.offer()
    session.receive_answer(_text(data))


def _browser() -> BrowserSession:
    fingerprint = Fingerprint("sha-256", ":".join(["AB"] * 32))
    candidates = ("1 1 udp 1 192.0.2.1 10000 typ host",)
    return BrowserSession(fingerprint=fingerprint, ice_candidates=candidates, token_hex=_hex())


# --- SIP --------------------------------------------------------------------------------------------------


def sip_message(data: bytes) -> None:
    """What was understood is written so that it is understood."""
    message = parse_message(data)
    parse_essentials(message)
    parse_message(serialize_message(message))


def sip_stream(data: bytes) -> None:
    """The same messages, however the stream is cut."""
    whole = StreamFramer().receive(data)
    framer = StreamFramer()
    assert [one for octet in data for one in framer.receive(bytes([octet]))] == whole


def sip_agent(data: bytes) -> None:
    """A phone that says anything, and a switchboard that agrees to all of it."""
    agent = UserAgent(AgentSettings(max_calls=8), LocalIdentity("192.0.2.1", 5060, _hex()))
    call = agent.invite("sip:bob@192.0.2.7", SDP, 0.0)
    now = 0.0
    for part in data.split(b"\x00", 8):
        agent.receive_message(part.replace(b"{tag}", _hex()(8).encode()), PHONE, now)
        for event in agent.events():
            if isinstance(event, CallArrived):
                agent.accept(event.call, SDP, now)
            elif isinstance(event, CallReoffered):
                agent.answer_reinvite(event.call, SDP, now)
        agent.messages_to_send()
        now += 1.0
    if call in agent.calls():
        agent.hang_up(call, "over", now)
    while (at := agent.timer()) is not None:
        agent.handle_timer(at)
        agent.messages_to_send()
        agent.events()
        assert at < 1000, "a call that never ends"


def sip_masking(data: bytes) -> None:
    mask(data)
    assert "\n" not in summary(data)


# --- control ----------------------------------------------------------------------------------------------


def command(data: bytes) -> None:
    parse_command_id(_text(data))
    parse_command(_text(data))


PARSE = (ParseError,)
NEGOTIATION = (ParseError, NegotiationError, GlareError)

TARGETS = (
    Target("rtp", parse_rtp, PARSE, SEEDS["rtp"]),
    Target("rtcp", rtcp, PARSE, SEEDS["rtcp"]),
    Target("extensions", extensions, PARSE),
    Target("sdp", sdp, PARSE, "sdp"),
    Target("dtmf", parse_telephone_event, PARSE, SEEDS["dtmf"]),
    Target("vp8", parse_descriptor, PARSE, SEEDS["vp8"]),
    Target("h264_fragment", parse_fragment, PARSE, SEEDS["h264_fragment"]),
    Target("h264_sps", parse_sps_profile, PARSE, SEEDS["h264_sps"]),
    Target("h264_fmtp", lambda data: parse_fmtp(_text(data)), PARSE, SEEDS["h264_fmtp"]),
    Target("h264_profile", lambda data: parse_profile_level_id(_text(data)), PARSE, SEEDS["h264_profile"]),
    Target("opus_toc", lambda data: [parse_toc(octet) for octet in data], PARSE),
    Target("audio_track", audio_track, (), SEEDS["audio_track"]),
    Target("video_track", video_track, (), SEEDS["video_track"]),
    Target("ice", ice),
    Target("phone_offer", phone_offer, NEGOTIATION, "sdp"),
    Target("phone_answer", phone_answer, NEGOTIATION, "sdp"),
    Target("browser_offer", browser_offer, (*NEGOTIATION, BridgeError), "sdp"),
    Target("browser_answer", browser_answer, (*NEGOTIATION, BridgeError), "sdp"),
    Target("sip_message", sip_message, PARSE, "sip/rfc4475"),
    Target("sip_uri", lambda data: parse_uri(sip_text(data)), PARSE, SEEDS["sip_uri"]),
    Target(
        "sip_name_address", lambda data: parse_name_address(sip_text(data)), PARSE, SEEDS["sip_name_address"]
    ),
    Target("sip_via", lambda data: parse_via(sip_text(data)), PARSE, SEEDS["sip_via"]),
    Target("sip_salvage", salvage_request, (), "sip/rfc4475"),
    Target("sip_memory", parse_memory, PARSE, SEEDS["sip_memory"]),
    Target("sip_stream", sip_stream, PARSE, "sip/rfc4475"),
    Target("sip_agent", sip_agent, (), "sip/rfc4475"),
    Target("sip_masking", sip_masking, (), "sip/rfc4475"),
    *SIP_TARGETS,
    Target("command", command, (BridgeError,), SEEDS["command"]),
    Target(
        "flow",
        lambda data: parse_flow(FlowId("f"), _text(data), "f.toml", Known()),
        (BridgeError,),
        SEEDS["flow"],
    ),
)
