"""`warmbridge demo`: the escalation on this machine with real SIP, RTP, ICE, DTLS and SRTP, and a verdict."""

import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from bridge.errors import BridgeError, SettingsError
from bridge.peers.beside import beside
from bridge.peers.browser.loopback import gather_only
from bridge.peers.demo.scene import Scene, stage
from bridge.peers.demo.script import FAULTS, Script, draw_script
from bridge.peers.demo.table import scene_table, verdict_table
from bridge.peers.demo.verdict import Verdict, judge

REFRESH_S = 0.5


def run_demo(*, seconds: float, as_json: bool, fault: str) -> int:
    """Plays the demo; returns the exit code: 0 when every check passed, else 1."""
    if fault and fault not in FAULTS:
        raise SettingsError(f"--fault {fault}: unknown; there are {', '.join(FAULTS)}")
    if seconds < 3:
        raise SettingsError(f"--seconds {seconds:g}: at least 3, or there is nothing to measure")
    script = draw_script(secrets.randbelow)
    if fault:
        script = FAULTS[fault].play(script)
    # The table and what goes wrong are for people and go to stderr when stdout is JSON for a program.
    console = Console(stderr=as_json)
    gather_only("127.0.0.1")
    try:
        verdicts = asyncio.run(_play(script, seconds, console))
    except BridgeError as error:
        console.print(f"[red]{error.reason}[/red]", highlight=False)
        return 1
    ok = all(verdict.ok for verdict in verdicts)
    if as_json:
        checks = [{"check": v.check, "ok": v.ok, "detail": v.detail} for v in verdicts]
        json.dump({"ok": ok, "seconds": seconds, "checks": checks}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        console.print(verdict_table(verdicts))
    return 0 if ok else 1


async def _play(script: Script, seconds: float, console: Console) -> tuple[Verdict, ...]:
    with tempfile.TemporaryDirectory(prefix="warmbridge-demo-") as folder:
        async with stage(Path(folder), script) as scene, _shown(scene, console):
            evidence = await scene.play(seconds)
    return judge(evidence)


@contextlib.asynccontextmanager
async def _shown(scene: Scene, console: Console) -> AsyncIterator[None]:
    """The live table, refreshed beside the block; a plain log line a phase where there is no terminal."""
    if not console.is_terminal:
        async with beside(_tell_phases(scene, console)):
            yield
        return
    with Live(scene_table(scene), console=console, auto_refresh=False) as live:
        async with beside(_refresh(scene, live)):
            yield
        live.update(scene_table(scene), refresh=True)


async def _refresh(scene: Scene, live: Live) -> None:
    while True:
        live.update(scene_table(scene), refresh=True)
        await asyncio.sleep(REFRESH_S)


async def _tell_phases(scene: Scene, console: Console) -> None:
    told = ""
    while True:
        if scene.phase != told:
            told = scene.phase
            console.print(told, highlight=False)
        await asyncio.sleep(REFRESH_S / 5)
