"""Chromium takes our descriptions through the whole life of a page, and we take its."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, Route, async_playwright

from bridge.errors import GlareError
from bridge.negotiation import BrowserSession
from tests.interop.negotiation.session import A, B, C, new_session, sources, spec, ups
from tests.interop.programs import program

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
]
SCRIPT = """
window.streams = [];
window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
pc.ontrack = event => streams.push(event.transceiver.mid + ' ' + event.streams.map(stream => stream.id));
window.makeOffer = async options => {
  await pc.setLocalDescription(await pc.createOffer(options)); return pc.localDescription.sdp; };
window.takeAnswer = async sdp => {
  await pc.setRemoteDescription({type: 'answer', sdp});
  return Object.fromEntries(pc.getTransceivers().map(t => [t.mid, t.currentDirection])); };
window.answerTo = async sdp => {
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription(); return pc.localDescription.sdp; };
window.openDevices = async (kinds = ['audio', 'video']) => {
  window.camera = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  for (const track of camera.getTracks()) if (kinds.includes(track.kind)) pc.addTrack(track, camera); };
"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async def empty(route: Route) -> None:
        await route.fulfill(status=200, content_type="text/html", body="<html></html>")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program("chromium"), headless=True, chromium_sandbox=False, args=ARGUMENTS
        )
        context = await browser.new_context(permissions=["camera", "microphone"])
        tab = await context.new_page()
        await tab.route("http://localhost/**", empty)
        await tab.goto("http://localhost/")
        await tab.add_script_tag(content=SCRIPT)
        yield tab
        await browser.close()


async def page_offers(page: Page, session: BrowserSession, change: str = "", options: str = "{}") -> Any:
    """Runs `change` in the page, then lets it offer. Returns its transceivers' directions by mid."""
    offer = await page.evaluate(f"async () => {{ {change}; return await makeOffer({options}); }}")
    return await page.evaluate("sdp => takeAnswer(sdp)", session.receive_offer(offer))


async def bridge_offers(page: Page, session: BrowserSession) -> None:
    session.receive_answer(await page.evaluate("sdp => answerTo(sdp)", session.offer()))


async def test_the_life_of_a_page(page: Page) -> None:
    session = new_session()
    assert await page_offers(page, session, "await openDevices()") == {"0": "sendrecv", "1": "sendonly"}
    assert ups(session) == {"0": "OPUS", "1": "VP8"}

    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    await bridge_offers(page, session)
    assert sources(session) == {"1": A, "b0": B}
    assert await page.evaluate("streams") == ["0 mix", "1 prt_a", "b0 prt_b"]

    session.remove_down_track(A)
    session.add_down_track(C, "prt_c")
    await bridge_offers(page, session)
    assert sources(session) == {"1": C, "b0": B}
    assert (await page.evaluate("streams"))[-1] == "1 prt_c"

    remove = "pc.removeTrack(pc.getSenders().find(s => s.track && s.track.kind == 'video'))"
    assert (await page_offers(page, session, remove))["1"] == "recvonly"
    assert ups(session) == {"0": "OPUS"}

    stop = "pc.getTransceivers().find(t => t.mid == '1').stop()"
    assert await page_offers(page, session, stop) == {"0": "sendrecv", "b0": "recvonly"}
    assert session.needs_negotiation, "prt_c lost its section"
    await bridge_offers(page, session)
    assert sources(session) == {"b1": C, "b0": B}

    again = "pc.addTransceiver(camera.getVideoTracks()[0], {streams: [camera], direction: 'sendonly'})"
    await page_offers(page, session, again)
    assert sorted(ups(session).values()) == ["OPUS", "VP8"]

    before = spec(session).local_ice
    await page_offers(page, session, options="{iceRestart: true}")
    assert spec(session).local_ice != before
    assert sources(session) == {"b1": C, "b0": B}


async def test_glare_ends_with_the_page_rolling_back(page: Page) -> None:
    session = new_session()
    await page_offers(page, session, "await openDevices()")
    session.add_down_track(A, "prt_a")
    ours, theirs = session.offer(), await page.evaluate("makeOffer({})")
    with pytest.raises(GlareError):
        session.receive_offer(theirs)
    session.receive_answer(await page.evaluate("sdp => answerTo(sdp)", ours))
    await page_offers(page, session)
    assert sources(session) == {"1": A}


async def test_a_page_that_prefers_h264_sends_it(page: Page) -> None:
    session = new_session()
    prefer = """
      await openDevices();
      const codecs = RTCRtpReceiver.getCapabilities('video').codecs.filter(c => /H264|rtx/.test(c.mimeType));
      pc.getTransceivers()[1].setCodecPreferences(codecs)"""
    assert (await page_offers(page, session, prefer))["1"] == "sendonly"
    assert ups(session) == {"0": "OPUS", "1": "H264"}
    session.add_down_track(A, "prt_a")
    await bridge_offers(page, session)
    assert sources(session) == {"1": A}


async def test_a_page_without_devices_hears_and_sees(page: Page) -> None:
    session = new_session()
    session.add_down_track(A, "prt_a")
    ask = "for (const kind of ['audio', 'video']) pc.addTransceiver(kind, {direction: 'recvonly'})"
    assert await page_offers(page, session, ask) == {"0": "recvonly", "1": "recvonly"}
    assert await page.evaluate("streams") == ["0 mix", "1 prt_a"]
    session.add_down_track(B, "prt_b")
    await bridge_offers(page, session)
    assert sources(session) == {"1": A, "b0": B}


async def test_a_microphone_only_page_gets_a_video_and_opens_its_camera_on_that_section(page: Page) -> None:
    session = new_session()
    await page_offers(page, session, "await openDevices(['audio'])")
    session.add_down_track(A, "prt_a")
    await bridge_offers(page, session)
    await page_offers(page, session, "pc.addTrack(camera.getVideoTracks()[0], camera)")
    (mid,) = sources(session)
    assert ups(session)[mid] == "VP8"
    session.add_down_track(B, "prt_b")
    await bridge_offers(page, session)
    assert ups(session)[mid] == "VP8", "our offer does not switch the camera off"


async def test_chromium_answers_a_bridge_that_offers_first(page: Page) -> None:
    session = new_session()
    session.add_down_track(A, "prt_a")
    await page.evaluate("openDevices()")
    await bridge_offers(page, session)
    assert ups(session) == {"b0": "OPUS", "b1": "VP8"}
    assert sources(session) == {"b1": A}


async def test_the_sound_of_a_shared_screen_is_refused_and_the_page_knows(page: Page) -> None:
    session = new_session()
    await page_offers(page, session, "await openDevices()")
    share = """
      window.shared = (await navigator.mediaDevices.getUserMedia({audio: true})).getAudioTracks()[0];
      pc.addTransceiver(shared, {direction: 'sendonly'})"""
    assert await page_offers(page, session, share) == {"0": "sendrecv", "1": "sendonly"}
    assert await page.evaluate("pc.getSenders().some(sender => sender.track === shared)") is False
    assert [refusal.mid for refusal in session.refusals] == ["2"]
    session.add_down_track(A, "prt_a")
    session.add_down_track(B, "prt_b")
    await bridge_offers(page, session)
    assert sources(session) == {"1": A, "b0": B}
    assert ups(session) == {"0": "OPUS", "1": "VP8"}
