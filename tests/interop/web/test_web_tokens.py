"""Tokens: machines get theirs here, and a foreign issuer's are checked by its keys."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bridge.clock import SystemClock
from bridge.settings.web import Issuer
from signaling.web.access.issuer import ForeignIssuer
from tests.interop.web.front_desk import CRM_SECRET, FrontDesk, front_desk
from tests.interop.web.http_stub import HttpStub, Received, http_stub
from tests.unit.switchboard.theatre import EVE

GRANT = {"grant_type": "client_credentials"}
CRM = {"client_id": "crm", "client_secret": CRM_SECRET}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


async def test_a_machine_gets_a_token_and_adds_an_expert_with_it(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    await desk.stage.board.users.set_presence(EVE, "ready", "sme")
    async with desk.crm() as stranger:
        del stranger.headers["Authorization"]
        scope = "interaction:write routing:write"
        answer = await stranger.post("/oauth/token", data={**GRANT, **CRM, "scope": scope})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        said = answer.json()
        assert (said["token_type"], said["expires_in"]) == ("Bearer", 3600)
        assert set(scope.split()) <= set(said["scope"].split())
        assert "interaction:read" not in said["scope"]
    async with desk.crm(said["access_token"]) as crm:
        wish = {"participantId": "eve", "type": "video", "role": "agent", "state": "not-in-queue"}
        added = await crm.post(f"/api/v2/interactions/{interaction_id}/participants", json=wish)
        assert added.status_code == 201, added.text
    async with desk.crm() as basic:
        named = base64.b64encode(f"crm:{CRM_SECRET}".encode()).decode()
        answer = await basic.post("/oauth/token", data=GRANT, headers={"Authorization": f"Basic {named}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({**GRANT, **CRM, "client_secret": "wrong"}, 401, "invalid_client"),
        ({**GRANT, **CRM, "client_id": "nobody"}, 401, "invalid_client"),
        (GRANT, 401, "invalid_client"),
        ({**CRM, "grant_type": "password"}, 400, "unsupported_grant_type"),
        ({**GRANT, **CRM, "scope": "metrics:read"}, 400, "invalid_scope"),
        ({**GRANT, **CRM, "scope": "x" * 20_000}, 413, "invalid_request"),
    ],
)
async def test_who_gets_no_token(desk: FrontDesk, form: dict[str, str], status: int, error: str) -> None:
    async with desk.crm() as stranger:
        answer = await stranger.post("/oauth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.json()["code"] == error
        assert answer.json()["reason"] == answer.json()["error_description"]
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Basic")


async def test_secrets_are_not_guessed_at_speed(desk: FrontDesk) -> None:
    async with desk.crm() as stranger:
        form = {**GRANT, "client_id": "wallboard", "client_secret": ""}
        codes = [
            (await stranger.post("/oauth/token", data={**form, "client_secret": "x"})) for _ in range(24)
        ]
        assert [answer.status_code for answer in codes][-1] == 429
        assert codes[-1].headers["retry-after"]


# --- a foreign issuer -------------------------------------------------------------------------------------


class SmallIssuer:
    """Signs tokens and shows its public keys; `rotate` takes a new one."""

    name = "https://login.example"

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.rotate("one", rsa.generate_private_key(65537, 2048))

    def rotate(self, key_id: str, key: Any) -> None:
        self.keys = {key_id: key}

    def answer(self, _request: Received) -> tuple[int, bytes]:
        shown = []
        for key_id, key in self.keys.items():
            algorithm: Any = jwt.algorithms.ECAlgorithm if _is_ec(key) else jwt.algorithms.RSAAlgorithm
            jwk = json.loads(algorithm.to_jwk(key.public_key()))
            shown.append({**jwk, "kid": key_id, "use": "sig"})
        return 200, json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "x"}, *shown]}).encode()

    def token(self, key_id: str = "", **changes: Any) -> str:
        key_id = key_id or next(iter(self.keys))
        now = SystemClock().wall()
        claims = {
            "iss": self.name,
            "aud": "warmbridge",
            "sub": "alice",
            "exp": int(now + 600),
            "scp": ["interaction:read", "routing:write", "metrics:read"],
            **changes,
        }
        key = self.keys[key_id]
        return jwt.encode(claims, key, "ES256" if _is_ec(key) else "RS256", headers={"kid": key_id})


def _is_ec(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey)


@pytest_asyncio.fixture
async def abroad() -> AsyncIterator[tuple[SmallIssuer, HttpStub, FrontDesk]]:
    issuer = SmallIssuer()
    async with http_stub(issuer.answer) as stub:
        settings = Issuer(
            name=issuer.name,
            jwks_url=f"{stub.url}/jwks",
            scopes=("interaction:read", "routing:write"),
        )
        async with front_desk(foreign=ForeignIssuer(settings, SystemClock())) as desk:
            yield issuer, stub, desk


async def test_a_foreign_token_opens_rest_and_websocket(
    abroad: tuple[SmallIssuer, HttpStub, FrontDesk],
) -> None:
    issuer, stub, desk = abroad
    async with desk.stranger() as alice:
        reply = await alice.say("authenticate", token=issuer.token())
        assert reply["ok"], reply
        assert reply["result"]["scopes"] == ["interaction:read", "routing:write"], "no more than the settings"
    async with desk.stranger(Authorization=f"Bearer {issuer.token()}") as alice:
        assert (await alice.event("authenticated"))["identity"]["userId"] == "alice"
    async with desk.crm(issuer.token()) as crm:
        assert (await crm.get("/api/v2/users")).status_code == 200
    assert len(stub.received) == 1, "the keys are kept"
    async with desk.desktop("bob") as bob:
        assert (await bob.say("ping"))["ok"], "our own tokens are as good as ever"


async def test_what_a_foreign_token_must_not_be(abroad: tuple[SmallIssuer, HttpStub, FrontDesk]) -> None:
    issuer, stub, desk = abroad
    public = issuer.keys["one"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": issuer.name, "aud": "warmbridge", "sub": "mallory", "exp": 2**31}
    # The old trick: the public key, which everybody has, as the secret of an HMAC.
    confused = _hmac_token({"alg": "HS256", "kid": "one"}, claims, pem)
    unsigned = jwt.encode(claims, "", "none")
    stranger = SmallIssuer()
    wrong = (
        confused,
        unsigned,
        stranger.token(),
        issuer.token(aud="another"),
        issuer.token(iss="https://evil.example"),
        issuer.token(exp=1),
    )
    for token in wrong:
        async with desk.crm(token) as crm:
            assert (await crm.get("/api/v2/users")).status_code == 401
    for number in range(20):
        async with desk.crm(issuer.token(**{}).replace(".", f".{number}", 1)) as crm:
            assert (await crm.get("/api/v2/users")).status_code == 401
    invented = SmallIssuer()
    invented.rotate("invented", rsa.generate_private_key(65537, 2048))
    for _ in range(10):
        async with desk.crm(invented.token()) as crm:
            assert (await crm.get("/api/v2/users")).status_code == 401
    assert len(stub.received) <= 2, "an invented key is no reason to ask again and again"


def _hmac_token(header: dict[str, str], claims: dict[str, Any], key: bytes) -> str:
    import hashlib
    import hmac

    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signed = b".".join(parts)
    made = base64.urlsafe_b64encode(hmac.new(key, signed, hashlib.sha256).digest()).rstrip(b"=")
    return (signed + b"." + made).decode()
