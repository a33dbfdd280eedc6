"""What the demo shows: one row a leg while it runs, one row a check at the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.demo.scene import Scene, frames_seen
from bridge.peers.demo.verdict import AGENT, CUSTOMER, EXPERT, FramesSeen, Verdict
from bridge.peers.hearing import Hearing


@dataclass(frozen=True)
class Row:
    """One leg as its own peer measures it."""

    name: str
    medium: str
    packets_sent: int
    packets_received: int
    packets_lost: int
    jitter_ms: float
    hearing: Hearing
    frames: FramesSeen | None


def scene_table(scene: Scene) -> Table:
    """Packets, loss, jitter, the level of each tone that is heard, and the frames of the other's camera."""
    table = Table(title=f"warmbridge demo: {scene.phase}", title_justify="left")
    for heading in ("leg", "media", "sent", "received", "lost", "jitter ms"):
        table.add_column(heading, justify="left" if heading in ("leg", "media") else "right")
    for party, tone_hz in scene.script.tones_hz.items():
        table.add_column(f"{party} {tone_hz:.0f} Hz", justify="right")
    table.add_column("frames seen / missing", justify="right")
    for row in _rows(scene):
        frames = f"{row.frames.seen} / {row.frames.missing}" if row.frames else "-"
        counts = (str(row.packets_sent), str(row.packets_received), str(row.packets_lost))
        levels = _levels(row, tuple(scene.script.tones_hz))
        table.add_row(row.name, row.medium, *counts, f"{row.jitter_ms:.1f}", *levels, frames)
    return table


def _rows(scene: Scene) -> list[Row]:
    traffic = scene.caller.traffic
    caller = Row(
        CUSTOMER,
        "SIP, PCMU over RTP",
        traffic.packets_sent,
        traffic.packets_received,
        traffic.packets_lost,
        traffic.jitter_ms,
        scene.caller.hearing,
        None,
    )
    return [
        caller,
        _browser_row(AGENT, scene.agent, frames_seen(scene.agent, scene.expert)),
        _browser_row(EXPERT, scene.expert, frames_seen(scene.expert, scene.agent)),
    ]


def _browser_row(name: str, browser: SyntheticBrowser, frames: FramesSeen) -> Row:
    traffic = browser.traffic
    counts = (traffic.packets_sent, traffic.packets_received, traffic.packets_lost)
    medium = "WebRTC, Opus and VP8"
    return Row(name, medium, *counts, traffic.jitter_ms, browser.hearing, frames)


def _levels(row: Row, parties: Sequence[str]) -> list[str]:
    """The last second heard, in dBFS; its own tone is what a party should not hear."""
    if not row.hearing.seconds:
        return ["-"] * len(parties)
    levels = row.hearing.seconds[-1].levels_db
    return [f"{levels[party]:.0f} dB" for party in parties]


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="verdict", title_justify="left")
    for heading in ("check", "", "what the peers received"):
        table.add_column(heading)
    for verdict in verdicts:
        mark = "[green]passed[/green]" if verdict.ok else "[red]FAILED[/red]"
        table.add_row(verdict.check, mark, verdict.detail)
    return table
