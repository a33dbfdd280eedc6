"""Inputs to begin with where tests/data has none."""

from pathlib import Path

from bridge.wire.dtmf import TelephoneEvent, serialize_telephone_event
from signaling.sip.memory import CallMemory, Phase, serialize_memory

_FLOWS = Path(__file__).parents[2] / "config" / "flows"
_RTP = bytes.fromhex("9060000100000002deadbeefbede0001100000007f")

SEEDS: dict[str, tuple[bytes, ...]] = {
    "rtp": (_RTP,),
    "rtcp": (
        bytes.fromhex("80c90001deadbeef81ca0003deadbeef010562726964676500000000"),
        bytes.fromhex("81cd0004deadbeefcafebabe00010003000000000001"),
        bytes.fromhex("8fcd0005deadbeefcafebabe000100020000010020020400"),
    ),
    "dtmf": (serialize_telephone_event(TelephoneEvent(5, True, 10, 1600)),),
    "vp8": (bytes.fromhex("90e08123456700"), bytes.fromhex("1000")),
    "h264_fragment": (bytes.fromhex("7c8588"), bytes.fromhex("7c4588")),
    "h264_sps": (bytes.fromhex("6742e01f8c8d40501ed00f08846a"),),
    "h264_fmtp": (b"profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",),
    "h264_profile": (b"42e01f", b"640c1f"),
    "audio_track": (bytes([len(_RTP)]) + _RTP,),
    "video_track": (bytes([len(_RTP)]) + _RTP,),
    "sip_uri": (
        b"sip:alice%40home:pw@[2001:db8::1]:5061;transport=tls;lr?subject=a%20b&x=y",
        b"tel:+4930123",
    ),
    "sip_name_address": (b'"A. \\"G\\" Bell" <sip:bell@example.org;x=1>;tag=a48s;q=0.7', b"sip:a@b;tag=1"),
    "sip_via": (b"SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK87;rport=1;received=192.0.2.1;maddr=h",),
    "sip_memory": (serialize_memory(CallMemory(Phase.ARRIVING, invite=b"INVITE sip:a SIP/2.0\r\n\r\n")),),
    "command": (
        b'{"command":"setPresence","id":1,"presence":"ready","role":"agent"}',
        b'{"command":"addParticipant","id":2,"interactionId":"int_1","userId":"eve","properties":{"a":"b"}}',
    ),
    "flow": tuple(path.read_bytes() for path in sorted(_FLOWS.glob("*.toml"))),
}
