"""A real phone: baresip, with a tone for a microphone, every heard sample recorded, driven over ctrl_tcp."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from bridge.peers.beside import beside
from bridge.peers.picture import Reading, read_frame, write_y4m
from bridge.peers.ports import free_media_ports, free_port
from bridge.peers.tone import Samples
from tests.interop.chromium import CAMERA_FRAMES, CAMERA_FRAMES_PER_SECOND, CAMERA_SIZE
from tests.interop.programs import eventually, program, running
from tests.interop.sound import read_sound, write_tone

MODULES = "/usr/lib/baresip/modules"


@dataclass(frozen=True)
class PhoneCodec:
    """How baresip names a codec. Its file source must have exactly the codec's rate."""

    account: str
    module: str
    rate_hz: int


CODECS = {
    "PCMU": PhoneCodec("PCMU/8000/1", "g711", 8000),
    "PCMA": PhoneCodec("PCMA/8000/1", "g711", 8000),
    "G722": PhoneCodec("G722/16000/1", "g722", 16000),
    "OPUS": PhoneCodec("opus/48000/2", "opus", 48000),
}

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip_port}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 4
audio_player aubridge,sink{sip_port}
audio_alert aubridge,alert{sip_port}
audio_source aufile,{tone}
ausrc_channels 1
auplay_channels 1
audio_txmode thread
rtp_ports {rtp_min}-{rtp_max}
rtcp_mux no
jitter_buffer_delay 1-5
rtp_stats yes
module_path {modules}
module {codec_module}.so
module aufile.so
module aubridge.so
module srtp.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
snd_path {recordings}
ringback_disabled yes
menu_bell no
opus_bitrate 32000
"""
# TLS is on the next port. Without an authority baresip believes everybody.
TLS_CONFIG = """\
sip_certificate {certificate}
sip_cafile {authority}
"""


@dataclass(frozen=True)
class PhoneTls:
    """What the phone shows (key and certificate in one file), and whom it believes."""

    certificate: Path
    authority: Path


VIDEO_CONFIG = """\
video_source {video_source}
video_display {video_display}
video_size 320x240
video_fps {frames_per_second}.00
video_bitrate 500000
videnc_format yuv420p
module avcodec.so
module vp8.so
module swscale.so
module {camera_module}.so
module {screen_module}.so
module snapshot.so
"""


@dataclass(frozen=True)
class PhoneVideo:
    """What a phone shows: its own picture, or with `mirror` whatever it sees. `codecs` as baresip names them:
    "vp8", "h264" (packetization-mode 0 only), "" for all it has."""

    picture_id: int = 0
    codecs: str = ""
    mirror: bool = False


LONGEST_CALL_S = 120.0  # baresip hangs up when its sound file is through


@dataclass
class Baresip:
    """One running phone. `events` grows as baresip tells what happens to its calls."""

    directory: Path
    sip_port: int
    rate_hz: int
    writer: asyncio.StreamWriter
    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: int = 0

    async def command(self, command: str, parameters: str = "") -> dict[str, Any]:
        """One baresip command; returns its reply."""
        self.sent += 1
        token = str(self.sent)
        body = json.dumps({"command": command, "params": parameters, "token": token}).encode()
        self.writer.write(b"%d:%s," % (len(body), body))
        await self.writer.drain()
        return await eventually(f"baresip answers {command}", lambda: self.replies.pop(token, None))

    async def dial(self, uri: str) -> None:
        """Calls and waits until the call is up."""
        reply = await self.command("dial", uri)
        assert reply["ok"], reply
        await self.happens("CALL_ESTABLISHED")

    async def happens(self, kind: str, *, times: int = 1, timeout_s: float = 10.0) -> dict[str, Any]:
        """Waits until an event of this kind came (for the n-th time) and returns it."""

        def look() -> dict[str, Any] | None:
            found = [event for event in self.events if event["type"] == kind]
            return found[times - 1] if len(found) >= times else None

        return await eventually(f"baresip says {kind}", look, timeout_s)

    async def hang_up(self) -> None:
        await self.command("hangup")
        await self.happens("CALL_CLOSED")

    async def press(self, digit: str) -> None:
        """Sends a digit by RFC 4733, pressed and let go."""
        await self.command("sndcode", digit)

    def heard(self) -> Samples:
        """Everything received so far, up to the first re-INVITE: there baresip 1.0.0 loses its recorder.

        After one, look at `bitrates_bps`, and at what the other parties hear.
        """
        recordings = sorted((self.directory / "recordings").glob("dump-*-dec.wav"))
        parts = [read_sound(path)[0] for path in recordings]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def bitrates_bps(self) -> tuple[int, int]:
        """Sent and received payload bits a second, as baresip measured them over its last three seconds."""
        shown = re.findall(r"audio=(\d+)/(\d+) \(bit/s\)", self.log())
        return (int(shown[-1][0]), int(shown[-1][1])) if shown else (0, 0)

    def video_rates(self) -> tuple[float, float]:
        """Pictures a second, sent and decoded, as baresip measured them last."""
        shown = re.findall(r"efps=([\d.]+)/([\d.]+)", self.log())
        return (float(shown[-1][0]), float(shown[-1][1])) if shown else (0.0, 0.0)

    async def sees(self) -> Reading | None:
        """What the picture it decoded last says about itself."""
        path = self.directory / f"seen-{self.sent}.png"
        await self.command("snapshot_recv", str(path))
        with contextlib.suppress(av.FFmpegError, FileNotFoundError), av.open(str(path)) as container:
            for frame in container.decode(video=0):
                return read_frame(frame.reformat(format="yuv420p"))
        return None

    def directions_offered(self) -> list[str]:
        """What each re-INVITE to this phone said, in order."""
        offers = [
            text for text in self._messages(f"-> 127.0.0.1:{self.sip_port}") if text.startswith("INVITE ")
        ]
        once = dict.fromkeys(
            (re.findall(r"^CSeq: (\d+)", text, re.M)[0], _direction(text)) for text in offers
        )
        return [direction for _, direction in once]

    def video_offered(self) -> list[bool]:
        """Whether each re-INVITE to this phone had video, in order."""
        way = f"-> 127.0.0.1:{self.sip_port}"
        offers = [text for text in self._messages(way) if text.startswith("INVITE ")]
        once = {
            re.findall(r"^CSeq: (\d+)", text, re.M)[0]: re.search(r"^m=video [1-9]", text, re.M)
            for text in offers
        }
        return [found is not None for found in once.values()]

    def directions_answered(self) -> list[str]:
        """What this phone answered to re-INVITEs."""
        answers = self._messages(f":{self.sip_port} ->")
        return [
            _direction(text) for text in answers if text.startswith("SIP/2.0 200") and "\nm=audio" in text
        ]

    def _messages(self, way: str) -> list[str]:
        """From the SIP trace: those whose line of addresses has `way`."""
        parts = re.findall(r"^(?:UDP|TCP) (.*?)\n(.*?)^\x1b\[;m", self.log().replace("\r", ""), re.M | re.S)
        return [text for addresses, text in parts if way in addresses]

    def log(self) -> str:
        return (self.directory / "baresip.log").read_text(errors="replace")


async def _write_video(directory: Path, video: PhoneVideo, sip_port: int) -> str:
    """The part of the configuration that makes it a video phone. Its camera film is 20 s, then it begins again."""
    bridge = f"vidbridge,mirror{sip_port}"
    settings = {
        "video_source": bridge,
        "video_display": bridge if video.mirror else "fakevideo,nil",
        "camera_module": "vidbridge",
        "screen_module": "vidbridge" if video.mirror else "fakevideo",
        "frames_per_second": CAMERA_FRAMES_PER_SECOND,
    }
    if not video.mirror:
        film = directory / "camera.y4m"
        readings = [Reading(video.picture_id, counter) for counter in range(CAMERA_FRAMES)]
        await asyncio.to_thread(write_y4m, film, CAMERA_SIZE, CAMERA_FRAMES_PER_SECOND, readings)
        settings |= {"video_source": f"avformat,{film}", "camera_module": "avformat"}
    return VIDEO_CONFIG.format(**settings)


def _direction(text: str) -> str:
    """Of a SIP message with one description."""
    found = re.findall(r"^a=(sendrecv|sendonly|recvonly|inactive)$", text, re.M)
    return found[-1] if found else "sendrecv"


def _write_files(
    directory: Path, codec: PhoneCodec, tone_hz: float, account: str, ports: tuple[int, int]
) -> None:
    (directory / "recordings").mkdir(parents=True)
    sip_port, control_port = ports
    rtp_min = free_media_ports(20)
    settings = {
        "sip_port": sip_port,
        "control_port": control_port,
        "rtp_min": rtp_min,
        "rtp_max": rtp_min + 19,
        "tone": write_tone(directory / "tone.wav", (tone_hz,), codec.rate_hz, LONGEST_CALL_S),
        "modules": MODULES,
        "codec_module": codec.module,
        "recordings": directory / "recordings",
    }
    (directory / "config").write_text(CONFIG.format(**settings))
    (directory / "accounts").write_text(account)
    (directory / "contacts").write_text("")


@contextlib.asynccontextmanager
async def baresip(
    directory: Path,
    tone_hz: float,
    codec: str = "PCMU",
    transport: str = "udp",
    name: str = "bob",
    video: PhoneVideo | None = None,
    *,
    tls: PhoneTls | None = None,
    media_encryption: str = "",
    answers: bool = True,
    auth: str = "",
) -> AsyncIterator[Baresip]:
    """A phone that answers by itself (or only when told to), ready to be driven; its files lie in `directory`."""
    sip_port, control_port = free_port(), free_port()
    chosen = CODECS[codec]
    account = (
        f"<sip:{name}@127.0.0.1:{sip_port + (transport == 'tls')};transport={transport}>"
        f";regint=0;answermode={'auto' if answers else 'manual'};audio_codecs={chosen.account}"
        f"{media_encryption and ';mediaenc=' + media_encryption}{auth and ';' + auth}"
    )
    if video is not None and video.codecs:
        account += f";video_codecs={video.codecs}"
    _write_files(directory, chosen, tone_hz, account + "\n", (sip_port, control_port))
    if video is not None:
        added = await _write_video(directory, video, sip_port)
        with (directory / "config").open("a") as config:
            config.write(added)
    if tls is not None:
        with (directory / "config").open("a") as config:
            config.write(TLS_CONFIG.format(certificate=tls.certificate, authority=tls.authority))
    arguments = [program("baresip"), "-f", str(directory), "-v", "-s"]
    async with running(arguments, directory / "baresip.log") as process:
        reader, writer = await _connect(control_port, process)
        phone = Baresip(directory, sip_port, chosen.rate_hz, writer, process)
        try:
            async with beside(_listen(reader, phone)):
                yield phone
        finally:
            writer.close()


async def _connect(
    port: int, process: asyncio.subprocess.Process
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(100):
        assert process.returncode is None, "baresip ended at once; see its log"
        with contextlib.suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
    raise AssertionError("baresip does not listen on its control port")


async def _listen(reader: asyncio.StreamReader, phone: Baresip) -> None:
    """Netstrings of JSON: replies have a token, events a type."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            length = int((await reader.readuntil(b":"))[:-1])
            message = json.loads((await reader.readexactly(length + 1))[:-1])
            if message.get("event"):
                phone.events.append(message)
            else:
                phone.replies[message.get("token", "")] = message
