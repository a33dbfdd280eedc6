"""The README's first steps: `warmbridge serve --try`, and the printed password lets an agent in."""

import re
import sys
from pathlib import Path

import httpx

from bridge.peers.browser.signaling_client import REPLY_S
from tests.interop.programs import eventually, running
from tests.interop.test_trace import output_of

# "first_call.log" holds what the terminal shows: the password, and then the log.
OPTIONS = ("http.port=0", "sip.port=0", "webrtc.port=0", "log.format=json")


async def test_the_password_it_prints_signs_in_and_stands_in_no_log_line(tmp_path: Path) -> None:
    log = tmp_path / "first_call.log"
    settings = [part for option in OPTIONS for part in ("--set", option)]
    journal = ("--set", f"journal.url=sqlite+aiosqlite:///{tmp_path / 'journal.db'}")
    command = (sys.executable, "-m", "bridge", "serve", "--try", *settings, *journal)

    def shown(pattern: str) -> str | None:
        match = re.search(pattern, log.read_text(encoding="utf-8"))
        return match.group(1) if match else None

    async with running(command, log):
        password = await eventually(
            "the password is printed", lambda: shown(r"password of both: (\S+)"), 20.0
        )
        url = await eventually("it serves", lambda: shown(r'"desktop": ?"(http[^"]+)"'), 20.0)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=REPLY_S) as person:
            for user, scopes in (("alice", "routing:write"), ("bob", "telephony:video:use")):
                answer = await person.post("/api/v2/sign-in", json={"user": user, "password": password})
                assert answer.status_code == 200, answer.text
                assert scopes in answer.json()["scopes"]
            refused = await person.post("/api/v2/sign-in", json={"user": "bob", "password": "another one"})
            assert refused.status_code == 401
        key = shown(r"warmbridge trace .*auth\.secret_file=(\S+) INTERACTION")
        assert key is not None
        arguments = ("--url", url.rstrip("/"), "--set", f"auth.secret_file={key}", "int_0")
        status, said = await output_of(sys.executable, "-m", "bridge", "trace", *arguments)
        assert (status, "no interaction int_0" in said) == (2, True), said
        assert mode_of(key) == 0o600
    assert mode_of(key) is None
    assert log.read_text(encoding="utf-8").count(password) == 1


def mode_of(path: str) -> int | None:
    """Who may do what with a file; None if it is gone."""
    try:
        return Path(path).stat().st_mode & 0o777
    except FileNotFoundError:
        return None
