"""Inputs to begin with where tests/data has none."""

from pathlib import Path

import dns.message
import dns.rrset

from bridge.wire.dtmf import TelephoneEvent, serialize_telephone_event
from signaling.sip.session.memory import CallMemory, Phase, serialize_memory

_FLOWS = Path(__file__).parents[2] / "config" / "flows"


def _from_name_server(*records: tuple[str, str]) -> bytes:
    answer = dns.message.make_response(dns.message.make_query("example.org.", "A", id=1))
    answer.answer = [dns.rrset.from_text("example.org.", 60, "IN", kind, text) for kind, text in records]
    return answer.to_wire()


_NAME_SERVERS = (
    _from_name_server(
        ("NAPTR", '10 50 "s" "SIP+D2T" "" _sip._tcp.example.org.'),
        ("SRV", "10 60 5060 a.example.org."),
        ("A", "192.0.2.1"),
    ),
    _from_name_server(("NAPTR", '10 50 "a" "SIP+D2U" "" b.example.org.'), ("SRV", "0 0 0 .")),
)
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
    "sip_digest_credentials": (
        b'Digest username="u", realm="warmbridge", nonce="{nonce}", uri="sip:b", response="0", algorithm=SHA-256, '
        b'qop=auth, nc=00000001, cnonce="c", opaque="o"',
        b'Digest username="u", realm="warmbridge", nonce="1-0.a", uri="sip:b", response="0"',
    ),
    "sip_digest_challenge": (
        b'Digest realm="a \\"b\\"", nonce="n", opaque="o", qop="auth,auth-int", algorithm=SHA-256, stale=TRUE',
        b'Digest realm="", nonce=n',
    ),
    "sip_asserted_identity": (
        b'"Alice" <sip:+4930123@example.org;user=phone>, <tel:+4930123>\nid;user\n<sip:a@b>;privacy=full\n<sip:a@b>',
    ),
    "sip_ways": (
        b"<sip:+4930@a>;reason=user-busy;privacy=full\n<sip:b@c?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1.1,"
        b' <sip:d@e>;index=2\n"B" <sip:b@c>;cid="1@x"',
    ),
    "sip_replaces": (b"call@host;to-tag=1;from-tag=2;early-only",),
    "sip_refer": (
        b"<sip:c%40d@192.0.2.3;method=INVITE?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=hi>\n<sip:a@b>;cid=1",
        b"sip:100@192.0.2.9",
        b"<tel:+4930123;phone-context=x>",
    ),
    "sip_routes": (
        b"Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKx;rport;received=192.0.2.4, SIP/2.0/UDP h;branch=y\n"
        b'Record-Route: <sip:192.0.2.5;lr>, "P" <sips:192.0.2.6:5061;transport=tcp>\nRecord-Route: <sip:192.0.2.7>',
    ),
    "sip_name_servers": _NAME_SERVERS,
    "sip_session_timer": (b"1800;refresher=uac\n90\ntimer, 100rel", b"60;x;refresher=uas\n120", b"90"),
    "sip_information": (
        b"application/dtmf-relay\nSignal= 5\r\nDuration= 160\r\n",
        b"application/dtmf\n#",
        b"application/media_control+xml\n<media_control><picture_fast_update/>",
    ),
    "sip_reliable": (b"1 1 INVITE\n776656", b"2 1 INVITE\n4294967295"),
    "sip_reason": (b'Q.850;cause=16;text="Normal call clearing", SIP;cause=200',),
    "command": (
        b'{"command":"setPresence","id":1,"presence":"ready","role":"agent"}',
        b'{"command":"addParticipant","id":2,"interactionId":"int_1","userId":"eve","properties":{"a":"b"}}',
    ),
    "flow": tuple(path.read_bytes() for path in sorted(_FLOWS.glob("*.toml"))),
}
