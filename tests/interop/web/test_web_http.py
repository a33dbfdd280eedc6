"""Health, metrics, the page and TLS over real uvicorn."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bridge.errors import SettingsError
from bridge.settings.web import Http
from signaling.web.app import WebDoor
from tests.certificates import Authority
from tests.interop.web.front_desk import REPLY_S, FrontDesk, front_desk, token


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


async def get(desk: FrontDesk, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=desk.tls or False, trust_env=False, timeout=REPLY_S) as client:
        return await client.get(desk.url + path, headers=headers)


async def test_healthy_is_not_yet_ready(desk: FrontDesk) -> None:
    assert (await get(desk, "/healthz")).json() == {"status": "ok"}
    assert (await get(desk, "/readyz")).json() == {"status": "ready"}
    desk.not_ready.append("the media worker starts")
    response = await get(desk, "/readyz")
    assert response.status_code == 503
    assert response.json()["detail"] == "the media worker starts"
    assert (await get(desk, "/healthz")).status_code == 200


async def test_metrics_are_for_this_machine_or_a_token(desk: FrontDesk) -> None:
    async with desk.desktop("alice") as alice:
        await alice.say("listUsers")
        text = (await get(desk, "/metrics")).text
    assert "warmbridge_web_connections 1.0" in text
    assert 'warmbridge_web_commands_total{command="listUsers",outcome="ok"} 1.0' in text
    proxied = {"X-Forwarded-For": "192.0.2.7"}
    assert (await get(desk, "/metrics", **proxied)).status_code == 401
    refused = await get(
        desk, "/metrics", **proxied, Authorization=f"Bearer {token('alice', 'interaction:read')}"
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    allowed = await get(desk, "/metrics", **proxied, Authorization=f"Bearer {token('alice', 'metrics:read')}")
    assert allowed.status_code == 200


async def test_errors_are_problem_documents(desk: FrontDesk) -> None:
    response = await get(desk, "/api/none")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"
    assert response.json()["status"] == response.status_code == 404


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/main.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
async def test_the_page_comes_with_headers_that_keep_it_to_itself(
    desk: FrontDesk, path: str, kind: str
) -> None:
    response = await get(desk, path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


async def test_nothing_outside_the_page_is_served(desk: FrontDesk) -> None:
    for path in ("/%2e%2e/PROTOCOL.md", "/..%2fweb/auth.py", "//etc/passwd", "/docs"):
        assert (await get(desk, path)).status_code == 404


async def test_https_and_wss_with_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.vouch("127.0.0.1")
    async with front_desk({"certificate": str(issued.certificate), "private_key": str(issued.key)}) as desk:
        desk.tls = ssl.create_default_context(cafile=str(authority.file))
        response = await get(desk, "/healthz")
        assert response.headers["strict-transport-security"]
        async with desk.desktop("alice") as alice:
            assert (await alice.say("ping"))["ok"]


async def test_a_wrong_certificate_or_a_taken_port_stops_the_start(desk: FrontDesk, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = str(tmp_path / "bad.pem")
    with pytest.raises(SettingsError, match="certificate"):
        WebDoor(Http(port=0, certificate=bad, private_key=bad), desk.parts).bind()
    with pytest.raises(SettingsError, match=str(desk.port)):
        WebDoor(Http(port=desk.port), desk.parts).bind()
