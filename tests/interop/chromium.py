"""A real browser: headless Chromium with a counter picture for a camera and a tone for a microphone."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, async_playwright

from bridge.peers.picture import FrameTally, Reading, write_y4m
from bridge.peers.tone import Samples
from tests.interop.programs import POLL_S, program
from tests.interop.sound import write_tone

CAMERA_SIZE = (320, 240)
CAMERA_FRAMES_PER_SECOND = 15
CAMERA_FRAMES = 300  # 20 s, then the file begins again
PROBE = Path(__file__).parent / "probe.js"

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    # Candidates on 127.0.0.1, and addresses instead of mDNS names.
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


@dataclass
class Tab:
    """One page with the probe inside. `tallies` counts the frames read so far by picture id."""

    page: Page
    tallies: dict[int, FrameTally] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    async def look(self) -> dict[int, FrameTally]:
        """Takes the pictures read since the last look into the tallies."""
        readings = await self.page.evaluate("probe.takeReadings()")
        for picture_id, counter in readings:
            self.tallies.setdefault(picture_id, FrameTally(CAMERA_FRAMES)).receive(counter)
        return self.tallies

    async def unreadable(self) -> int:
        """How many frames carried no legible picture."""
        count: int = await self.page.evaluate("probe.unreadable")
        return count

    async def sound(self, seconds: float) -> tuple[Samples, int]:
        """The last seconds heard, and their rate."""
        taken = await self.page.evaluate("seconds => probe.takeSound(seconds)", seconds)
        samples = np.frombuffer(base64.b64decode(taken["samples"]), "<i2").astype(np.int16)
        return samples, int(taken["rate"])

    async def statistics(self, kind: str) -> list[dict[str, Any]]:
        """All entries of one type ("inbound-rtp") of getStats() over all connections of the page."""
        entries: list[dict[str, Any]] = await self.page.evaluate(
            """async kind => {
                const found = [];
                for (const connection of probe.connections)
                    (await connection.getStats()).forEach(entry => entry.type === kind && found.push(entry));
                return found;
            }""",
            kind,
        )
        return entries

    async def eventually(self, condition: str, timeout_s: float = 30.0) -> Any:
        """Waits until a JavaScript expression is true in the page; returns its value."""
        # Not wait_for_function: it evaluates inside the page, where the page's own policy forbids it.
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not (value := await self.page.evaluate(condition)):
            assert asyncio.get_running_loop().time() < deadline, f"not within {timeout_s:g} s: {condition}"
            await asyncio.sleep(POLL_S)
        return value


async def make_media(directory: Path, picture_id: int, tone_hz: float, first_counter: int = 0) -> None:
    """Camera and microphone files in `directory`, which must exist."""
    counters = range(first_counter, first_counter + CAMERA_FRAMES)
    readings = (Reading(picture_id, counter % CAMERA_FRAMES) for counter in counters)
    await asyncio.to_thread(
        write_y4m, directory / "camera.y4m", CAMERA_SIZE, CAMERA_FRAMES_PER_SECOND, readings
    )
    write_tone(directory / "microphone.wav", (tone_hz,), 48_000, 20.0)


@contextlib.asynccontextmanager
async def chromium(directory: Path, flags: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """One browser process, because camera and microphone files are chosen by process."""
    arguments = [
        *FLAGS,
        f"--use-file-for-fake-video-capture={directory / 'camera.y4m'}",
        f"--use-file-for-fake-audio-capture={directory / 'microphone.wav'}",
        *flags,
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program("chromium"), headless=True, chromium_sandbox=False, args=arguments
        )
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def tab(browser: Browser, url: str) -> AsyncIterator[Tab]:
    """Opens `url` in a window of its own, with camera and microphone granted."""
    context = await browser.new_context(
        permissions=["camera", "microphone"], viewport={"width": 1280, "height": 720}
    )
    page = await context.new_page()
    opened = Tab(page)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("console", lambda message: _note(opened, message.type, message.text))
    await page.add_init_script(path=PROBE)
    try:
        await page.goto(url)
        yield opened
    finally:
        await context.close()


def _note(opened: Tab, kind: str, text: str) -> None:
    if kind == "error":
        opened.complaints.append(text)
