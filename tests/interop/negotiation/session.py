"""What both interop tests need: a session of the bridge and a short view of what it agreed to."""

import secrets

from bridge.ids import LegId, ParticipantId, RoomId, TrackId
from bridge.negotiation import BrowserSession
from bridge.plane.messages import Fingerprint, WebRtcLegSpec

A, B, C = TrackId("leg_a/1"), TrackId("leg_b/1"), TrackId("leg_c/1")


def new_session() -> BrowserSession:
    """Nobody listens at the candidate: these tests are about descriptions only."""
    return BrowserSession(
        fingerprint=Fingerprint("sha-256", ":".join(["AB"] * 32)),
        ice_candidates=("1 1 udp 2130706431 127.0.0.1 23000 typ host",),
        token_hex=secrets.token_hex,
    )


def spec(session: BrowserSession) -> WebRtcLegSpec:
    return session.spec(LegId("leg_1"), ParticipantId("prt_1"), RoomId("room_1"))


def ups(session: BrowserSession) -> dict[str, str]:
    """The first codec of each track the peer sends, by mid."""
    return {track.mid: track.codecs[0].name for track in spec(session).up_tracks}


def sources(session: BrowserSession) -> dict[str, TrackId | None]:
    return {track.mid: track.source for track in spec(session).down_tracks if track.kind == "video"}
