"""Webhooks from the commit of a step to a receiver on loopback."""

import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from msgspec.structs import replace

from bridge.clock import SystemClock
from bridge.ids import TrunkId, UserId
from bridge.journal.outbox import Outbox
from bridge.peers.beside import beside
from bridge.switchboard.view.view import TrunkView
from signaling.web.access.auth import SCOPES, Signer
from signaling.web.hook.owner import Owners
from signaling.web.hook.webhooks import WebhookParts, Webhooks
from tests.interop.programs import eventually
from tests.interop.web.front_desk import HOOK_SETTINGS, SECRET, FrontDesk, front_desk, token
from tests.interop.web.http_stub import HttpStub, Received, http_stub
from tests.unit.switchboard.theatre import ALICE, theatre


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


async def subscribe(crm: httpx.AsyncClient, stub: HttpStub, **wish: object) -> dict[str, Any]:
    answer = await crm.post("/api/v2/webhooks", json={"url": f"{stub.url}/hook", **wish})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def events(stub: HttpStub) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in stub.received]


async def test_a_receiver_gets_what_a_websocket_gets_signed_and_in_order(desk: FrontDesk) -> None:
    async with http_stub() as stub, desk.crm() as crm:
        hook = await subscribe(crm, stub, events=["interactionUpdated"])
        async with desk.desktop("alice", "interaction:read", "interaction:all") as watcher:
            interaction_id = await desk.stage.answered_call()
            for number in range(20):
                await desk.stage.board.interactions.set_attributes(ALICE, interaction_id, {"n": str(number)})
            await watcher.say("ping")
        seen = [event for event in watcher.events if event["event"] == "interactionUpdated"]
        await eventually("all deliveries", lambda: len(stub.received) >= len(seen))
        assert events(stub) == seen
        request = stub.received[-1]
        parts = dict(part.split("=") for part in request.headers["warmbridge-signature"].split(","))
        signed = f"{parts['t']}.".encode() + request.body
        assert parts["v1"] == hmac.new(hook["secret"].encode(), signed, hashlib.sha256).hexdigest()
        assert request.headers["warmbridge-event"] == "interactionUpdated"
        assert len({r.headers["warmbridge-delivery"] for r in stub.received}) == len(stub.received)


async def test_what_fails_is_tried_again_and_nothing_overtakes_it(desk: FrontDesk) -> None:
    tries: Counter[str] = Counter()

    def flaky(request: Received) -> tuple[int, bytes]:
        delivery = request.headers["warmbridge-delivery"]
        tries[delivery] += 1
        return (503 if tries[delivery] < 3 else 204), b""

    async with http_stub(flaky) as stub, desk.crm() as crm:
        await subscribe(crm, stub, events=["interactionUpdated"])
        await desk.stage.call("leg_a")
        await desk.stage.call("leg_b")
        await eventually("three tries of each", lambda: sum(n == 3 for n in tries.values()) >= 6)
        by_interaction: dict[str, list[tuple[int, int]]] = {}
        for event in events(stub):
            by_interaction.setdefault(event["interactionId"], []).append((event["number"], event["part"]))
        assert len(by_interaction) == 2
        for places in by_interaction.values():
            assert places == sorted(places)


async def test_what_is_given_up_is_listed_and_can_be_sent_again(desk: FrontDesk) -> None:
    status = [500]
    async with http_stub(lambda _request: (status[0], b"")) as stub, desk.crm() as crm:
        hook = await subscribe(crm, stub, events=["userUpdated"])
        path = f"/api/v2/webhooks/{hook['webhookId']}"
        await desk.stage.board.users.set_presence(ALICE, "away", "agent")
        await eventually("three tries", lambda: len(stub.received) == 3)

        async def letters() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await crm.get(f"{path}/dead-letters")).json()["deadLetters"]
            return found

        while not await letters():
            pass
        (dead,) = await letters()
        assert (dead["event"], dead["attempts"]) == ("userUpdated", 3)
        assert "500" in dead["reason"]
        status[0] = 200
        again = f"{path}/dead-letters/{dead['deliveryId']}/send"
        assert (await crm.post(again)).status_code == 204
        await eventually("the fourth try", lambda: len(stub.received) == 4)
        assert json.loads(dead["body"]) == events(stub)[-1]
        assert (await crm.post(again)).status_code == 404
        assert await letters() == []


async def test_a_redirect_leads_nowhere(desk: FrontDesk) -> None:
    async with http_stub() as inside, http_stub(lambda _request: (307, b"")) as stub, desk.crm() as crm:
        stub.location = f"{inside.url}/secret"
        hook = await subscribe(crm, stub, events=["userUpdated"])
        await desk.stage.board.users.set_presence(ALICE, "away", "agent")
        await eventually("three tries", lambda: len(stub.received) == 3)
        path = f"/api/v2/webhooks/{hook['webhookId']}/dead-letters"
        while not (letters := (await crm.get(path)).json()["deadLetters"]):
            pass
        assert "307" in letters[0]["reason"]
        assert inside.received == []


async def test_a_host_that_is_allowed_no_more_gets_nothing() -> None:
    async with theatre() as stage, http_stub() as stub:
        outbox = Outbox(stage.journal, SystemClock())
        await outbox.open()
        owners = Owners(stage.board.accounts, {})
        parts = WebhookParts(stage.journal, outbox, SystemClock(), secrets.token_hex, owners)
        before = Webhooks(HOOK_SETTINGS, parts)
        await before.open()
        made = before.draft("crm", frozenset({"interaction:read", "webhook:write"}), f"{stub.url}/hook")
        await before.keep(made)
        narrowed = HOOK_SETTINGS.model_copy(update={"allowed_hosts": ("crm.example",)})
        hooks = Webhooks(narrowed, parts)
        await hooks.open()
        stage.board.attach(stage.doors, stage.doors, hooks)
        await stage.board.users.set_presence(ALICE, "away", "agent")
        async with beside(hooks.run()):
            while not (letters := await hooks.dead_letters(made.subscription_id)):
                pass
        assert "allowed_hosts" in letters[0].reason
        assert stub.received == []


async def test_nothing_is_told_in_the_name_of_a_disabled_account(desk: FrontDesk) -> None:
    async with http_stub() as stub, desk.crm() as crm:
        async with desk.crm(token("dora", "interaction:read", "webhook:write")) as dora:
            hook = await subscribe(dora, stub, events=["userUpdated"])
        async with desk.crm(token("root", *SCOPES)) as root:
            account = {"userId": "dora", "name": "Dora", "roles": ["administrator"]}
            assert (await root.post("/api/v2/accounts", json=account)).status_code == 201
            assert (await root.post("/api/v2/accounts/dora/disable")).status_code == 200
            await desk.stage.board.users.set_presence(ALICE, "away", "agent")
            # Whoever goes on with it makes it their own.
            assert (await crm.patch(f"/api/v2/webhooks/{hook['webhookId']}", json={})).status_code == 200
            await desk.stage.board.users.set_presence(ALICE, "ready", "agent")
            await eventually("what came after", lambda: len(stub.received) == 1)
        assert events(stub)[0]["user"]["presence"] == "ready"


async def test_an_owner_who_loses_rights_is_told_no_more_by_the_webhook(desk: FrontDesk) -> None:
    """Neither what happens then, nor what was waiting to be sent."""
    refused = [503]
    async with (
        http_stub(lambda _request: (refused[0], b"")) as stub,
        desk.crm(token("root", *SCOPES)) as root,
    ):
        account = {
            "userId": "dora",
            "name": "Dora",
            "roles": ["supervisor"],
            "permissions": ["webhook:write"],
        }
        assert (await root.post("/api/v2/accounts", json=account)).status_code == 201
        signer = Signer(SECRET, SystemClock())
        scopes = desk.stage.board.accounts.entitlement(UserId("dora"))
        async with desk.crm(signer.issue_personal("dora", scopes, 60.0, "Dora")) as dora:
            hook = await subscribe(dora, stub)
        path = f"/api/v2/webhooks/{hook['webhookId']}"
        await desk.stage.call()

        async def reasons() -> dict[int, str]:
            letters = (await root.get(f"{path}/dead-letters")).json()["deadLetters"]
            return {one["deliveryId"]: one["reason"] for one in letters}

        while not (given_up := await reasons()):
            pass
        id_, reason = next(iter(given_up.items()))
        assert reason == "the receiver answered 503"
        changed = await root.patch("/api/v2/accounts/dora", json={"roles": ["agent"]})
        assert changed.status_code == 200, changed.text
        refused[0] = 200
        assert (await root.post(f"{path}/dead-letters/{id_}/send")).status_code == 204
        before = set(desk.stage.board.live_interaction_ids())
        await desk.stage.call("leg_other")
        (second,) = set(desk.stage.board.live_interaction_ids()) - before
        while id_ not in (given_up := await reasons()):
            pass
        assert given_up[id_] == "dora, whose webhook it is, lacks the scope interaction:supervise"
        await desk.stage.board.users.set_presence(ALICE, "away", "agent")
        await eventually("what all may know", lambda: "userUpdated" in {e["event"] for e in events(stub)})
        assert not any(event.get("interactionId") == second for event in events(stub))
        assert (await root.get(path)).json()["resting"] == ""
        await root.patch("/api/v2/accounts/dora", json={"permissions": []})
        assert "webhook:write" in (await root.get(path)).json()["resting"]


async def test_a_subscription_tells_no_more_than_its_owner_may_see(desk: FrontDesk) -> None:
    async with http_stub() as stub:
        scopes = ("interaction:read", "webhook:read", "webhook:write")
        async with desk.crm(token("mallory", *scopes)) as mallory, desk.crm() as crm:
            mine = await subscribe(mallory, stub)
            await desk.stage.answered_call()
            await desk.stage.board.users.set_presence(ALICE, "away", "agent")
            await eventually("presence", lambda: any(e["event"] == "userUpdated" for e in events(stub)))
            assert {event["event"] for event in events(stub)} == {"userUpdated"}
            # Who takes over another's subscription gets what he may see, not what the other may.
            theirs = await subscribe(crm, stub)
            taken = await mallory.patch(
                f"/api/v2/webhooks/{theirs['webhookId']}", json={"url": f"{stub.url}/mine"}
            )
            assert taken.json()["owner"] == "mallory"
            assert "secret" not in taken.json()
            before = len(stub.received)
            await desk.stage.call("leg_other")
            await desk.stage.board.users.set_presence(ALICE, "offline", "agent")
            await eventually("presence twice", lambda: len(stub.received) >= before + 2)
            assert {event["event"] for event in events(stub)[before:]} == {"userUpdated"}
            listed = (await mallory.get("/api/v2/webhooks")).json()["webhooks"]
            assert {hook["webhookId"] for hook in listed} == {mine["webhookId"], theirs["webhookId"]}


async def test_subscriptions_are_changed_paused_and_removed(desk: FrontDesk) -> None:
    async with http_stub() as stub, desk.crm() as crm:
        hook = await subscribe(crm, stub, description="first")
        path = f"/api/v2/webhooks/{hook['webhookId']}"
        paused = await crm.patch(path, json={"active": False, "events": ["userUpdated"]})
        assert (paused.json()["active"], paused.json()["description"]) == (False, "first")
        await desk.stage.board.users.set_presence(ALICE, "away", "agent")
        assert (await crm.get(path)).json() == paused.json()
        assert (await crm.patch(path, json={"active": True})).json()["active"] is True
        await desk.stage.board.users.set_presence(ALICE, "ready", "agent")
        await eventually("the one after the pause", lambda: len(stub.received) == 1)
        assert events(stub)[0]["user"]["presence"] == "ready"
        assert (await crm.delete(path)).status_code == 204
        assert (await crm.get(path)).status_code == 404
        for url in ("ftp://crm.example/", "https://", "https://user@crm.example/", "nonsense"):
            refused = await crm.post("/api/v2/webhooks", json={"url": url})
            assert refused.status_code in (400, 409), url
            assert refused.json()["reason"]


async def test_the_websocket_has_the_same_commands(desk: FrontDesk) -> None:
    async with (
        http_stub() as stub,
        desk.desktop("crm", "webhook:read", "webhook:write", "interaction:read") as crm,
    ):
        made = (await crm.say("createWebhook", url=stub.url, events=["userUpdated"]))["result"]["webhook"]
        assert made["secret"]
        about = {"webhookId": made["webhookId"]}
        assert (await crm.say("getWebhook", **about))["result"]["webhook"]["url"] == stub.url
        changed = await crm.say("changeWebhook", **about, description="other")
        assert changed["result"]["webhook"]["description"] == "other"
        assert len((await crm.say("listWebhooks"))["result"]["webhooks"]) == 1
        assert (await crm.say("listDeadLetters", **about))["result"]["deadLetters"] == []
        assert (await crm.say("sendAgain", **about, deliveryId=9))["error"]["code"] == "not_found"
        assert (await crm.say("removeWebhook", **about))["ok"]
    async with desk.desktop("eve") as eve:
        assert (await eve.say("listWebhooks"))["error"]["code"] == "forbidden"


async def test_a_trunk_that_goes_away_is_told_to_whom_it_concerns(desk: FrontDesk) -> None:
    """It belongs to no step: it has a commit of its own, and no number."""
    down = TrunkView(TrunkId("carrier"), "Carrier", "sip:carrier.example", "down", 0, 0, 0)
    operator, clerk = (
        token("operator", "webhook:write", "trunk:admin"),
        token("clerk", "webhook:write", "interaction:read"),
    )
    async with http_stub() as stub, http_stub() as other:
        async with desk.crm(operator) as api:
            await subscribe(api, stub, events=["trunkUpdated"])
        async with desk.crm(clerk) as api:
            await subscribe(api, other, events=["trunkUpdated", "userUpdated"])
        async with desk.desktop("boss", "trunk:admin") as watcher:
            desk.stage.board.trunk_moved(down, "408 no answer")
            desk.stage.board.trunk_moved(replace(down, state="up"), "200 OK")
            await desk.stage.board.users.set_presence(ALICE, "away", "agent")
            await watcher.say("ping")
        seen = [event for event in watcher.events if event["event"] == "trunkUpdated"]
        await eventually("both moves", lambda: len(stub.received) == 2)
        assert events(stub) == seen
        assert [(event["trunk"]["state"], event["reason"]) for event in seen] == [
            ("down", "408 no answer"),
            ("up", "200 OK"),
        ]
        await eventually("who may not know of trunks hears the rest", lambda: other.received)
        assert {event["event"] for event in events(other)} == {"userUpdated"}
