"""Accounts over REST and websocket, before a real switchboard: made, changed, disabled."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bridge.journal.answer import JournaledAnswers
from bridge.switchboard.door.principal import EVERY_SCOPE
from signaling.web.access.auth import Signer
from tests.interop.web.front_desk import SECRET, FrontDesk, front_desk, token
from tests.unit.switchboard.theatre import ALL_SCOPES, BOB, who

ACCOUNTS = "/api/v2/accounts"
EVE = {"userId": "eve", "name": "Eve", "roles": ["sme"], "email": "eve@example.org", "externalIds": ["00uE"]}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


@pytest_asyncio.fixture
async def admin(desk: FrontDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as found:
        yield found


async def make(admin: httpx.AsyncClient, user_id: str, **fields: Any) -> dict[str, Any]:
    answer = await admin.post(ACCOUNTS, json={"userId": user_id, "name": user_id.title(), **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_account_is_made_read_and_changed(admin: httpx.AsyncClient) -> None:
    made = await admin.post(ACCOUNTS, json=EVE)
    assert made.status_code == 201
    assert made.json() | EVE == made.json()
    assert "telephony:video:use" in made.json()["scopes"]
    assert (made.json()["hasPassword"], made.json()["disabled"]) == (False, False)
    tag = made.headers["etag"]
    unchanged = await admin.get(f"{ACCOUNTS}/eve", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304
    change = {"video": False, "skills": {"Video_Escalation": 3}, "permissions": ["queue:write"]}
    changed = await admin.patch(f"{ACCOUNTS}/eve", json=change, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert "telephony:video:use" not in changed.json()["scopes"]
    assert "queue:write" in changed.json()["scopes"]
    assert changed.json()["email"] == "eve@example.org"
    late = await admin.patch(f"{ACCOUNTS}/eve", json={"name": "E."}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    again = await admin.post(ACCOUNTS, json=EVE)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_accounts_are_listed_page_by_page(admin: httpx.AsyncClient) -> None:
    names = [f"user{number:02}" for number in range(7)]
    for name in reversed(names):
        await make(admin, name)
    found, cursor = [], ""
    while True:
        page = (await admin.get(ACCOUNTS, params={"limit": 3, "cursor": cursor})).json()
        found += [account["userId"] for account in page["accounts"]]
        if page["nextCursor"] is None:
            break
        cursor = page["nextCursor"]
    assert found == names
    nonsense = await admin.get(ACCOUNTS, params={"cursor": "no cursor"})
    assert nonsense.status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/eve", None),
        ("POST", "", {"userId": "mallory", "name": "Mallory"}),
        ("PATCH", "/eve", {"roles": ["administrator"]}),
        ("PUT", "/eve/password", {"password": "a password of mine"}),
        ("POST", "/eve/disable", None),
        ("POST", "/eve/enable", None),
    ],
)
async def test_a_desktop_s_token_administers_nobody(
    desk: FrontDesk, admin: httpx.AsyncClient, method: str, path: str, body: object
) -> None:
    await make(admin, "eve")
    async with desk.crm(token("eve")) as eve:
        answer = await eve.request(method, ACCOUNTS + path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_nobody_gives_or_takes_rights_beyond_their_own(
    desk: FrontDesk, admin: httpx.AsyncClient
) -> None:
    await make(admin, "root", roles=["administrator"])
    own = ("interaction:read", "interaction:write", "routing:write", "telephony:video:use", "user:write")
    async with desk.crm(token("lead", *own)) as lead:
        assert (await lead.post(ACCOUNTS, json={"userId": "ann", "name": "Ann"})).status_code == 201
        for method, path, body in (
            ("POST", "", {"userId": "max", "name": "Max", "roles": ["administrator"]}),
            ("PATCH", "/ann", {"permissions": ["interaction:all"]}),
            ("PUT", "/root/password", {"password": "a password of mine"}),
            ("POST", "/root/disable", None),
        ):
            answer = await lead.request(method, ACCOUNTS + path, json=body)
            assert answer.status_code == 403, answer.text
            assert "rights beyond yours" in answer.json()["reason"]
    unknown = await admin.patch(f"{ACCOUNTS}/ann", json={"permissions": ["intercation:all"]})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "not_allowed")


async def test_the_websocket_has_the_same_commands(desk: FrontDesk) -> None:
    async with desk.desktop("admin", *EVERY_SCOPE) as admin:
        made = await admin.say("createAccount", userId="bob", name="Bob")
        assert made["result"]["account"]["roles"] == ["agent"]
        told = await admin.event("accountUpdated")
        assert told["account"]["userId"] == "bob"
        assert (await admin.say("changeAccount", userId="bob", capacity=2))["result"]["account"][
            "capacity"
        ] == 2
        assert (await admin.say("setAccountPassword", userId="bob", password="of twelve and more"))["ok"]
        got = await admin.say("getAccount", userId="bob")
        assert got["result"]["account"]["hasPassword"] is True
        assert "argon2" not in str(got)
        listed = await admin.say("listAccounts")
        assert [account["userId"] for account in listed["result"]["accounts"]] == ["bob"]
        refused = await admin.say("disableAccount", userId="admin")
        assert refused["error"]["code"] == "not_found"  # this one came with a token and has no account
        short = await admin.say("setAccountPassword", userId="bob", password="short")
        assert short["error"]["code"] == "malformed"
        assert "short" not in short["error"]["reason"].replace("shorter", "")


async def test_a_disabled_user_is_signed_out_and_the_next_is_rung(
    desk: FrontDesk, admin: httpx.AsyncClient
) -> None:
    await make(admin, "alice")
    # By the switchboard's clock, which this test moves: a token from before and one from after.
    signer, lifetime_s = Signer(SECRET, desk.stage.clock), 1e9
    bearer = signer.issue("alice", ALL_SCOPES, lifetime_s)
    await desk.stage.pass_time(1.0)
    async with desk.stranger() as alice, desk.crm(bearer) as rest:
        assert (await alice.say("authenticate", token=bearer))["ok"]
        await alice.say("setPresence", presence="ready", role="agent")
        await desk.stage.call()
        await alice.event("offerMade")
        await desk.stage.board.users.set_presence(BOB, "ready", "agent")
        assert (await rest.get("/api/v2/users")).status_code == 200
        answer = await admin.post(f"{ACCOUNTS}/alice/disable")
        assert answer.json()["disabled"] is True
        assert (await alice.event("offerEnded"))["reason"] == "the account was disabled"
        assert (await alice.event("accountUpdated"))["account"]["disabled"] is True
        assert await alice.closed() == 4401
        assert desk.stage.offer_to(BOB).caller == "+4930123"
        refused = await rest.get("/api/v2/users")
        assert (refused.status_code, refused.json()["reason"]) == (401, "the account is disabled")
        async with desk.stranger() as again:
            assert (await again.say("authenticate", token=token("alice")))["error"]["code"] == "unauthorized"
        enabled = await admin.post(f"{ACCOUNTS}/alice/enable")
        assert enabled.json()["disabled"] is False
        void = await rest.get("/api/v2/users")
        assert (void.status_code, "sign in again" in void.json()["reason"]) == (401, True)
    async with desk.crm(signer.issue("alice", ALL_SCOPES, lifetime_s)) as fresh:
        assert (await fresh.get("/api/v2/users")).status_code == 200


async def test_the_customer_of_a_disabled_agent_stays_and_is_handed_over(
    desk: FrontDesk, admin: httpx.AsyncClient
) -> None:
    await make(admin, "alice")
    id_ = await desk.stage.answered_call()
    await desk.stage.board.users.set_presence(BOB, "ready", "agent")
    await admin.post(f"{ACCOUNTS}/alice/disable")
    assert (await desk.stage.participant(id_, "customer")).state == "in-session"
    await desk.stage.pass_time(11.0)
    assert (await desk.stage.participant(id_, "agent")).disconnect_reason == "the account was disabled"
    assert desk.stage.offer_to(BOB).interaction_id == id_
    assert desk.stage.doors.hung_up == []
    interaction = await desk.stage.board.offers.accept(who("bob"), desk.stage.offer_to(BOB).offer_id)
    assert interaction.interaction_id == id_


async def test_a_password_leaves_no_quick_hash_behind(desk: FrontDesk, admin: httpx.AsyncClient) -> None:
    await make(admin, "eve")
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await admin.put(
            f"{ACCOUNTS}/eve/password", json={"password": "of twelve and more"}, headers=key
        )
        assert answer.status_code == 204, answer.text
    assert await JournaledAnswers(desk.stage.journal).find("admin", "once", 0.0) is None
    registration = desk.stage.board.accounts.signing_in_as("eve")
    assert registration is not None
    assert registration.account.password_hash.startswith("$argon2id$")
