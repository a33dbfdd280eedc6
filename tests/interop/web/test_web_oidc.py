"""Signing in at an issuer: against one on loopback that checks PKCE, and lies in each way it can."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from bridge.settings.user import User
from bridge.settings.web import SignIn
from bridge.switchboard.door.principal import EVERY_SCOPE
from signaling.web.access.oidc import PENDING_MAX
from tests.interop.web.front_desk import ISSUER_SECRET, REPLY_S, FrontDesk, front_desk, token
from tests.interop.web.issuer_stub import CLIENT_ID, Claims, IssuerStub, issuer_stub

SIGN_IN = "/api/v2/sign-in"
USERS = (
    User(id="eve", name="Eve", roles=("sme",), external_ids=("00uE",), email="eve@example.org"),
    User(id="alice", email="alice@example.org"),
)


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[IssuerStub]:
    async with issuer_stub() as found:
        yield found


def settings(issuer: IssuerStub, **more: Any) -> SignIn:
    return SignIn.model_validate({"issuer": issuer.stub.url, "client_id": CLIENT_ID, **more})


@pytest_asyncio.fixture
async def desk(issuer: IssuerStub) -> AsyncIterator[FrontDesk]:
    async with front_desk(users=USERS, sign_in=settings(issuer)) as found:
        yield found


@pytest_asyncio.fixture
async def person(desk: FrontDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=desk.url, trust_env=False, timeout=REPLY_S) as client:
        yield client


async def begin(person: httpx.AsyncClient) -> dict[str, str]:
    answer = await person.post(f"{SIGN_IN}/issuer")
    assert answer.status_code == 200, answer.text
    begun: dict[str, str] = answer.json()
    return begun


async def come_back(person: httpx.AsyncClient, issuer: IssuerStub, **more: str) -> httpx.Response:
    code, state = issuer.authorize((await begin(person))["authorizationUrl"])
    return await person.post(f"{SIGN_IN}/issuer/return", json={"code": code, "state": state, **more})


async def test_who_signs_in_there_is_signed_in_here(
    desk: FrontDesk, issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    answer = await come_back(person, issuer, iss=issuer.stub.url)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["userId"], answer.json()["name"]) == ("eve", "Eve")
    assert issuer.begun["redirect_uri"] == f"{desk.url}/"
    assert set(issuer.begun["scope"].split()) == {"openid", "email", "profile"}
    assert issuer.secrets == [f"{CLIENT_ID}:{ISSUER_SECRET}"]
    async with desk.crm(answer.json()["accessToken"]) as rest:
        assert (await rest.get("/api/v2/users")).status_code == 200
    renewed = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": answer.json()["refreshToken"]})
    assert renewed.status_code == 200


async def test_a_code_and_a_state_serve_once(issuer: IssuerStub, person: httpx.AsyncClient) -> None:
    code, state = issuer.authorize((await begin(person))["authorizationUrl"])
    both = {"code": code, "state": state}
    assert (await person.post(f"{SIGN_IN}/issuer/return", json=both)).status_code == 200
    assert (await person.post(f"{SIGN_IN}/issuer/return", json=both)).status_code == 401


async def test_a_code_from_another_sign_in_is_worth_nothing(
    issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    """Its verifier is another: that is what PKCE is for."""
    mine = await begin(person)
    stolen, _ = issuer.authorize((await begin(person))["authorizationUrl"])
    answer = await person.post(f"{SIGN_IN}/issuer/return", json={"code": stolen, "state": mine["state"]})
    assert (answer.status_code, "begin again" in answer.json()["reason"]) == (401, True)


async def test_an_invented_state_is_refused_before_the_issuer_is_asked(
    issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    answer = await person.post(f"{SIGN_IN}/issuer/return", json={"code": "x", "state": "y"})
    assert answer.status_code == 401
    assert issuer.stub.received == []


async def test_the_redirect_of_another_issuer_is_refused(
    issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    answer = await come_back(person, issuer, iss="https://other.example")
    assert answer.status_code == 401
    assert not any(request.path == "/token" for request in issuer.stub.received)


def _signed_with_the_public_key(issuer: IssuerStub) -> Callable[[Claims], str]:
    """The classic: the key that everybody has, taken for a shared secret."""
    form, encoding = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM
    pem = issuer.key.public_key().public_bytes(encoding, form)
    header = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": "one"}).encode())

    def forge(claims: Claims) -> str:
        signed = header + b"." + jwt.utils.base64url_encode(json.dumps(claims).encode())
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed, pem)
        return (signed + b"." + jwt.utils.base64url_encode(signature)).decode()

    return forge


LIES: dict[str, Callable[[Claims], Claims]] = {
    "another issuer": lambda claims: claims | {"iss": "https://other.example"},
    "another audience": lambda claims: claims | {"aud": "somebody else"},
    "several audiences without azp": lambda claims: claims | {"aud": [CLIENT_ID, "somebody else"]},
    "made for another client": lambda claims: claims | {"azp": "somebody else"},
    "over": lambda claims: claims | {"exp": claims["iat"] - 60},
    "not yet": lambda claims: claims | {"nbf": claims["iat"] + 600},
    "no end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "no subject": lambda claims: {name: value for name, value in claims.items() if name != "sub"},
    "another nonce": lambda claims: claims | {"nonce": "of another sign-in"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "an odd nonce": lambda claims: claims | {"nonce": ["x"]},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    issuer: IssuerStub, person: httpx.AsyncClient, lie: str
) -> None:
    issuer.lie = LIES[lie]
    answer = await come_back(person, issuer)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text
    issuer.lie = lambda claims: claims
    assert (await come_back(person, issuer)).status_code == 200


async def test_a_token_by_no_key_of_the_issuer_lets_nobody_in(
    issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    for forge in (
        _signed_with_the_public_key(issuer),
        lambda claims: jwt.encode(claims, "", "none"),
        lambda claims: jwt.encode(claims, "x" * 32, "HS256", {"kid": "one"}),
        lambda _claims: "no token",
        lambda claims: jwt.encode(claims, issuer.key, "RS256", {"kid": "two"}),
        lambda claims: jwt.encode(claims, issuer.key, "RS256", {"kid": "one"})[:-8] + "AAAAAAAA",
    ):
        issuer.forge = forge
        answer = await come_back(person, issuer)
        assert answer.status_code == 401, answer.text


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://other.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
)
async def test_metadata_that_cannot_be_trusted_begin_nothing(
    issuer: IssuerStub, person: httpx.AsyncClient, metadata: Claims
) -> None:
    issuer.metadata = metadata
    answer = await person.post(f"{SIGN_IN}/issuer")
    assert (answer.status_code, answer.json()["code"]) == (502, "issuer_failed")
    issuer.metadata = {}
    assert (await come_back(person, issuer)).status_code == 200


async def test_an_issuer_that_fails_is_told_from_a_person_who_may_not(
    issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    issuer.status = 500
    answer = await come_back(person, issuer)
    assert (answer.status_code, answer.json()["code"]) == (502, "issuer_failed")
    issuer.status, issuer.claims = 200, {"sub": "nobody here"}
    answer = await come_back(person, issuer)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_disabled_user_does_not_get_in_by_the_issuer(
    desk: FrontDesk, issuer: IssuerStub, person: httpx.AsyncClient
) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        assert (await admin.post("/api/v2/accounts/eve/disable")).status_code == 200
    answer = await come_back(person, issuer)
    assert (answer.status_code, answer.json()["reason"]) == (403, "the account is disabled")


async def test_an_address_counts_only_if_the_issuer_has_verified_it(issuer: IssuerStub) -> None:
    wish = settings(issuer, user_claim="email", issuer_name="Example")
    async with (
        front_desk(users=USERS, sign_in=wish) as desk,
        httpx.AsyncClient(base_url=desk.url, trust_env=False, timeout=REPLY_S) as person,
    ):
        assert (await person.get(SIGN_IN)).json()["issuer"] == "Example"
        issuer.claims = {"email": "Alice@Example.org", "email_verified": True}
        assert (await come_back(person, issuer)).json()["userId"] == "alice"
        for unsure in (False, "true", None):
            issuer.claims = {"email": "alice@example.org", "email_verified": unsure}
            assert (await come_back(person, issuer)).status_code == 403
        issuer.claims = {"email": "eve", "email_verified": True}  # an id is no address
        assert (await come_back(person, issuer)).status_code == 403


async def test_a_public_client_and_one_whose_secret_goes_into_the_body(issuer: IssuerStub) -> None:
    issuer.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    async with (
        front_desk(users=USERS, sign_in=settings(issuer)) as desk,
        httpx.AsyncClient(base_url=desk.url, trust_env=False, timeout=REPLY_S) as person,
    ):
        assert (await come_back(person, issuer)).status_code == 200
        assert issuer.secrets == [ISSUER_SECRET]


async def test_beginnings_are_bounded(desk: FrontDesk, person: httpx.AsyncClient) -> None:
    codes = [(await person.post(f"{SIGN_IN}/issuer")).status_code for _ in range(30)]
    assert codes[0] == 200
    assert codes[-1] == 429
    sign_in = desk.parts.sign_in
    assert sign_in is not None
    assert sign_in.issuer is not None
    for _ in range(PENDING_MAX + 3):
        await sign_in.issuer.begin()
    assert sign_in.issuer.displaced >= 3


async def test_without_an_issuer_there_is_nothing_to_begin() -> None:
    async with (
        front_desk(users=USERS) as desk,
        httpx.AsyncClient(base_url=desk.url, trust_env=False, timeout=REPLY_S) as person,
    ):
        assert (await person.get(SIGN_IN)).json()["issuer"] is None
        assert (await person.post(f"{SIGN_IN}/issuer")).status_code == 404
        answer = await person.post(f"{SIGN_IN}/issuer/return", json={"code": "x", "state": "y"})
        assert answer.status_code == 404
