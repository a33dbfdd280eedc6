"""Signing in by password over HTTP: who is let in, for how long, and what a guesser learns."""

import json
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest
import pytest_asyncio

from bridge.clock import SystemClock
from bridge.settings.user import User
from bridge.settings.web import SignIn
from bridge.switchboard.door.principal import EVERY_SCOPE
from signaling.web.access.auth import Signer
from signaling.web.access.secret import hash_secret
from signaling.web.access.throttle import FREE
from tests.interop.web.front_desk import REPLY_S, SECRET, FrontDesk, front_desk, token

SIGN_IN = "/api/v2/sign-in"
PASSWORD = "correct horse battery"
USERS = (
    User(id="alice", name="Alice Example", password_hash=hash_secret(PASSWORD), email="alice@example.org"),
    User(id="eve", roles=("sme",), video=False, password_hash=hash_secret("another horse battery")),
    User(id="issued"),  # signs in by an issuer only
)


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk(users=USERS) as found:
        yield found


@pytest_asyncio.fixture
async def person(desk: FrontDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=desk.url, trust_env=False, timeout=REPLY_S) as client:
        yield client


async def sign_in(person: httpx.AsyncClient, user: str, password: str) -> httpx.Response:
    return await person.post(SIGN_IN, json={"user": user, "password": password})


@pytest.mark.parametrize("name", ["alice", "Alice@Example.org"])
async def test_the_token_of_a_password_opens_api_and_websocket(
    desk: FrontDesk, person: httpx.AsyncClient, name: str
) -> None:
    answer = await sign_in(person, name, PASSWORD)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    granted = answer.json()
    assert (granted["userId"], granted["name"], granted["expiresIn"]) == ("alice", "Alice Example", 900)
    async with desk.crm(granted["accessToken"]) as rest:
        assert (await rest.get("/api/v2/users")).status_code == 200
    async with desk.stranger() as desktop:
        identity = (await desktop.say("authenticate", token=granted["accessToken"]))["result"]
        assert identity["scopes"] == granted["scopes"]
        assert (await desktop.say("setPresence", presence="ready", role="agent"))["ok"]
        wrong_role = await desktop.say("setPresence", presence="ready", role="sme")
        assert wrong_role["error"]["code"] == "not_allowed"


async def test_rights_are_those_of_the_account(person: httpx.AsyncClient) -> None:
    granted = (await sign_in(person, "eve", "another horse battery")).json()
    assert "telephony:video:use" not in granted["scopes"]
    assert "user:write" not in granted["scopes"]


async def test_a_wrong_password_an_unknown_user_and_one_without_are_one_answer(
    person: httpx.AsyncClient,
) -> None:
    answers = [
        await sign_in(person, "alice", "wrong horse battery"),
        await sign_in(person, "nobody", PASSWORD),
        await sign_in(person, "issued", PASSWORD),
        await sign_in(person, "issued", "nobody"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


async def test_a_guesser_waits_and_learns_nothing_by_it(person: httpx.AsyncClient) -> None:
    for user in ("alice", "nobody"):
        for _ in range(FREE):
            assert (await sign_in(person, user, "wrong horse battery")).status_code == 401
        told = await sign_in(person, user, PASSWORD)
        assert (told.status_code, told.json()["code"]) == (429, "too_many_tries")
        assert 1 <= int(told.headers["retry-after"]) <= 30
    assert (await sign_in(person, "eve", "another horse battery")).status_code == 200


async def test_renewing_needs_no_password_and_takes_the_rights_of_now(
    desk: FrontDesk, person: httpx.AsyncClient
) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        await admin.post("/api/v2/accounts", json={"userId": "ann", "name": "Ann"})
        await admin.put("/api/v2/accounts/ann/password", json={"password": PASSWORD})
        granted = (await sign_in(person, "ann", PASSWORD)).json()
        await admin.patch("/api/v2/accounts/ann", json={"roles": ["supervisor"], "name": "Ann Other"})
        renewed = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": granted["refreshToken"]})
        assert renewed.status_code == 200, renewed.text
        assert "interaction:supervise" in renewed.json()["scopes"]
        assert renewed.json()["name"] == "Ann Other"
        assert renewed.json()["refreshExpiresIn"] <= granted["refreshExpiresIn"]


async def test_a_session_ends_when_its_time_is_over() -> None:
    settings = SignIn(token_s=3600.0, session_s=60.0)
    async with (
        front_desk(users=USERS, sign_in=settings) as desk,
        httpx.AsyncClient(base_url=desk.url, trust_env=False, timeout=REPLY_S) as person,
    ):
        granted = (await sign_in(person, "alice", PASSWORD)).json()
        assert granted["expiresIn"] <= 60  # no token outlives the session
        over = Signer(SECRET, SystemClock()).issue_refresh("alice", SystemClock().wall() - 61.0, 60.0)
        refused = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": over})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_disabling_ends_token_session_and_sign_in(desk: FrontDesk, person: httpx.AsyncClient) -> None:
    granted = (await sign_in(person, "alice", PASSWORD)).json()
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        assert (await admin.post("/api/v2/accounts/alice/disable")).status_code == 200
    async with desk.crm(granted["accessToken"]) as rest:
        assert (await rest.get("/api/v2/users")).status_code == 401
    renewed = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": granted["refreshToken"]})
    assert (renewed.status_code, renewed.json()["reason"]) == (401, "the account is disabled")
    anew = await sign_in(person, "alice", PASSWORD)
    assert (anew.status_code, anew.json()["code"]) == (403, "forbidden")
    assert (await sign_in(person, "alice", "wrong horse battery")).status_code == 401


async def test_a_password_change_voids_the_sessions_before_it(
    desk: FrontDesk, person: httpx.AsyncClient
) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        await admin.post("/api/v2/accounts", json={"userId": "ann", "name": "Ann"})
        await admin.put("/api/v2/accounts/ann/password", json={"password": PASSWORD})
        # By the switchboard's clock, which stands still and is behind: sessions from before its instant.
        before = Signer(SECRET, SystemClock()).issue_refresh("ann", desk.stage.clock.wall() - 1.0, 1e9)
        refused = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": before})
        assert (refused.status_code, "sign in again" in refused.json()["reason"]) == (401, True)


async def test_a_person_changes_the_password_by_knowing_it(
    desk: FrontDesk, person: httpx.AsyncClient
) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        await admin.post("/api/v2/accounts", json={"userId": "ann", "name": "Ann"})
        await admin.put("/api/v2/accounts/ann/password", json={"password": PASSWORD})

    async def change(user: str, password: str, new: str) -> int:
        wish = {"user": user, "password": password, "newPassword": new}
        return (await person.post(f"{SIGN_IN}/password", json=wish)).status_code

    assert await change("ann", "wrong horse battery", "mallory's horse battery") == 401
    assert await change("ann", PASSWORD, "too short") == 400
    assert await change("alice", PASSWORD, "a horse of my own") == 409  # stands in the configuration
    assert await change("ann", PASSWORD, "a horse of my own") == 204
    assert (await sign_in(person, "ann", PASSWORD)).status_code == 401
    assert (await sign_in(person, "ann", "a horse of my own")).status_code == 200


async def test_one_kind_of_token_is_never_taken_for_another(
    desk: FrontDesk, person: httpx.AsyncClient
) -> None:
    granted = (await sign_in(person, "alice", PASSWORD)).json()
    async with desk.crm(granted["refreshToken"]) as rest:
        assert (await rest.get("/api/v2/users")).status_code == 401
    renewed = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": granted["accessToken"]})
    assert renewed.status_code == 401


async def test_a_personal_token_does_not_outlive_its_account(desk: FrontDesk) -> None:
    gone = Signer(SECRET, SystemClock()).issue_personal("gone", EVERY_SCOPE, 600.0, "Gone")
    async with desk.crm(gone) as rest:
        answer = await rest.get("/api/v2/users")
        assert (answer.status_code, answer.json()["reason"]) == (401, "there is no such account any more")


async def test_the_token_says_nothing_that_must_stay_inside(person: httpx.AsyncClient) -> None:
    granted = (await sign_in(person, "alice", PASSWORD)).json()
    for name in ("accessToken", "refreshToken"):
        claims = jwt.decode(granted[name], options={"verify_signature": False})
        assert "argon2" not in json.dumps(claims)
        assert "alice@example.org" not in json.dumps(claims)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"user": "alice"}',
        b'{"user": "alice", "password": 7}',
        b'{"user": "alice", "password": "x", "admin": true}',
        b'{"user": "' + b"a" * 300 + b'", "password": "x"}',
        b'{"user": "alice", "password": "' + b"p" * 100_000 + b'"}',
        b"\xff\xfe",
    ],
)
async def test_what_is_no_sign_in_is_refused_unread(person: httpx.AsyncClient, body: bytes) -> None:
    answer = await person.post(SIGN_IN, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "pppp" not in answer.text


async def test_the_ways_to_sign_in_are_told(person: httpx.AsyncClient) -> None:
    assert (await person.get(SIGN_IN)).json()["password"] is True
    document = (await person.get("/openapi.json")).json()
    assert "post" in document["paths"][SIGN_IN]
    assert "security" not in document["paths"][SIGN_IN]["post"]


async def test_rights_that_are_taken_away_are_gone_at_once(
    desk: FrontDesk, person: httpx.AsyncClient
) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        await admin.post(
            "/api/v2/accounts", json={"userId": "ann", "name": "Ann", "roles": ["administrator"]}
        )
        await admin.put("/api/v2/accounts/ann/password", json={"password": PASSWORD})
        granted = (await sign_in(person, "ann", PASSWORD)).json()
        async with desk.stranger() as desktop, desk.crm(granted["accessToken"]) as rest:
            assert (await desktop.say("authenticate", token=granted["accessToken"]))["ok"]
            assert (await desktop.say("listAccounts"))["ok"]
            assert (await rest.get("/api/v2/accounts")).status_code == 200
            await admin.patch("/api/v2/accounts/ann", json={"roles": ["agent"]})
            refused = await desktop.say("listAccounts")
            assert refused["error"]["code"] == "forbidden"
            assert (await rest.get("/api/v2/accounts")).status_code == 403
            told = await desktop.event("accountUpdated")
            assert "user:read" not in told["account"]["scopes"]
            await admin.post("/api/v2/accounts", json={"userId": "zoe", "name": "Zoe"})
            await desktop.say("ping")
            assert not [one for one in desktop.events if one["event"] == "accountUpdated"]
            await admin.patch("/api/v2/accounts/ann", json={"roles": ["administrator"]})
            assert (await desktop.say("listAccounts"))["ok"]


async def test_a_new_password_closes_what_the_old_one_opened(
    desk: FrontDesk, person: httpx.AsyncClient
) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        for user in ("ann", "ben"):
            await admin.post("/api/v2/accounts", json={"userId": user, "name": user})
            await admin.put(f"/api/v2/accounts/{user}/password", json={"password": PASSWORD})
        async with desk.stranger() as ann, desk.stranger() as ben:
            for user, desktop in (("ann", ann), ("ben", ben)):
                granted = (await sign_in(person, user, PASSWORD)).json()
                assert (await desktop.say("authenticate", token=granted["accessToken"]))["ok"]
            # The desk's time stands still here, and is not that of the tokens.
            desk.stage.clock.advance(SystemClock().wall() - desk.stage.clock.wall())
            answer = await admin.put(
                "/api/v2/accounts/ann/password", json={"password": "another horse battery"}
            )
            assert answer.status_code == 204, answer.text
            assert await ann.closed() == 4401
            assert (await ben.say("ping"))["ok"]
