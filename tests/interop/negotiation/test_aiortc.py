"""aiortc reads our descriptions and we read its: as offerer, and as answerer of our later offers."""

from collections.abc import AsyncIterator
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from bridge.negotiation import BrowserSession
from tests.interop.negotiation.session import A, B, C, new_session, sources, spec, ups


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    # aioice leaves the loopback address out.
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield connection
    await connection.close()


async def peer_offers(peer: Any, session: BrowserSession) -> None:
    await peer.setLocalDescription(await peer.createOffer())
    answer = session.receive_offer(peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def bridge_offers(peer: Any, session: BrowserSession) -> None:
    await peer.setRemoteDescription(RTCSessionDescription(session.offer(), "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    session.receive_answer(peer.localDescription.sdp)


def directions(peer: Any) -> dict[str, str]:
    return {transceiver.mid: transceiver.currentDirection for transceiver in peer.getTransceivers()}


async def test_aiortc_offers_and_then_answers_as_tracks_come_and_go(peer: Any) -> None:
    session, tracks = new_session(), []
    peer.on("track", lambda track: tracks.append((track.kind, track.id)))
    peer.addTrack(AudioStreamTrack())
    peer.addTrack(VideoStreamTrack())
    await peer_offers(peer, session)
    assert ups(session) == {"0": "OPUS", "1": "VP8"}
    assert directions(peer) == {"0": "sendrecv", "1": "sendonly"}
    assert spec(session).dtls_server

    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    await bridge_offers(peer, session)
    assert sources(session) == {"1": A, "b0": B}
    assert ups(session) == {"0": "OPUS", "1": "VP8"}
    assert [kind for kind, _ in tracks] == ["audio", "video", "video"]

    session.remove_down_track(A)
    await bridge_offers(peer, session)
    assert sources(session) == {"1": None, "b0": B}
    assert directions(peer) == {"0": "sendrecv", "1": "sendonly", "b0": "recvonly"}

    session.add_down_track(C, "prt_c")
    await bridge_offers(peer, session)
    assert sources(session) == {"1": C, "b0": B}
    assert not session.needs_negotiation


async def test_aiortc_answers_a_bridge_that_offers_first(peer: Any) -> None:
    session = new_session()
    session.add_down_track(A, "prt_a")
    peer.addTrack(AudioStreamTrack())
    peer.addTrack(VideoStreamTrack())
    await bridge_offers(peer, session)
    assert ups(session) == {"b0": "OPUS", "b1": "VP8"}
    assert sources(session) == {"b1": A}


async def test_aiortc_without_a_camera_gets_a_video(peer: Any) -> None:
    session = new_session()
    peer.addTrack(AudioStreamTrack())
    await peer_offers(peer, session)
    session.add_down_track(A, "prt_a")
    await bridge_offers(peer, session)
    assert sources(session) == {"b0": A}
    assert directions(peer) == {"0": "sendrecv", "b0": "recvonly"}
