"""JSEP (RFC 8829) with browsers: the descriptions are what Chromium and Firefox wrote, in their order."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import (
    BridgeError,
    CapacityError,
    GlareError,
    NegotiationError,
    NotAllowedError,
    ParseError,
)
from bridge.ids import LegId, ParticipantId, RoomId, TrackId
from bridge.negotiation import BrowserPreferences, BrowserSession, PeerReplacedError
from bridge.plane.messages import DownTrackSpec, ExtensionIds, Fingerprint, UpTrackSpec, WebRtcLegSpec
from bridge.wire.sdp import SessionDescription, parse_session_description
from bridge.wire.sdp_section import MediaSection

DATA = Path(__file__).parents[2] / "data" / "sdp"
FINGERPRINT = Fingerprint("sha-256", ":".join(["AB"] * 32))
CANDIDATE = "1 1 udp 2130706431 192.0.2.1 10000 typ host"
A, B, C = TrackId("leg_a/1"), TrackId("leg_b/1"), TrackId("leg_c/1")
BROWSERS = ["chromium", "firefox"]


def counter() -> Callable[[int], str]:
    """Chance that counts: every call gives another value."""
    count = 0

    def token_hex(size: int) -> str:
        nonlocal count
        count += 1
        return f"{count:0{2 * size}x}"

    return token_hex


def new_session(preferences: BrowserPreferences | None = None) -> BrowserSession:
    return BrowserSession(
        fingerprint=FINGERPRINT, ice_candidates=(CANDIDATE,), token_hex=counter(), preferences=preferences
    )


def sample(name: str) -> str:
    return (DATA / f"{name}.sdp").read_bytes().decode()


def connected(browser: str) -> BrowserSession:
    """A session that answered the offer of a page with camera and microphone."""
    session = new_session()
    session.receive_offer(sample(f"{browser}_camera_offer"))
    return session


def watching(browser: str) -> BrowserSession:
    """The same, now with two videos down: one on the camera's section, one on our own."""
    session = connected(browser)
    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    session.offer()
    session.receive_answer(sample(f"{browser}_answer_two_sources"))
    return session


def spec(session: BrowserSession) -> WebRtcLegSpec:
    return session.spec(LegId("leg_1"), ParticipantId("prt_1"), RoomId("room_1"))


def ups(session: BrowserSession) -> dict[str, UpTrackSpec]:
    return {track.mid: track for track in spec(session).up_tracks}


def downs(session: BrowserSession) -> dict[str, DownTrackSpec]:
    return {track.mid: track for track in spec(session).down_tracks}


def sources(session: BrowserSession) -> dict[str, TrackId | None]:
    return {mid: track.source for mid, track in downs(session).items() if track.kind == "video"}


def sections(text: str) -> tuple[SessionDescription, dict[str, MediaSection]]:
    description = parse_session_description(text)
    return description, {section.mid: section for section in description.media}


def directions(text: str) -> dict[str, str]:
    description, by_mid = sections(text)
    return {mid: description.direction(section).value for mid, section in by_mid.items() if section.port}


MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
COPIED = ("a=mid", "a=rtpmap", "a=fmtp", "a=extmap", "a=rtcp-")


def answer_to(offer_text: str, *, page: str = "camera_offer", **wishes: str) -> str:
    """The answer of the Chromium that wrote `page`. It takes everything and sends its camera where it may;
    `wishes` name other directions by mid, or "refuse"."""
    offered, by_mid = sections(offer_text)
    peer = parse_session_description(sample(f"chromium_{page}")).media[0].attributes
    lines = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(directions(offer_text)),
    ]
    for block in offer_text.split("\r\nm=")[1:]:
        written = [f"m={block}".split("\r\n")[0], *block.split("\r\n")[1:]]
        mid = next((line[6:] for line in written if line.startswith("a=mid:")), "")
        wish = wishes.get(mid, MIRROR[offered.direction(by_mid[mid])])
        lines.append(written[0].replace(" 9 ", " 0 ") if wish == "refuse" else written[0])
        lines += [line for line in written if line.startswith(COPIED)]
        lines += [f"a={name}:{peer.value(name)}" for name in ("ice-ufrag", "ice-pwd", "fingerprint")]
        lines += ["a=setup:active", *([f"a={wish}"] if wish != "refuse" else [])]
    return "\r\n".join(lines) + "\r\n"


# --- the browser offers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("browser", BROWSERS)
def test_a_camera_and_a_microphone_become_tracks(browser: str) -> None:
    session = connected(browser)
    leg = spec(session)
    assert [(track.mid, track.kind, len(track.ssrcs), len(track.rtx_ssrcs)) for track in leg.up_tracks] == [
        ("0", "audio", 1, 0),
        ("1", "video", 1, 1),
    ]
    assert [(track.mid, track.kind, track.source) for track in leg.down_tracks] == [("0", "audio", None)]
    assert [codec.name for codec in leg.up_tracks[0].codecs] == ["OPUS"]
    assert leg.up_tracks[1].codecs[0].name == "VP8"
    assert leg.up_tracks[1].codecs[0].rtx_payload_type is not None
    assert leg.dtls_server
    assert leg.remote_ice is not None
    assert leg.remote_fingerprints[0].algorithm == "sha-256"
    assert session.up_track_ids(LegId("leg_1")) == (TrackId("leg_1/1"),)
    assert not session.needs_negotiation


@pytest.mark.parametrize("browser", BROWSERS)
def test_the_answer_has_what_a_browser_refuses_or_hangs_without(browser: str) -> None:
    """Seen with Chromium: each of these lines is needed."""
    session = new_session()
    offered, _ = sections(sample(f"{browser}_camera_offer"))
    answer = session.receive_offer(sample(f"{browser}_camera_offer"))
    description, by_mid = sections(answer)
    assert description.attributes.has("ice-lite")
    assert description.bundle == ("0", "1")
    assert [section.kind for section in description.media] == [section.kind for section in offered.media]
    assert directions(answer) == {"0": "sendrecv", "1": "recvonly"}
    local = spec(session).local_ice
    for section in description.media:
        assert (section.attributes.value("ice-ufrag"), section.attributes.value("ice-pwd")) == (
            local.ufrag,
            local.pwd,
        )
        assert section.attributes.fingerprints == (("sha-256", FINGERPRINT.value),)
        assert section.attributes.value("setup") == "passive"
        assert section.candidates == (CANDIDATE,)
        assert section.attributes.has("rtcp-mux")
        assert section.port == 9
    for number, text in by_mid["1"].format_parameters.items():
        if by_mid["1"].rtp_maps[number].name == "rtx":
            assert int(text.removeprefix("apt=")) in by_mid["1"].payload_types
    assert {line.ssrc for line in by_mid["0"].ssrcs} == {downs(session)["0"].ssrc}
    assert not by_mid["1"].ssrcs
    assert local.ufrag != local.pwd
    assert len(local.pwd) >= 22


def test_chromium_gets_the_feedback_and_extensions_the_bridge_serves() -> None:
    session = new_session()
    _, by_mid = sections(session.receive_offer(sample("chromium_camera_offer")))
    assert by_mid["1"].feedback[96] == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert by_mid["0"].feedback[111] == ("transport-cc",)
    assert ups(session)["1"].extensions == ExtensionIds(mid=4, transport_cc=3, abs_send_time=2)
    assert ups(session)["0"].extensions == ExtensionIds(mid=4, audio_level=1, transport_cc=3, abs_send_time=2)
    assert not {entry.uri for entry in by_mid["1"].extension_maps} & {"urn:3gpp:video-orientation"}


def test_h264_is_taken_by_meaning() -> None:
    session = new_session()
    _, by_mid = sections(session.receive_offer(sample("chromium_h264_offer")))
    codecs = ups(session)["1"].codecs
    assert {codec.name for codec in codecs} == {"H264"}
    profiles = [part for codec in codecs for part in codec.fmtp.split(";") if part.startswith("profile")]
    assert profiles, "each names its profile"
    assert all(profile.startswith("profile-level-id=42") for profile in profiles), "no Main or High"
    assert all(by_mid["1"].format_parameters[codec.payload_type] == codec.fmtp for codec in codecs)
    assert all(codec.rtx_payload_type in by_mid["1"].payload_types for codec in codecs)


def test_h264_with_an_endless_fmtp_is_left_out() -> None:
    session = new_session()
    session.receive_offer(CAMERA.replace("a=fmtp:102 ", "a=fmtp:102 " + "a=b;" * 900))
    assert 102 not in [codec.payload_type for codec in ups(session)["1"].codecs]


def test_the_wanted_codecs_are_a_setting() -> None:
    session = new_session(BrowserPreferences(video_codecs=("H264",)))
    session.receive_offer(sample("chromium_camera_offer"))
    assert {codec.name for codec in ups(session)["1"].codecs} == {"H264"}
    session = new_session(BrowserPreferences(video_codecs=()))
    session.receive_offer(sample("chromium_camera_offer"))
    assert set(ups(session)) == {"0"}


@pytest.mark.parametrize("browser", BROWSERS)
def test_sources_known_early_are_in_the_first_answer(browser: str) -> None:
    session = new_session()
    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    answer = session.receive_offer(sample(f"{browser}_recvonly_offer"))
    assert sources(session) == {"1": A}
    assert directions(answer) == {"0": "sendonly", "1": "sendonly"}
    assert (sections(answer)[1]["1"].attributes.value("msid") or "").startswith("prt_a ")
    assert not spec(session).up_tracks
    assert session.needs_negotiation, "the second has no section yet"


def test_a_simulcast_offer_is_taken_as_one_layer() -> None:
    session = new_session()
    answer = session.receive_offer(sample("chromium_simulcast_offer"))
    assert "simulcast" not in answer
    assert "rid" not in answer
    assert len(spec(session).up_tracks) == 1


# --- the bridge offers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("browser", BROWSERS)
def test_two_videos_take_the_cameras_way_back_and_a_section_of_ours(browser: str) -> None:
    session = watching(browser)
    assert sources(session) == {"1": A, "b0": B}
    tracks = [track for track in spec(session).down_tracks if track.kind == "video"]
    assert len({track.ssrc for track in tracks} | {track.rtx_ssrc for track in tracks}) == 4
    assert all(track.codecs[0].rtx_payload_type is not None for track in tracks)
    assert set(ups(session)) == {"0", "1"}
    assert not session.needs_negotiation


def test_our_offer_repeats_what_the_bundle_uses() -> None:
    """RFC 9143 section 10.1.1: a payload type and an extension id mean the same in all sections."""
    session = connected("chromium")
    for source, label in ((A, "prt_a"), (B, "prt_b")):
        session.add_down_track(source, label)
    description, by_mid = sections(session.offer())
    assert description.bundle == ("0", "1", "b0")
    assert by_mid["1"].rtp_maps == by_mid["b0"].rtp_maps
    assert by_mid["1"].extension_maps == by_mid["b0"].extension_maps
    assert {section.attributes.value("setup") for section in description.media} == {"actpass"}
    assert directions(session.offer()) == {"0": "sendrecv", "1": "sendrecv", "b0": "sendonly"}
    groups = [group for section in description.media for group in section.ssrc_groups]
    assert [group.semantics for group in groups] == ["FID", "FID"]


def test_without_a_camera_new_numbers_avoid_the_browsers() -> None:
    session = new_session()
    session.receive_offer(sample("chromium_audio_only_offer"))
    session.add_down_track(A, "prt_a")
    description, by_mid = sections(session.offer())
    taken = set(parse_session_description(sample("chromium_audio_only_offer")).media[0].payload_types)
    assert not set(by_mid["b0"].payload_types) & taken
    assert {entry.name for entry in by_mid["b0"].rtp_maps.values()} == {"VP8", "H264", "rtx"}
    audio_ids = {entry.uri: entry.id for entry in description.media[0].extension_maps}
    for entry in by_mid["b0"].extension_maps:
        assert audio_ids.get(entry.uri, entry.id) == entry.id


def test_several_new_sections_are_alike() -> None:
    session = new_session()
    session.receive_offer(sample("chromium_audio_only_offer"))
    for number in range(16):
        session.add_down_track(TrackId(f"leg_{number}/1"), f"prt_{number}")
    _, by_mid = sections(session.offer())
    assert len(by_mid) == 17
    assert len({section.formats for mid, section in by_mid.items() if mid != "0"}) == 1


def test_the_bridge_may_offer_first() -> None:
    session = new_session()
    session.add_down_track(A, "prt_a")
    offer = session.offer()
    assert directions(offer) == {"b0": "sendrecv", "b1": "sendrecv"}
    assert spec(session).remote_ice is None
    assert not spec(session).down_tracks
    session.receive_answer(sample("chromium_answer_to_first_offer"))
    assert set(ups(session)) == {"b0", "b1"}
    assert sources(session) == {"b1": A}
    assert spec(session).dtls_server


def test_a_passive_browser_makes_the_bridge_the_dtls_client() -> None:
    session = new_session()
    session.offer()
    session.receive_answer(
        sample("chromium_answer_to_first_offer").replace("a=setup:active", "a=setup:passive")
    )
    assert not spec(session).dtls_server
    session = new_session()
    answer = session.receive_offer(
        sample("chromium_camera_offer").replace("a=setup:actpass", "a=setup:passive")
    )
    assert not spec(session).dtls_server
    assert {section.attributes.value("setup") for section in sections(answer)[0].media} == {"active"}


def test_an_offer_stays_the_same_while_it_is_pending() -> None:
    session = connected("chromium")
    session.add_down_track(A, "prt_a")
    text = session.offer()
    assert session.offer_pending
    assert not session.needs_negotiation
    session.add_down_track(B, "prt_b")
    assert session.offer() == text
    session.receive_answer(answer_to(text))
    assert sources(session) == {"1": A}
    assert session.needs_negotiation, "the second came too late for that offer"
    session.withdraw_offer()
    assert session.needs_negotiation


def test_an_offer_nobody_answers_can_be_withdrawn() -> None:
    session = connected("chromium")
    before = spec(session)
    session.add_down_track(A, "prt_a")
    session.offer()
    session.withdraw_offer()
    assert spec(session) == before
    assert session.needs_negotiation
    session.receive_answer(answer_to(session.offer()))
    assert sources(session) == {"1": A}


# --- changes over the life of a leg -----------------------------------------------------------------------


@pytest.mark.parametrize("browser", BROWSERS)
def test_a_removed_source_falls_silent_at_once_and_its_section_is_used_again(browser: str) -> None:
    session = watching(browser)
    ssrc = downs(session)["1"].ssrc
    session.remove_down_track(A)
    assert sources(session) == {"1": None, "b0": B}
    assert session.needs_negotiation
    session.add_down_track(C, "prt_c")
    assert sources(session) == {"1": None, "b0": B}, "not before the browser knows"
    offer = session.offer()
    assert (sections(offer)[1]["1"].attributes.value("msid") or "").startswith("prt_c ")
    session.receive_answer(sample(f"{browser}_answer_two_sources"))
    assert sources(session) == {"1": C, "b0": B}
    assert downs(session)["1"].ssrc == ssrc, (
        "one sequence per section: SRTP replays nothing (RFC 3711 section 3.3.1)"
    )


def test_removing_all_makes_sections_inactive() -> None:
    session = watching("chromium")
    session.remove_down_track(A)
    session.remove_down_track(B)
    session.remove_down_track(C)
    offer = session.offer()
    assert directions(offer) == {"0": "sendrecv", "1": "recvonly", "b0": "inactive"}
    session.receive_answer(answer_to(offer))
    assert sources(session) == {"1": None, "b0": None}
    assert not session.needs_negotiation


def test_a_stream_that_rests_keeps_its_ssrcs() -> None:
    """Its receiver keeps the decoder, the plane keeps the down track with its numbers."""
    session = watching("chromium")
    before = downs(session)
    session.remove_down_track(A)
    session.remove_down_track(B)
    offer = session.offer()
    for mid in ("1", "b0"):
        section = sections(offer)[1][mid]
        pair = (before[mid].ssrc, before[mid].rtx_ssrc)
        assert [group.ssrcs for group in section.ssrc_groups] == [pair]
        assert {line.ssrc for line in section.ssrcs} == set(pair)
        assert not section.attributes.has("msid")
    session.receive_answer(answer_to(offer))
    resting = {mid: (track.ssrc, track.rtx_ssrc, track.source) for mid, track in downs(session).items()}
    assert resting["b0"] == (before["b0"].ssrc, before["b0"].rtx_ssrc, None)
    session.add_down_track(C, "prt_c")
    session.add_down_track(A, "prt_a")
    session.receive_answer(answer_to(session.offer()))
    assert sources(session) == {"1": C, "b0": A}
    assert {mid: t.ssrc for mid, t in downs(session).items()} == {mid: t.ssrc for mid, t in before.items()}


def test_a_new_label_is_told_to_the_browser() -> None:
    session = watching("chromium")
    session.add_down_track(A, "prt_other")
    assert session.needs_negotiation
    assert "a=msid:prt_other " in session.offer()
    assert sources(session) == {"1": A, "b0": B}


@pytest.mark.parametrize("browser", BROWSERS)
def test_the_life_of_a_page(browser: str) -> None:
    """Re-offer, removeTrack(), stop(), and a new camera on the old m-line with a new mid: as recorded."""
    session = watching(browser)
    agreed = spec(session)
    session.receive_offer(sample(f"{browser}_reoffer"))
    assert spec(session) == agreed, "an offer without a change changes nothing"

    session.receive_offer(sample(f"{browser}_remove_track_offer"))
    assert set(ups(session)) == {"0"}
    assert sources(session) == {"1": A, "b0": B}

    session.remove_down_track(B)
    answer = session.receive_offer(sample(f"{browser}_stopped_offer"))
    assert sources(session) == {"b0": A}, "its section was stopped, so it moves to the free one"
    description, by_mid = sections(answer)
    assert by_mid["1"].port == 0
    assert description.bundle == ("0", "b0")

    answer = session.receive_offer(sample(f"{browser}_reused_mline_offer"))
    assert set(ups(session)) == {"0", "2"}
    assert sources(session) == {"b0": A}
    assert [section.mid for section in sections(answer)[0].media] == ["0", "2", "b0"]
    assert not session.needs_negotiation


def test_a_recycled_section_gets_new_ssrcs() -> None:
    session = watching("chromium")
    old = downs(session)["1"].ssrc
    session.receive_offer(sample("chromium_stopped_offer"))
    session.receive_offer(sample("chromium_reused_mline_offer"))
    assert sources(session) == {"2": A, "b0": B}
    assert downs(session)["2"].ssrc != old


def test_a_dead_section_is_used_for_our_next_video() -> None:
    session = watching("chromium")
    session.receive_offer(sample("chromium_stopped_offer"))
    assert session.needs_negotiation
    description, by_mid = sections(session.offer())
    assert [section.mid for section in description.media] == ["0", "b1", "b0"]
    assert (by_mid["b1"].attributes.value("msid") or "").startswith("prt_a ")


def test_a_camera_on_our_section_is_received() -> None:
    """addTrack() reuses a transceiver that only receives: our sendonly section becomes the camera's."""
    session = new_session()
    session.receive_offer(sample("chromium_audio_only_offer"))
    session.add_down_track(A, "prt_a")
    session.receive_answer(answer_to(session.offer(), page="audio_only_offer"))
    text = answer_to(session.offer(), page="audio_only_offer")
    session.withdraw_offer()
    session.receive_offer(
        text.replace("a=recvonly", "a=sendrecv").replace("a=setup:active", "a=setup:actpass")
    )
    assert "b0" in ups(session)
    session.add_down_track(B, "prt_b")
    assert directions(session.offer())["b0"] == "sendrecv", "our next offer must not switch the camera off"


def test_an_ice_restart_gives_new_local_credentials_and_keeps_the_rest() -> None:
    session = watching("chromium")
    before = spec(session)
    text = sample("chromium_reoffer")
    description, _ = sections(text)
    old = description.media[0].attributes.value("ice-ufrag") or ""
    answer = session.receive_offer(text.replace(f"a=ice-ufrag:{old}", "a=ice-ufrag:NEWx"))
    after = spec(session)
    assert after.remote_ice is not None
    assert after.remote_ice.ufrag == "NEWx"
    assert after.local_ice != before.local_ice
    assert sections(answer)[0].media[0].attributes.value("ice-ufrag") == after.local_ice.ufrag
    assert (after.up_tracks, after.down_tracks) == (before.up_tracks, before.down_tracks)
    assert (after.remote_fingerprints, after.dtls_server) == (before.remote_fingerprints, before.dtls_server)


def test_an_answer_restarts_no_ice_of_ours() -> None:
    session = connected("chromium")
    before = spec(session).local_ice
    session.add_down_track(A, "prt_a")
    text = answer_to(session.offer())
    session.receive_answer(text.replace("a=ice-ufrag:", "a=ice-ufrag:NEW"))
    assert spec(session).local_ice == before


def test_a_reloaded_page_is_another_peer() -> None:
    session = watching("chromium")
    before = spec(session)
    with pytest.raises(PeerReplacedError):
        session.receive_offer(sample("chromium_h264_offer"))
    session.remove_down_track(A)
    session.offer()
    with pytest.raises(PeerReplacedError):
        session.receive_offer(sample("chromium_h264_offer"))
    session.withdraw_offer()
    session.add_down_track(A, "prt_a")
    assert spec(session) == before


def test_a_data_channel_is_refused() -> None:
    session = new_session()
    text = sample("chromium_camera_offer").replace("BUNDLE 0 1", "BUNDLE 0 1 2")
    answer = session.receive_offer(text + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n")
    description, by_mid = sections(answer)
    assert (by_mid["2"].kind, by_mid["2"].port, by_mid["2"].formats) == (
        "application",
        0,
        ("webrtc-datachannel",),
    )
    assert description.bundle == ("0", "1")
    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    offered = [(section.kind, section.port) for section in sections(session.offer())[0].media]
    assert offered == [("audio", 9), ("video", 9), ("application", 0), ("video", 9)]


# --- what a browser declines ------------------------------------------------------------------------------


def test_a_source_the_browser_declines_is_not_offered_for_ever() -> None:
    session = new_session()
    session.receive_offer(sample("chromium_audio_only_offer"))
    session.add_down_track(A, "prt_a")
    session.receive_answer(answer_to(session.offer(), page="audio_only_offer", b0="refuse"))
    assert not sources(session)
    assert not session.needs_negotiation
    session.receive_offer(sample("chromium_audio_only_offer") + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n")
    assert session.needs_negotiation, "a new offer of the browser is a new chance"


def test_a_source_the_camera_section_cannot_take_moves_to_its_own() -> None:
    session = connected("chromium")
    session.add_down_track(A, "prt_a")
    session.receive_answer(answer_to(session.offer(), **{"1": "sendonly"}))
    assert sources(session) == {"1": None}
    assert session.needs_negotiation
    offer = session.offer()
    assert directions(offer) == {"0": "sendrecv", "1": "recvonly", "b0": "sendonly"}
    session.receive_answer(answer_to(offer))
    assert sources(session) == {"1": None, "b0": A}
    assert not session.needs_negotiation


def test_a_camera_that_is_sendonly_gets_nothing_back() -> None:
    session = new_session()
    session.add_down_track(A, "prt_a")
    head, audio, video = sample("chromium_camera_offer").partition("m=video")
    answer = session.receive_offer(head + audio + video.replace("a=sendrecv", "a=sendonly"))
    assert directions(answer)["1"] == "recvonly"
    assert session.needs_negotiation


def test_the_number_of_videos_is_bounded() -> None:
    session = new_session(BrowserPreferences(max_down_tracks=2))
    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    session.add_down_track(B, "prt_b2")
    with pytest.raises(CapacityError):
        session.add_down_track(C, "prt_c")
    session.remove_down_track(A)
    session.add_down_track(C, "prt_c")


@pytest.mark.parametrize("label", ["", "a b", "x\r\na=evil", "ü", "x" * 65])
def test_a_label_is_one_token(label: str) -> None:
    with pytest.raises(ValueError, match="MediaStream"):
        new_session().add_down_track(A, label)


# --- glare and misuse -------------------------------------------------------------------------------------


def test_the_bridge_does_not_yield() -> None:
    session = connected("chromium")
    session.add_down_track(A, "prt_a")
    offer = session.offer()
    with pytest.raises(GlareError):
        session.receive_offer(sample("chromium_reoffer"))
    session.receive_answer(answer_to(offer))
    assert sources(session) == {"1": A}
    session.receive_offer(sample("chromium_camera_offer"))


def test_an_answer_to_nothing_is_not_allowed() -> None:
    with pytest.raises(NotAllowedError):
        connected("chromium").receive_answer(sample("chromium_answer_two_sources"))


CAMERA = sample("chromium_camera_offer")


@pytest.mark.parametrize(
    "text",
    [
        CAMERA.replace("a=group:BUNDLE 0 1\r\n", ""),
        CAMERA.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 7 8"),
        CAMERA.replace("a=rtcp-mux\r\n", ""),
        CAMERA.replace("a=ice-ufrag", "a=x"),
        CAMERA.replace("a=ice-pwd:", "a=ice-pwd:!"),
        CAMERA.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
        CAMERA.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:"),
        CAMERA.replace("a=mid:1", "a=mid:0"),
        CAMERA.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF"),
        CAMERA.replace("opus", "x")
        .replace("PCM", "x")
        .replace("G722", "x")
        .replace("VP8", "x")
        .replace("H264", "x"),
        CAMERA.partition("m=")[0],
    ],
    ids=range(11),
)
def test_an_offer_the_bridge_cannot_carry_is_refused_with_a_reason(text: str) -> None:
    session = new_session()
    with pytest.raises(NegotiationError) as caught:
        session.receive_offer(text)
    assert caught.value.reason.endswith((".", ").", "H264."))
    assert spec(session).remote_ice is None
    session.receive_offer(CAMERA)


def test_nonsense_is_malformed() -> None:
    with pytest.raises(ParseError):
        new_session().receive_offer("hello")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=mid:b0", "a=mid:x"),
        ("m=video", "m=audio"),
        ("VP8/90000", "VP9/90000"),
        ("a=rtcp-mux\r\n", ""),
        ("m=audio", "m=video 0 X 1\r\nm=audio"),
    ],
)
def test_an_answer_that_does_not_fit_leaves_the_offer_pending(old: str, new: str) -> None:
    session = connected("firefox")
    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    before = spec(session)
    session.offer()
    good = sample("firefox_answer_two_sources")
    bad = (
        good.replace("120", "96").replace(old, new)
        if "VP8" in old or "SAVPF 96" in old
        else good.replace(old, new)
    )
    if bad == good:
        bad = good.replace("VP8/90000", "VP9/90000")
    with pytest.raises(NegotiationError):
        session.receive_answer(bad)
    assert session.offer_pending
    assert spec(session) == before
    session.receive_answer(good)
    assert sources(session) == {"1": A, "b0": B}


def test_a_shorter_offer_is_refused() -> None:
    session = watching("chromium")
    with pytest.raises(NegotiationError, match="fewer"):
        session.receive_offer(CAMERA)


def test_a_browser_that_uses_every_payload_type_gets_no_section_of_ours() -> None:
    numbers = " ".join(str(number) for number in range(128) if number != 111)
    head, line, rest = sample("chromium_audio_only_offer").partition("m=audio 9 UDP/TLS/RTP/SAVPF 111")
    session = new_session()
    session.receive_offer(f"{head}{line} {numbers}\r\n" + rest.partition("\r\n")[2])
    session.add_down_track(A, "prt_a")
    with pytest.raises(CapacityError):
        session.offer()
    assert not session.offer_pending


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("offer"), st.sampled_from(["take", "refuse", "sendonly", "withdraw"])),
        st.tuples(
            st.just("browser"),
            st.sampled_from(
                ["camera_offer", "reoffer", "remove_track_offer", "stopped_offer", "reused_mline_offer"]
            ),
        ),
    ),
    max_size=14,
)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_any_life_keeps_the_descriptions_in_agreement(steps: list[tuple[str, int | str]]) -> None:
    session = connected("chromium")
    for verb, what in steps:
        take_step(session, verb, what)
        check(session)


def take_step(session: BrowserSession, verb: str, what: int | str) -> None:
    try:
        if verb == "add":
            session.add_down_track(TrackId(f"leg_{what}/1"), f"prt_{what}")
        elif verb == "remove":
            session.remove_down_track(TrackId(f"leg_{what}/1"))
        elif verb == "browser":
            session.receive_offer(sample(f"chromium_{what}"))
        elif session.needs_negotiation:
            offer = session.offer()
            if what == "withdraw":
                session.withdraw_offer()
                return
            mids = [mid for mid in directions(offer) if mid.startswith("b")] if what != "take" else []
            session.receive_answer(answer_to(offer, **dict.fromkeys(mids, str(what))))
    except BridgeError:
        pass


def check(session: BrowserSession) -> None:
    leg = spec(session)
    ssrcs = [track.ssrc for track in leg.down_tracks] + [t.rtx_ssrc for t in leg.down_tracks if t.rtx_ssrc]
    assert len(ssrcs) == len(set(ssrcs))
    assert all(track.codecs and track.ssrc for track in leg.down_tracks)
    carried = [track.source for track in leg.down_tracks if track.source is not None]
    assert len(carried) == len(set(carried))
    assert len({track.mid for track in leg.up_tracks}) == len(leg.up_tracks)
    assert sum(track.kind == "audio" for track in leg.down_tracks) <= 1


def test_a_section_of_an_unknown_kind_is_refused_whatever_its_codecs() -> None:
    """Found by fuzzing: a kind that is neither audio nor video, with codecs the bridge knows."""
    text = (DATA / "chromium_camera_offer.sdp").read_text().replace("m=video", "m=viteo")
    answer = parse_session_description(new_session().receive_offer(text))
    assert [(media.kind, bool(media.port)) for media in answer.media] == [("audio", True), ("viteo", False)]


# --- one voice ------------------------------------------------------------------------------------------------


def with_second_sound(offer: str, mid: str = "7", direction: str = "sendonly") -> str:
    """As Chromium offers a shared screen with its sound: another audio section behind all."""
    _, by_mid = sections(offer)
    start = offer.index("m=audio")
    end = offer.find("m=", start + 2)
    text = offer[start : end if end > 0 else len(offer)]
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(("a=mid", "a=ssrc", "a=msid")) and line[2:] not in MIRROR
    ]
    again = "\r\n".join([*lines, f"a=mid:{mid}", f"a={direction}", ""])
    bundle = f"a=group:BUNDLE {' '.join(by_mid)}"
    assert bundle in offer
    return offer.replace(bundle, f"{bundle} {mid}") + again


@pytest.mark.parametrize("browser", BROWSERS)
@pytest.mark.parametrize("direction", ["sendonly", "sendrecv"])
def test_a_second_sound_of_a_browser_is_refused_and_the_page_is_told(browser: str, direction: str) -> None:
    session = new_session()
    offer = sample(f"{browser}_camera_offer")
    answer = session.receive_offer(with_second_sound(offer, direction=direction))
    _, by_mid = sections(answer)
    assert by_mid["7"].port == 0
    assert sections(answer)[0].bundle == tuple(mid for mid in by_mid if mid != "7")
    assert [refusal.mid for refusal in session.refusals] == ["7"]
    assert "section 0" in session.refusals[0].reason
    assert [up.kind for up in ups(session).values()].count("audio") == 1


@pytest.mark.parametrize("browser", BROWSERS)
def test_a_second_sound_in_the_middle_of_a_call_takes_no_place_of_the_first(browser: str) -> None:
    session = connected(browser)
    voice = next(mid for mid, up in ups(session).items() if up.kind == "audio")
    session.receive_offer(with_second_sound(sample(f"{browser}_camera_offer")))
    assert [mid for mid, up in ups(session).items() if up.kind == "audio"] == [voice]
    assert [refusal.mid for refusal in session.refusals] == ["7"]


def test_a_second_audio_section_that_sends_nothing_is_no_second_voice() -> None:
    session = new_session()
    answer = session.receive_offer(with_second_sound(sample("chromium_camera_offer"), direction="recvonly"))
    assert sections(answer)[1]["7"].port != 0
    assert not session.refusals
    assert directions(session.offer())["7"] == "inactive"


def test_a_microphone_on_another_section_is_the_voice_once_the_first_is_silent() -> None:
    offer = with_second_sound(sample("chromium_camera_offer"))
    first = offer.index("a=sendrecv")
    session = new_session()
    session.receive_offer(offer[:first] + "a=recvonly" + offer[first + len("a=sendrecv") :])
    assert [mid for mid, up in ups(session).items() if up.kind == "audio"] == ["7"]
    assert not session.refusals
    session.receive_offer(offer)  # the first one comes back: who speaks goes on
    assert [mid for mid, up in ups(session).items() if up.kind == "audio"] == ["7"]
    assert [refusal.mid for refusal in session.refusals] == ["0"]
