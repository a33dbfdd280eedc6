"""Health, metrics, the page and TLS over real uvicorn."""

import datetime
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.errors import SettingsError
from bridge.settings.web import Http
from signaling.web.app import WebDoor
from tests.interop.web.front_desk import FrontDesk, front_desk, token


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


async def get(desk: FrontDesk, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=desk.tls or False, trust_env=False) as client:
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


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return directory / "cert.pem", directory / "key.pem"


async def test_https_and_wss_with_a_certificate(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    async with front_desk({"certificate": str(chain), "private_key": str(key)}) as desk:
        desk.tls = ssl.create_default_context(cafile=str(chain))
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
