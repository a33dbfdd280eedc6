"""Packets from hostile strangers, phones and browsers: counted and dropped; a call that is up goes on."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aioice import stun

from bridge.peers.browser.signaling_client import CommandFailedError, SignalingClient, signaling_client
from bridge.peers.daemon_process import DaemonProcess
from bridge.transport.dtls import DtlsIdentity
from tests.interop.hostile import (
    CHANCE,
    counted,
    garbage,
    hardened,
    hostile_phone,
    metrics,
    rtp_ports_in_use,
    throw,
    udp_socket,
    unharmed_call,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("hostile_media")]

GROWTH_MAX_BYTES = 40 << 20
STUN, DTLS, MEDIA = range(4), range(20, 64), range(128, 192)  # first bytes, RFC 7983 section 7


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """One daemon for all attacks: what one leaves behind would show at the end."""
    async with hardened(tmp_path_factory, GROWTH_MAX_BYTES) as running:
        yield running


# --- RTP and RTCP -----------------------------------------------------------------------------------------


def rtp(
    payload: bytes,
    *,
    payload_type: int = 0,
    sequence_number: int = 0,
    timestamp: int = 0,
    ssrc: int = 0xBAD,
    first: int = 0x80,
) -> bytes:
    return struct.pack("!BBHII", first, payload_type, sequence_number, timestamp, ssrc) + payload


def malformed_rtp() -> list[bytes]:
    """Each breaks one rule of RFC 3550 section 5.1 or of a payload format."""
    sound = bytes(160)
    return [
        b"",
        b"\x80",
        rtp(b"")[:11],
        rtp(b""),
        rtp(sound, first=0x00),
        rtp(sound, first=0xC0),
        rtp(b"", first=0x8F),  # fifteen CSRCs that are not there
        rtp(b"\xbe\xde\xff\xff" + sound, first=0x90),  # an extension longer than the packet
        rtp(b"\xbe\xde", first=0x90),
        rtp(b"\xbe\xde\x00\x01\xff\xff\xff\xff" + sound, first=0x90),
        rtp(sound + b"\xff", first=0xA0),  # more padding than payload
        rtp(sound + b"\x00", first=0xA0),
        rtp(bytes(1400)),
        rtp(b"\x01"),
        rtp(sound, payload_type=77),
        rtp(b"", payload_type=101),
        rtp(b"\xff\xff\xff", payload_type=101),
        rtp(b"\xff\xff\xff\xff", payload_type=101),
        rtp(b"\x05\x8a\xff\xff" * 300, payload_type=101),
    ]


def jumpy_rtp() -> list[bytes]:
    """Well-formed, and never what came before: SSRCs, sequence numbers and timestamps at random."""
    packets = []
    for number in range(400):
        packets.append(rtp(bytes(160), sequence_number=CHANCE.randrange(65_536), ssrc=number))
        packets.append(
            rtp(
                bytes(160),
                sequence_number=CHANCE.randrange(65_536),
                timestamp=CHANCE.randrange(2**32),
                ssrc=1,
            )
        )
    return packets


def malformed_rtcp() -> list[bytes]:
    """Each breaks one rule of RFC 3550 section 6 or RFC 4585 section 6."""
    report_blocks = struct.pack("!BBHI", 0x9F, 201, 31 * 6 + 1, 1) + CHANCE.randbytes(31 * 24)
    return [
        b"\x80\xc8\x00\x06",  # a sender report without itself
        b"\x9f\xc9\x00\x01" + bytes(4),  # thirty-one report blocks that are not there
        b"\x80\xc9\xff\xff" + bytes(100),
        b"\x81\xca\x00\x02" + b"\x00\x00\x00\x01\x01\xff",
        b"\x9f\xcb\x00\x01" + bytes(4),
        b"\x81\xcb\x00\x02\x00\x00\x00\x01\xff\xff\xff\xff",
        b"\x81\xcd\x00\x02" + bytes(8),
        b"\x8f\xcd\x00\x05" + b"\xff" * 20,
        b"\x8f\xce\x00\x05" + b"\xff" * 20,
        b"\xa0\xc9\x00\x01\x00\x00\x00\xff",
        b"\x80\xc9\x00\x00" * 300,
        b"\x80\xcf\x00\x01" + bytes(4),
        report_blocks,
        report_blocks[:-3],
    ]


async def test_packets_of_strangers_to_the_ports_of_a_call_are_counted(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    """A stranger cannot even make itself heard with a perfect stream."""
    before = await metrics(bridge)
    async with unharmed_call(bridge, tmp_path):
        (port,) = rtp_ports_in_use(bridge)
        perfect = [
            rtp(CHANCE.randbytes(160), sequence_number=number, timestamp=number * 160)
            for number in range(500)
        ]
        with udp_socket() as stranger:
            sent = await throw(stranger, port, [*perfect, *jumpy_rtp()])
            await throw(stranger, port, malformed_rtp() + garbage(300))
            await throw(stranger, port + 1, malformed_rtcp() + garbage(300, first=[0x80, 0x81]))
            await throw(stranger, port, [struct.pack("!BBHI", 0x81, 203, 1, 0)] * 10)  # goodbye to anybody
        await counted(bridge, "worker_rtp_strangers_total", before["worker_rtp_strangers_total"] + sent)
        await counted(bridge, "worker_rtp_malformed_total", before["worker_rtp_malformed_total"] + 200)


async def test_a_hostile_phone_harms_only_its_own_call(bridge: DaemonProcess, tmp_path: Path) -> None:
    """It is latched, so all it sends is read."""
    before = await metrics(bridge)
    async with unharmed_call(bridge, tmp_path), hostile_phone(bridge) as phone:
        port = phone.bridge_port
        await throw(phone.rtp, port, [rtp(bytes(160), sequence_number=number) for number in range(10)])
        await throw(phone.rtcp, port + 1, malformed_rtcp() * 5)
        await throw(phone.rtp, port, malformed_rtp() * 5)
        await throw(phone.rtp, port, malformed_rtcp() * 5)  # RTCP may come on the RTP port too (RFC 5761)
        await throw(phone.rtp, port, jumpy_rtp())
        await throw(phone.rtp, port, garbage(500, 1400, MEDIA))
        await throw(phone.rtp, port, garbage(500, 1400))
        await throw(phone.rtcp, port + 1, garbage(500, 1400, [0x80, 0x81, 0x8F, 0x9F, 0xA0]))
        await counted(bridge, "worker_rtp_malformed_total", before["worker_rtp_malformed_total"] + 300)
        malformed_before = before["worker_rtp_malformed_rtcp_total"]
        await counted(bridge, "worker_rtp_malformed_rtcp_total", malformed_before + 40)


async def test_keys_quicker_than_anybody_dials_are_dropped_and_counted(bridge: DaemonProcess) -> None:
    name = 'track_digits_dropped_total{codec="PCMU",direction="up",kind="audio"}'
    before = (await metrics(bridge)).get(name, 0.0)
    async with hostile_phone(bridge) as phone:
        for number in range(300):
            key = rtp(b"\x05\x8a\x03\x20", payload_type=101, sequence_number=number, timestamp=1000 * number)
            phone.rtp.sendto(key, ("127.0.0.1", phone.bridge_port))
            if number % 30 == 0:
                await asyncio.sleep(0.01)
        await counted(bridge, name, before + 200)


# --- STUN and DTLS ----------------------------------------------------------------------------------------


def check(username: str, password: str = "", **attributes: object) -> stun.Message:
    """A connectivity check (RFC 8445 section 7.2.2); without a password it is not signed."""
    all_attributes = {"USERNAME": username, "PRIORITY": 1, "ICE-CONTROLLING": 7, **attributes}
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=all_attributes)
    if password:
        request.add_message_integrity(password.encode())
    return request


def raw_stun(attributes: bytes, length: int | None = None, cookie: int = 0x2112A442) -> bytes:
    size = len(attributes) if length is None else length
    return struct.pack("!HHI", 1, size & 0xFFFF, cookie) + CHANCE.randbytes(12) + attributes


def malformed_stun(ufrag: str) -> list[bytes]:
    username = f"{ufrag}:mallory".encode()
    named = struct.pack("!HH", 6, len(username)) + username + bytes(-len(username) % 4)
    return [
        raw_stun(b""),
        raw_stun(named),
        raw_stun(named, length=0xFFFC),
        raw_stun(named, length=len(named) - 4),
        raw_stun(named, length=3),
        raw_stun(named, cookie=0),
        raw_stun(named + struct.pack("!HH", 8, 0xFFFF)),
        raw_stun(named + struct.pack("!HH", 8, 20) + bytes(20)),
        raw_stun(named + struct.pack("!HH", 0x8028, 4) + bytes(4)),
        raw_stun(named + struct.pack("!HH", 0x20, 1) + bytes(4)),
        raw_stun(named + struct.pack("!HHBBH", 1, 4, 0, 9, 1)),
        raw_stun(named * 30),
        raw_stun(struct.pack("!HH", 6, 1200) + b"a" * 1200),
        raw_stun(struct.pack("!HH", 6, 4) + b"\xff\xfe\xfd\xfc"),
        raw_stun(named + struct.pack("!HH", 0x7FFF, 1000) + bytes(1000)),
        *(raw_stun(named)[:cut] for cut in range(1, 40, 3)),
    ]


async def test_stun_and_dtls_of_strangers_are_counted(bridge: DaemonProcess, tmp_path: Path) -> None:
    before = await metrics(bridge)
    async with unharmed_call(bridge, tmp_path):
        with udp_socket() as stranger:
            await throw(stranger, bridge.webrtc_port, malformed_stun("nobody"))
            checks = [bytes(check(f"ufrag{number}:x", "password" * 3)) for number in range(300)]
            await throw(stranger, bridge.webrtc_port, checks)
            for first in (STUN, DTLS, MEDIA, range(256)):
                await throw(stranger, bridge.webrtc_port, garbage(300, 1400, first))
            hello = b"\x16\xfe\xff" + bytes(8) + b"\x00\x10" + b"\x01\x00\x00\x04" + bytes(12)
            await throw(stranger, bridge.webrtc_port, [hello] * 200 + [bytes(65_507)])
            with pytest.raises(BlockingIOError):
                stranger.recv(2000)  # never answered
        await counted(
            bridge, "worker_ice_unknown_ufrag_total", before["worker_ice_unknown_ufrag_total"] + 300
        )
        before_sources = before["worker_ice_unknown_source_total"]
        await counted(bridge, "worker_ice_unknown_source_total", before_sources + 600)
        await counted(bridge, "worker_ice_malformed_total", before["worker_ice_malformed_total"] + 50)


OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:mallory\r\na=ice-pwd:mallorymallorymallorymallory\r\n"
    "a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=ssrc:2989 cname:mallory\r\n"
)


@contextlib.asynccontextmanager
async def hostile_desktop(daemon: DaemonProcess) -> AsyncIterator[tuple[SignalingClient, str]]:
    """An agent with a token of its own, in a call with a hostile phone; what it says in SDP is up to the test."""
    token = daemon.token("mallory")
    async with signaling_client(daemon.websocket_url, token) as client, hostile_phone(daemon):
        await client.command("setPresence", presence="ready", role="agent")
        await client.command("proveReady", microphone=True, camera=True, ice=True)
        made = await client.wait_for(lambda event: event["event"] == "offerMade", 30.0)
        await client.command("acceptOffer", offerId=made["offer"]["offerId"])
        try:
            yield client, made["offer"]["interactionId"]
        finally:
            await client.command("setPresence", presence="offline", role="agent")


def credentials(sdp: str) -> tuple[str, str]:
    return re.findall(r"a=ice-ufrag:(\S+)", sdp)[0], re.findall(r"a=ice-pwd:(\S+)", sdp)[0]


async def test_a_hostile_browser_harms_only_its_own_leg(bridge: DaemonProcess, tmp_path: Path) -> None:
    """It has a token, an interaction and the bridge's ICE password, and says what it likes."""
    before = await metrics(bridge)
    offer = OFFER.format(fingerprint=DtlsIdentity.generate().fingerprint.value)
    async with unharmed_call(bridge, tmp_path), hostile_desktop(bridge) as (client, interaction_id):
        answer = await client.command("offerMedia", interactionId=interaction_id, sdp=offer)
        ufrag, password = credentials(answer["sdp"])
        username = f"{ufrag}:mallory"
        with udp_socket() as sock:
            await throw(sock, bridge.webrtc_port, malformed_stun(ufrag))
            await throw(sock, bridge.webrtc_port, [bytes(check(username, "wrong" * 5)) for _ in range(20)])
            await throw(sock, bridge.webrtc_port, [bytes(check(username)) for _ in range(20)])
            assert await answers(sock) <= {stun.Class.ERROR}
            good = bytes(check(username, password, **{"USE-CANDIDATE": None}))
            await throw(sock, bridge.webrtc_port, [good])
            assert stun.Class.RESPONSE in await answers(sock)
            await throw(sock, bridge.webrtc_port, [bytes(check(username, password)) for _ in range(1000)])
            for first in (DTLS, MEDIA, range(256)):
                await throw(sock, bridge.webrtc_port, garbage(300, 1400, first))
            hello = b"\x16\xfe\xff" + bytes(8) + b"\x00\x10" + b"\x01\x00\xff\xff" + bytes(12)
            await throw(sock, bridge.webrtc_port, [hello] * 300)
        unauthorized = before.get("worker_webrtc_stun_unauthorized_total", 0)
        await counted(bridge, "worker_webrtc_stun_unauthorized_total", unauthorized + 20)
        await counted(bridge, "worker_webrtc_early_total", before.get("worker_webrtc_early_total", 0) + 100)
        await counted(bridge, "worker_ice_stun_limited_total", before["worker_ice_stun_limited_total"] + 100)


async def answers(sock: socket.socket) -> set[stun.Class]:
    """Of which classes the STUN answers of the next half second are."""
    found = set()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                datagram = await loop.sock_recv(sock, 2000)
                if datagram[0] < 4:
                    found.add(stun.parse_message(datagram).message_class)
    return found


async def test_hostile_sdp_of_a_browser_is_refused_with_a_reason(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    offer = OFFER.format(fingerprint=DtlsIdentity.generate().fingerprint.value)
    sdps = [
        "nonsense",
        "v=0\r\n" * 10_000,
        offer.replace("a=fingerprint", "a=x"),
        offer.replace("a=ice-ufrag:mallory\r\n", ""),
        offer.replace("a=ice-pwd:mallorymallorymallorymallory", "a=ice-pwd:x"),
        offer.replace("a=rtcp-mux\r\n", ""),
        offer.replace("a=group:BUNDLE 0", "a=group:BUNDLE 7"),
        offer.replace("opus/48000/2", "mars/1"),
        offer.replace("a=setup:actpass", "a=setup:holdconn"),
        offer.replace("sha-256", "md5"),
        offer.replace("m=audio 9", "m=audio 99999999999"),
        offer + offer.partition("BUNDLE 0\r\n")[2] * 40,
        offer.replace("a=ssrc:2989", "a=ssrc:99999999999999"),
        offer.replace("a=mid:0", "a=mid:" + "x" * 5000),
        offer + "a=candidate:" + "9" * 4000 + "\r\n",
    ]
    sdps += ["".join(CHANCE.sample(offer, len(offer))) for _ in range(5)]
    sdps += [mutated(offer) for _ in range(40)]
    async with unharmed_call(bridge, tmp_path), hostile_desktop(bridge) as (client, interaction_id):
        codes = set()
        for sdp in sdps:
            try:
                await client.command("offerMedia", interactionId=interaction_id, sdp=sdp)
                codes.add("ok")
            except CommandFailedError as error:
                codes.add(error.refusal)
        assert codes <= {"ok", "malformed", "not_acceptable", "glare"}, codes


def mutated(text: str) -> str:
    lines = text.split("\r\n")
    for _ in range(CHANCE.randint(1, 3)):
        at = CHANCE.randrange(len(lines))
        match CHANCE.randrange(3):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, CHANCE.choice(lines))
            case _:
                lines[at] = lines[at][: CHANCE.randint(0, len(lines[at]))] + CHANCE.choice(
                    ("9" * 30, "\t", ":", "é")
                )
        lines = lines or [""]
    return "\r\n".join(lines)
