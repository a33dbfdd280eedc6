"""Another real browser: headless Firefox, driven over its own WebDriver BiDi socket.

Needs `own_network`: on loopback alone it offers no ICE candidate.
"""

import asyncio
import base64
import contextlib
import io
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from bridge.peers.beside import beside
from bridge.peers.ports import free_port
from bridge.peers.tone import Samples
from bridge.peers.within import within
from tests.interop.chromium import PROBE
from tests.interop.programs import POLL_S, program, running

ADDITIONS = Path(__file__).parent / "firefox.js"
START_S = 90.0
ANSWER_S = 60.0
RATE_HZ = 48_000


def preferences(tone_hz: float) -> dict[str, object]:
    """Devices that are not there, granted without asking, and no word to anybody outside."""
    return {
        "media.navigator.streams.fake": True,
        "media.navigator.permission.disabled": True,
        "media.navigator.audio.fake_frequency": int(tone_hz),
        "media.peerconnection.ice.obfuscate_host_addresses": False,
        "media.autoplay.default": 0,
        "media.autoplay.blocking_policy": 0,
        "media.gmp-manager.updateEnabled": False,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "browser.shell.checkDefaultBrowser": False,
        "browser.startup.page": 0,
        "app.update.enabled": False,
        "app.normandy.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "extensions.update.enabled": False,
        "services.settings.server": "data:,",
        "toolkit.telemetry.enabled": False,
    }


@dataclass
class FirefoxTab:
    """The one page of a Firefox."""

    _socket: ClientConnection
    context: str = ""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, "asyncio.Future[dict[str, Any]]"] = field(default_factory=dict)

    async def run(self) -> None:
        async for text in self._socket:
            answer = json.loads(text)
            waiting = self._waiting.pop(answer.get("id"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer = await within(ANSWER_S, waiting)
        assert answer["type"] == "success", f"{method}: {answer}"
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        """Opens `url` with the probe inside, before the page's own scripts."""
        await self.command("session.new", capabilities={})
        tree = await self.command("browsingContext.getTree")
        self.context = tree["contexts"][0]["context"]
        script = PROBE.read_text(encoding="utf-8") + ADDITIONS.read_text(encoding="utf-8")
        await self.command("script.addPreloadScript", functionDeclaration=f"() => {{\n{script}\n}}")
        await self.command("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        result = await self.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
        )
        assert result["type"] == "success", f"{expression}: {result['exceptionDetails']['text']}"
        return json.loads(result["result"]["value"])

    async def eventually(self, condition: str, timeout_s: float = 30.0) -> Any:
        """Waits until a JavaScript expression is true in the page; returns its value."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not (value := await self.evaluate(condition)):
            assert asyncio.get_running_loop().time() < deadline, f"not within {timeout_s:g} s: {condition}"
            await asyncio.sleep(POLL_S)
        return value

    async def click(self, selector: str) -> None:
        """Waits until there is such an element that can be pressed, and presses it."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.eventually(f"{found} && !{found}.disabled")
        await self.evaluate(f"{found}.click()")

    async def fill(self, selector: str, text: str) -> None:
        """Writes into a field that must be there."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    async def reload(self) -> None:
        await self.command("browsingContext.reload", context=self.context, wait="complete")

    async def sound(self, seconds: float) -> Samples:
        """What is heard during the next seconds, mono at RATE_HZ."""
        return _decode(base64.b64decode(await self.evaluate(f"probe.record({seconds * 1000})")))

    async def screenshot(self, path: Path) -> None:
        picture = await self.command("browsingContext.captureScreenshot", context=self.context)
        path.write_bytes(base64.b64decode(picture["data"]))  # noqa: ASYNC240 - a test's own file


def _decode(ogg: bytes) -> Samples:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(io.BytesIO(ogg), "r") as container:
        frames = [mono for frame in container.decode(audio=0) for mono in resampler.resample(frame)]
    samples: Samples = np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.int16)
    return samples


@contextlib.asynccontextmanager
async def firefox(directory: Path, url: str, tone_hz: float) -> AsyncIterator[FirefoxTab]:
    """A Firefox of its own that shows `url`, with a tone for a microphone. Its log is in `directory`."""
    profile, port = directory / "profile", free_port()
    profile.mkdir(parents=True)
    lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in preferences(tone_hz).items())
    (profile / "user.js").write_text("".join(lines))
    command = ("env", f"HOME={profile}", "MOZ_CRASHREPORTER_DISABLE=1", program("firefox-esr"), "--headless")
    options = ("--no-remote", "--profile", str(profile), "--remote-debugging-port", str(port), "about:blank")
    async with running((*command, *options), directory / "firefox.log"):
        socket = await _connect(port)
        tab = FirefoxTab(socket)
        async with socket, beside(tab.run()):
            await tab.open(url)
            yield tab


async def _connect(port: int) -> ClientConnection:
    deadline = asyncio.get_running_loop().time() + START_S
    while True:
        try:
            return await connect(f"ws://127.0.0.1:{port}/session", max_size=None, proxy=None)
        except OSError:
            assert asyncio.get_running_loop().time() < deadline, f"Firefox does not listen on {port}"
            await asyncio.sleep(POLL_S)
