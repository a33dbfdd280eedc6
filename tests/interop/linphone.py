"""A real phone: linphonec with sound files for a microphone and a loudspeaker, driven over its standard input."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.peers.ports import free_media_ports, free_port
from bridge.peers.tone import Samples
from tests.interop.programs import eventually, program
from tests.interop.sound import read_sound, write_tone

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "sip": {
        "sip_tls_port": -1,
        "guess_hostname": 0,
        "use_ipv6": 0,
        "bind_address": "127.0.0.1",
        "verify_server_certs": 0,
        "verify_server_cn": 0,
        "use_info": 0,
        "use_rfc2833": 1,
        "media_encryption": "none",
    },
    "rtp": {"bind_address": "127.0.0.1"},
    "video": {"capture": 0, "display": 0, "automatically_initiate": 0, "automatically_accept": 0},
}


CAMERA: Mapping[str, object] = {
    "video.capture": 1,
    "video.automatically_accept": 1,
    "video.device": "StaticImage: Static picture",
    "video.size": "qvga",
}


@dataclass
class Linphone:
    """One running phone."""

    directory: Path
    sip_port: int
    process: asyncio.subprocess.Process

    async def command(self, line: str) -> None:
        """One line, as if typed: `call sip:...`, `pause`, `resume`, a digit, `terminate`."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def dial(self, uri: str) -> None:
        await self.command(f"call {uri}")
        await self.says("connected")

    async def says(self, words: str, timeout_s: float = 10.0) -> None:
        await eventually(f"linphonec says {words}", lambda: words in self.output(), timeout_s)

    def output(self) -> str:
        return (self.directory / "linphone.out").read_text(errors="replace")

    def heard(self) -> tuple[Samples, int]:
        """Everything received in a call that is over, and its rate: linphone writes its file at the end."""
        return read_sound(self.directory / "heard.wav")


def _rc(sip_port: int, settings: Mapping[str, object]) -> str:
    rtp_min = free_media_ports(100)
    sections = {name: dict(section) for name, section in SETTINGS.items()}
    sections["sip"] |= {
        "sip_port": sip_port,
        "sip_tcp_port": sip_port,
        "contact": f"sip:lin@127.0.0.1:{sip_port}",
    }
    sections["rtp"] |= {
        "audio_rtp_port": f"{rtp_min}-{rtp_min + 49}",
        "video_rtp_port": f"{rtp_min + 50}-{rtp_min + 99}",
    }
    for name, value in settings.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key}={value}" for key, value in values.items()), ""]
    return "\n".join(lines)


@contextlib.asynccontextmanager
async def linphone(
    directory: Path,
    tone_hz: float,
    settings: Mapping[str, object] | None = None,
    *,
    camera: bool = False,
    answers: bool = False,
) -> AsyncIterator[Linphone]:
    """A phone that can dial, and with `answers` takes every call.

    `settings` ("sip.media_encryption": "srtp") go over the defaults.

    With a camera it has a picture that never changes, once it is told `camera on`.
    """
    home = directory / "home"
    (home / ".local/share/linphone").mkdir(parents=True)
    sip_port = free_port()
    (directory / "rc").write_text(_rc(sip_port, {**(CAMERA if camera else {}), **(settings or {})}))
    tone = write_tone(directory / "tone.wav", (tone_hz,), 16_000, 30.0)
    # env, because it keeps its database in $HOME
    arguments = [
        "env",
        f"HOME={home}",
        program("linphonec"),
        "-c",
        str(directory / "rc"),
        "-d",
        "6",
        "-l",
        str(directory / "log"),
        *(("-C",) if camera else ()),
        *(("-a",) if answers else ()),
    ]
    with (directory / "linphone.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    phone = Linphone(directory, sip_port, process)
    try:
        await phone.says("linphonec>")
        for line in ("soundcard use files", f"play {tone}", f"record {directory / 'heard.wav'}"):
            await phone.command(line)
        yield phone
        with contextlib.suppress(OSError):
            await phone.command("quit")
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3.0):
            await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
