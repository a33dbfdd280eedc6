"""aiortc as a real peer: ICE, DTLS and SRTP over loopback, its audio echoed back to it."""

import asyncio
import re
import secrets
import struct
from collections.abc import AsyncIterator, Callable

import aioice.ice
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from bridge.clock import SystemClock
from bridge.plane.messages import Fingerprint, IceCredentials
from bridge.transport.address import Address
from bridge.transport.batch import BatchedIO, PacketIO, PlainIO
from bridge.transport.driver import Driver
from bridge.transport.dtls import DtlsIdentity
from bridge.transport.dtls_transport import (
    Connected,
    DtlsTransport,
    Failed,
    RemoteParameters,
    TransportCallbacks,
)
from bridge.transport.ice_lite import host_candidates
from bridge.transport.mux import UdpMux, open_udp_socket

ECHO_FRAMES = 25  # half a second


class EchoLeg:
    """A leg on a mux that sends each RTP packet back under the next SSRC."""

    def __init__(self, io: PacketIO) -> None:
        loop = asyncio.get_running_loop()
        self.clock = SystemClock()
        self.identity = DtlsIdentity.generate()
        self.local = IceCredentials(secrets.token_hex(4), secrets.token_hex(16))
        self.mux = UdpMux(loop, open_udp_socket("127.0.0.1", 0), self.clock, io, self._crashed)
        callbacks = TransportCallbacks(self._echo, lambda packet, now: None, self.mux.send)
        self.transport = DtlsTransport(
            self.identity, self.local, RemoteParameters(), callbacks, self.clock.now()
        )
        self.driver = Driver(loop, self.transport, self.clock, after=self.mux.flush)
        self.events: asyncio.Queue[Connected | Failed] = asyncio.Queue()
        self.crashes: list[Exception] = []
        for ufrag in self.transport.local_ufrags:
            self.mux.register(ufrag, self)

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None:
        self.transport.receive_datagram(datagram, source, now)
        for event in self.transport.events():
            self.events.put_nowait(event)
        self.driver.rearm()

    def accepts(self, source: Address) -> bool:
        return self.transport.accepts(source)

    def _echo(self, packet: bytes, now: float) -> None:
        (ssrc,) = struct.unpack_from("!I", packet, 8)
        self.transport.send_rtp(packet[:8] + struct.pack("!I", (ssrc + 1) & 0xFFFFFFFF) + packet[12:])

    def _crashed(self, endpoint: object, error: Exception) -> None:
        self.crashes.append(error)

    def declare(self, offer: str, *, dtls_server: bool) -> None:
        def value(name: str) -> str:
            found = re.search(rf"a={name}:(.*?)\r\n", offer)
            assert found is not None
            return found[1]

        algorithm, digest = value("fingerprint").split()
        ice = IceCredentials(value("ice-ufrag"), value("ice-pwd"))
        remote = RemoteParameters(ice, (Fingerprint(algorithm, digest),), dtls_server)
        self.transport.update_remote(self.local, remote, self.clock.now())

    def answer(self, offer: str, setup: str) -> str:
        """The offer made into our answer: same codecs, our transport."""
        fingerprint = self.identity.fingerprint
        (candidate,) = host_candidates(["127.0.0.1"], self.mux.local_address[1])
        own = {
            "ice-ufrag": self.local.ufrag,
            "ice-pwd": self.local.pwd,
            "fingerprint": f"{fingerprint.algorithm} {fingerprint.value}",
            "setup": setup,
        }
        lines = []
        for line in offer.splitlines():
            name = line[2:].partition(":")[0]
            if name in ("candidate", "end-of-candidates", "ssrc-group") or line in lines:
                continue
            if name == "ssrc":
                ssrc, _, rest = line[len("a=ssrc:") :].partition(" ")
                lines.append(f"a=ssrc:{(int(ssrc) + 1) & 0xFFFFFFFF} {rest}")
            elif name in own:
                if f"a={name}:{own[name]}" not in lines:
                    lines.append(f"a={name}:{own[name]}")
            else:
                lines.append(line)
        first_media = next(index for index, line in enumerate(lines) if line.startswith("m="))
        lines.insert(first_media, "a=ice-lite")
        return "\r\n".join([*lines, f"a=candidate:{candidate}", ""])

    def close(self) -> None:
        self.transport.close(self.clock.now())
        self.driver.close()
        self.mux.unregister(self)
        self.mux.close()


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RTCPeerConnection]:
    # aioice leaves 127.0.0.1 out of its candidates
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    connection = RTCPeerConnection()
    connection.addTrack(AudioStreamTrack())
    yield connection
    await connection.close()


def heard_track(connection: RTCPeerConnection) -> asyncio.Future[MediaStreamTrack]:
    future: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
    connection.on("track", future.set_result)
    return future


@pytest.mark.parametrize("make_io", [BatchedIO, PlainIO])
@pytest.mark.parametrize("setup", ["passive", "active"])
async def test_aiortc_hears_its_own_audio_through_our_transport(
    peer: RTCPeerConnection, setup: str, make_io: Callable[[], PacketIO]
) -> None:
    leg = EchoLeg(make_io())
    track = heard_track(peer)
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    leg.declare(offer, dtls_server=setup == "passive")
    await peer.setRemoteDescription(RTCSessionDescription(leg.answer(offer, setup), "answer"))
    async with asyncio.timeout(10):
        assert await leg.events.get() == Connected()
        for _ in range(ECHO_FRAMES):
            await (await track).recv()
    counters = leg.transport.counters()
    assert counters["sent"] >= ECHO_FRAMES
    assert counters["srtp_auth_failures"] == counters["strangers"] == counters["malformed"] == 0
    assert leg.transport.srtp_profile.startswith("SRTP_AEAD")
    assert leg.crashes == []
    leg.close()


async def test_aiortc_closing_is_an_event(peer: RTCPeerConnection) -> None:
    leg = EchoLeg(BatchedIO())
    track = heard_track(peer)
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    leg.declare(offer, dtls_server=True)
    await peer.setRemoteDescription(RTCSessionDescription(leg.answer(offer, "passive"), "answer"))
    async with asyncio.timeout(10):
        assert await leg.events.get() == Connected()
        await (await track).recv()
        await peer.close()
        event = await leg.events.get()
    assert isinstance(event, Failed)
    assert event.code == "peer_closed"
    leg.close()
