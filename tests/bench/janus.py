"""Janus beside us: its process with a configuration of its own, and its API over a Unix socket.

Debian's package as it is, on loopback. Where it is not installed the benches go on without it and say so.
"""

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "Janus 1.1.2"
MISSING = "Janus is not installed (make bench-peers): no figures beside it"
PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")
START_S = 10.0
ANSWER_S = 10.0
LARGEST_MESSAGE = 1 << 18

STARTS = 5

Answer = dict[str, Any]
Process = subprocess.Popen[bytes]


def is_installed() -> bool:
    return shutil.which("janus") is not None


class JanusError(Exception):
    """Janus refused a request, or did not come up."""


class Handle:
    """One plugin handle: a participant, a publisher or a subscriber."""

    def __init__(self, api: "JanusApi", number: int) -> None:
        self._api = api
        self._number = number

    def ask(self, body: Answer, offer: tuple[str, str] | None = None) -> tuple[Answer, str]:
        """A request to the plugin: what it answers, and the SDP that came along."""
        message: Answer = {"janus": "message", "handle_id": self._number, "body": body}
        if offer is not None:
            message["jsep"] = {"type": offer[0], "sdp": offer[1]}
        answer = self._api.exchange(message)
        data = answer.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise JanusError(f"{body['request']}: {data['error']}")
        return data, answer.get("jsep", {}).get("sdp", "")


class JanusApi:
    """One session; a request at a time."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(ANSWER_S)
        self._socket.connect(str(path))
        self._session: int | None = None
        self._session = self.exchange({"janus": "create"})["data"]["id"]

    def attach(self, plugin: str) -> Handle:
        answer = self.exchange({"janus": "attach", "plugin": f"janus.plugin.{plugin}"})
        return Handle(self, answer["data"]["id"])

    def exchange(self, message: Answer) -> Answer:
        """The final answer: what is only an acknowledgement, and events of others, are passed over."""
        transaction = secrets.token_hex(6)
        message = message | {"transaction": transaction}
        if self._session is not None:
            message["session_id"] = self._session
        self._socket.send(json.dumps(message).encode())
        while True:
            answer: Answer = json.loads(self._socket.recv(LARGEST_MESSAGE))
            if answer.get("transaction") != transaction or answer["janus"] == "ack":
                continue
            if answer["janus"] == "error":
                raise JanusError(f"{message['janus']}: {answer['error']}")
            return answer

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def running_janus() -> Iterator[tuple[JanusApi, int]]:
    """The API and the process id, while the block runs."""
    with tempfile.TemporaryDirectory(prefix="janus") as name:
        folder = Path(name)
        _configure(folder)
        process, api = _started(folder)
        try:
            yield api, process.pid
        finally:
            api.close()
            _end(process)


def _started(folder: Path) -> tuple[Process, JanusApi]:
    """On a busy machine the thread of its Unix socket may find it "not initialized" and end: then once more."""
    command = ["janus", "--configs-folder", str(folder), "--disable-colors"]
    for _ in range(STARTS):
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        api = _connected(folder / "api", process)
        if api is not None:
            return process, api
        _end(process)
    raise JanusError((folder / "log").read_text(errors="replace")[-2000:])


def _end(process: Process) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _configure(folder: Path) -> None:
    wanted = "libjanus_audiobridge.so libjanus_videoroom.so libjanus_pfunix.so"
    others = [
        file.name
        for kind in ("plugins", "transports")
        for file in (PLUGINS / kind).glob("*.so")
        if file.name not in wanted
    ]
    plugins = ",".join(name for name in others if (PLUGINS / "plugins" / name).exists())
    transports = ",".join(name for name in others if (PLUGINS / "transports" / name).exists())
    (folder / "janus.jcfg").write_text(
        f"""general: {{
    configs_folder = "{folder}"
    plugins_folder = "{PLUGINS / "plugins"}"
    transports_folder = "{PLUGINS / "transports"}"
    debug_level = 4
    session_timeout = 0
}}
media: {{ rtp_port_range = "30000-34000" }}
nat: {{ ice_lite = true
    ice_enforce_list = "127.0.0.1" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
    )
    (folder / "janus.transport.pfunix.jcfg").write_text(
        f'general: {{ enabled = true\n json = "compact"\n path = "{folder / "api"}"\n type = "SOCK_SEQPACKET" }}\n'
    )
    (folder / "janus.plugin.audiobridge.jcfg").write_text(
        'general: { rtp_port_range = "34002-39000"\n local_ip = "127.0.0.1" }\n'
    )
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")


def _connected(path: Path, process: Process) -> JanusApi | None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            return JanusApi(path)
        time.sleep(0.05)
    return None
