"""Which stream of a browser is which: by SSRC, by MID, by a payload type of one section only."""

import struct

from bridge.legs.up_streams import MAX_SSRCS, UpStreams
from bridge.media.audio.track import AudioUpTrack
from bridge.media.video.forwarder import UpTrack
from bridge.plane.messages import Codec, ExtensionIds, UpTrackSpec

OPUS, VP8 = Codec("OPUS", 111, 48_000, 2), Codec("VP8", 96, 90_000, rtx_payload_type=97)
MID = ExtensionIds(mid=1)
SOUND = UpTrackSpec("0", "audio", (OPUS,), MID, (10,))
CAMERA = UpTrackSpec("1", "video", (VP8,), MID, (20,), (21,))
SCREEN = UpTrackSpec("2", "video", (VP8,), MID)


def packet(ssrc: int, payload_type: int = 96, mid: str = "") -> bytes:
    head = struct.pack("!BBHII", 0x90 if mid else 0x80, payload_type, 1, 0, ssrc)
    return head + (b"\xbe\xde\x00\x01\x10" + mid.encode() + b"\0\0" if mid else b"") + bytes(10)


def streams(*specs: UpTrackSpec) -> tuple[UpStreams, dict[str, AudioUpTrack | UpTrack]]:
    tracks = {
        spec.mid: AudioUpTrack(spec.mid, OPUS) if spec.kind == "audio" else UpTrack(spec, 9) for spec in specs
    }
    made = UpStreams()
    made.declare(specs, tracks)
    return made, tracks


def test_what_the_description_names_is_known_at_once_retransmissions_too() -> None:
    made, tracks = streams(SOUND, CAMERA)
    assert (made.get(10), made.get(20), made.get(21)) == (tracks["0"], tracks["1"], tracks["1"])
    assert made.find(20, packet(20)) is tracks["1"]


def test_the_mid_of_a_packet_says_more_than_its_payload_type() -> None:
    made, tracks = streams(SOUND, CAMERA, SCREEN)
    assert made.find(30, packet(30)) is None, "two sections have it"
    assert made.find(30, packet(30, mid="2")) is tracks["2"]
    assert made.find(30, packet(30)) is tracks["2"], "from now on without a MID too"
    assert made.find(31, packet(31, mid="7")) is None


def test_a_payload_type_of_one_section_is_enough() -> None:
    made, tracks = streams(SOUND, CAMERA)
    assert made.find(40, packet(40, payload_type=97)) is tracks["1"]
    assert made.find(41, packet(41, payload_type=77)) is None


def test_another_description_keeps_what_was_found_by_its_mid() -> None:
    """As when a prompt begins: Chromium says the MID until our first report, and never again."""
    made, tracks = streams(SOUND, CAMERA, SCREEN)
    assert made.find(30, packet(30, mid="2")) is tracks["2"]
    made.declare((SOUND, CAMERA, SCREEN), tracks)
    assert made.find(30, packet(30)) is tracks["2"]
    named = UpTrackSpec("1", "video", (VP8,), MID, (30,))
    made.declare((SOUND, named, SCREEN), tracks)
    assert made.find(30, packet(30)) is tracks["1"], "the description knows better"


def test_another_description_forgets_what_was_found_for_a_section_that_is_gone() -> None:
    made, tracks = streams(SOUND, CAMERA)
    made.find(40, packet(40))
    made.declare((SOUND,), {"0": tracks["0"]})
    assert (made.get(40), made.get(20), made.get(10)) == (None, None, tracks["0"])
    assert made.find(40, packet(40)) is None


def test_a_browser_cannot_invent_streams_without_end() -> None:
    made, _ = streams(SOUND, CAMERA)
    found = [made.find(ssrc, packet(ssrc)) for ssrc in range(1000, 1200)]
    assert sum(track is not None for track in found) == MAX_SSRCS - 3
