"""The REST API over real uvicorn and before the real switchboard."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.interop.web.front_desk import CRM_SCOPES, FrontDesk, front_desk, token
from tests.unit.switchboard.theatre import ALICE, BOB, EVE

MISSION = {
    "participantId": "eve",
    "type": "video",
    "role": "agent",
    "state": "not-in-queue",
    "properties": {"escalation_reason": "Complex Case", "case_number": "12345"},
}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


@pytest_asyncio.fixture
async def crm(desk: FrontDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.crm() as client:
        yield client


async def answered(desk: FrontDesk) -> str:
    """A customer with Alice, and Eve ready as an expert; the path of the interaction."""
    interaction_id = await desk.stage.answered_call()
    await desk.stage.board.users.set_presence(EVE, "ready", "sme")
    return f"/api/v2/interactions/{interaction_id}"


# --- participants -----------------------------------------------------------------------------------------


async def test_a_crm_adds_an_expert_as_the_mission_says(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path = await answered(desk)
    added = await crm.post(f"{path}/participants", json=MISSION)
    assert added.status_code == 201, added.text
    said = added.json()
    assert said["requestedParticipantId"] == said["userId"] == "eve"
    assert said["participantId"].startswith("prt_")
    assert (said["role"], said["type"], said["state"]) == ("sme", "video", "alerting")
    assert (await crm.get(added.headers["location"])).json()["participantId"] == said["participantId"]
    await desk.stage.accept(EVE)
    await desk.stage.join(EVE, path.rpartition("/")[2])  # type: ignore[arg-type]
    interaction = (await crm.get(path)).json()
    expert = next(p for p in interaction["participants"] if p["participantId"] == said["participantId"])
    assert (expert["state"], expert["type"]) == ("in-session", "video")
    assert interaction["attributes"]["case_number"] == "12345"


async def test_the_same_expert_again_is_200_and_another_one_409_with_who_is_in_the_way(
    desk: FrontDesk, crm: httpx.AsyncClient
) -> None:
    path = await answered(desk)
    await desk.stage.board.users.set_presence(BOB, "ready", "sme")
    first = (await crm.post(f"{path}/participants", json=MISSION)).json()
    again = await crm.post(f"{path}/participants", json=MISSION)
    assert again.status_code == 200
    assert again.json()["participantId"] == first["participantId"]
    other = await crm.post(f"{path}/participants", json={**MISSION, "participantId": "bob"})
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["code"] == "conflict"
    assert other.json()["reason"]
    assert other.json()["participant"]["participantId"] == first["participantId"]
    second = {**MISSION, "participantId": "bob", "secondExpert": True}
    assert (await crm.post(f"{path}/participants", json=second)).status_code == 201


async def test_a_hundred_adds_of_one_expert_at_once_are_one(desk: FrontDesk) -> None:
    path = await answered(desk)
    interaction_id = path.rpartition("/")[2]
    async with desk.desktop("alice") as alice, desk.desktop("eve") as eve, desk.crm() as crm:
        await eve.say("setPresence", presence="ready", role="sme")

        answers: dict[str, set[tuple[int, str]]] = {}

        async def by_api(number: int) -> tuple[int, str]:
            key = f"key-{number % 25}"  # each is tried twice
            headers = {"Idempotency-Key": key}
            while True:
                answer = await crm.post(f"{path}/participants", json=MISSION, headers=headers)
                if answer.json().get("code") == "in_flight":
                    assert answer.headers["retry-after"]
                    await asyncio.sleep(0.01)
                elif answer.status_code == 429:
                    await asyncio.sleep(0.1)
                else:
                    told = answer.status_code, answer.json()["participantId"]
                    answers.setdefault(key, set()).add(told)
                    return told

        async def by_desktop() -> list[tuple[int, str]]:
            found = []
            for _ in range(50):
                reply = await alice.say("addParticipant", interactionId=interaction_id, userId="eve")
                found.append((200, reply["result"]["participant"]["participantId"]))
            return found

        by_page, by_crm = await asyncio.gather(
            by_desktop(), asyncio.gather(*(by_api(number) for number in range(50)))
        )
        told = [*by_page, *by_crm]
        assert len(told) == 100
        assert len({participant for _, participant in told}) == 1
        assert (await alice.say("ping"))["ok"]
        assert (await eve.say("ping"))["ok"]
        assert [e["event"] for e in eve.events].count("offerMade") == 1
        assert all(len(told_twice) == 1 for told_twice in answers.values()), (
            "a retry hears what the first did"
        )
        assert sum((201, told[0][1]) in told_once for told_once in answers.values()) <= 1
        timeline = (await crm.get(f"{path}/timeline")).json()["timeline"]
    happened = [entry["event"] for entry in timeline if entry["facts"].get("user_id") == "eve"]
    assert (happened.count("participant_added"), happened.count("offer_made")) == (1, 1)
    view = await desk.stage.view(interaction_id)  # type: ignore[arg-type]
    assert [p.user_id for p in view.participants].count(EVE.user_id) == 1


async def test_mute_hold_and_taking_out(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path = await answered(desk)
    listed = (await crm.get(f"{path}/participants")).json()["participants"]
    customer = next(p["participantId"] for p in listed if p["role"] == "customer")
    whom = f"{path}/participants/{customer}"
    assert (await crm.patch(whom, json={"muted": True})).json()["muted"] is True
    assert (await crm.patch(whom, json={"muted": False})).json()["muted"] is False
    assert (await crm.patch(whom, json={"state": "held"})).json()["state"] == "held"
    assert (await crm.patch(whom, json={"state": "in-session"})).json()["state"] == "in-session"
    assert (await crm.patch(whom, json={"state": "held", "muted": True})).status_code == 400
    assert (await crm.post(f"{path}/prompts", json={"prompt": "greeting"})).status_code == 204
    assert (await crm.get("/api/v2/prompts")).json() == {
        "prompts": ["greeting", "place", "place-1", "place-2"]
    }
    assert (await crm.delete(whom)).status_code == 204
    assert (await crm.get(whom)).json()["state"] == "disconnected"
    assert (await crm.get(f"{path}/participants/prt_none")).status_code == 404


# --- interactions -----------------------------------------------------------------------------------------


async def test_interactions_are_found_by_state_and_attribute_and_paged(
    desk: FrontDesk, crm: httpx.AsyncClient
) -> None:
    for number in range(5):
        await desk.stage.call(f"leg_{number}")
        desk.stage.clock.advance(1.0)
    listed = (await crm.get("/api/v2/interactions")).json()
    assert listed["nextCursor"] is None
    ids = [i["interactionId"] for i in listed["interactions"]]
    assert len(set(ids)) == 5
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await crm.get("/api/v2/interactions", params={"limit": 2, "cursor": cursor})).json()
        seen += [i["interactionId"] for i in page["interactions"]]
        if not seen[2:]:
            await desk.stage.call("leg_meanwhile")  # shifts no page
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == ids
    one = f"/api/v2/interactions/{ids[0]}"
    assert (await crm.patch(one, json={"attributes": {"priority": "High"}})).status_code == 200
    found = await crm.get("/api/v2/interactions", params={"attribute": "priority=High"})
    assert [i["interactionId"] for i in found.json()["interactions"]] == ids[:1]
    assert (await crm.patch(one, json={"state": "ended"})).json()["state"] == "ended"
    ended = await crm.get("/api/v2/interactions", params={"state": "ended"})
    assert [i["interactionId"] for i in ended.json()["interactions"]] == ids[:1]
    assert (await crm.get("/api/v2/interactions", params={"cursor": "nonsense"})).status_code == 409


async def test_a_change_that_depends_on_a_state_nobody_may_have_changed(
    desk: FrontDesk, crm: httpx.AsyncClient
) -> None:
    path = await answered(desk)
    tag = (await crm.get(path)).headers["etag"]
    unchanged = await crm.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")

    async def write(number: int) -> int:
        change = {"attributes": {"writer": str(number)}}
        return (await crm.patch(path, json=change, headers={"If-Match": tag})).status_code

    assert sorted(await asyncio.gather(*map(write, range(10)))) == [200] + [412] * 9
    assert (await crm.get(path)).headers["etag"] != tag
    assert (await crm.get(f"{path}/attributes")).json()["attributes"]["writer"]
    refused = await crm.patch(f"{path}/attributes", json={"attributes": {}}, headers={"If-Match": tag})
    assert refused.json()["code"] == "precondition_failed"


async def test_the_audit_trail_comes_in_pages(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path = await answered(desk)
    whole = (await crm.get(f"{path}/timeline")).json()
    assert whole["nextAfter"] is None
    numbers, after = [], 0
    while after is not None:
        page = (await crm.get(f"{path}/timeline", params={"after": after, "limit": 3})).json()
        numbers += [entry["number"] for entry in page["timeline"]]
        after = page["nextAfter"]
    assert numbers == [entry["number"] for entry in whole["timeline"]]


async def test_an_agent_without_a_page_works_by_api(desk: FrontDesk) -> None:
    async with desk.crm(token("alice")) as alice:
        ready = await alice.put("/api/v2/users/me/presence", json={"presence": "ready"})
        assert ready.json()["presence"] == "ready"
        await desk.stage.call()
        offer = desk.stage.offer_to(ALICE)
        accepted = await alice.post(f"/api/v2/offers/{offer.offer_id}/accept")
        assert accepted.status_code == 200
        path = f"/api/v2/interactions/{accepted.json()['interactionId']}"
        assert (await alice.post(f"{path}/leave")).status_code == 204
        assert (await alice.get("/api/v2/users/alice")).json()["userId"] == "alice"
        assert [u["userId"] for u in (await alice.get("/api/v2/users")).json()["users"]] == ["alice"]


# --- Idempotency-Key --------------------------------------------------------------------------------------


async def test_a_key_gives_the_stored_answer_again_and_only_for_the_same_request(
    desk: FrontDesk, crm: httpx.AsyncClient
) -> None:
    path = await answered(desk)
    key = {"Idempotency-Key": "one"}
    first = await crm.post(f"{path}/participants", json=MISSION, headers=key)
    again = await crm.post(f"{path}/participants", json=MISSION, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]
    other = await crm.post(f"{path}/participants", json={**MISSION, "type": "voice"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = await crm.patch(path, json={"attributes": {}}, headers=key)
    assert elsewhere.status_code == 422
    async with desk.crm(token("alice")) as alice:
        mine = await alice.patch(path, json={"attributes": {"a": "b"}}, headers=key)
        assert mine.status_code == 200, "a key belongs to who sent it"


async def test_a_refusal_is_an_answer_too(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path = await answered(desk)
    wish, key = {**MISSION, "participantId": "nobody"}, {"Idempotency-Key": "two"}
    first = await crm.post(f"{path}/participants", json=wish, headers=key)
    again = await crm.post(f"{path}/participants", json=wish, headers=key)
    assert first.status_code == again.status_code == 404
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    bad = await crm.post(f"{path}/participants", json={}, headers={"Idempotency-Key": "three"})
    assert bad.status_code == 400
    good = await crm.post(f"{path}/participants", json=MISSION, headers={"Idempotency-Key": "three"})
    assert good.status_code == 201, "what was no request has used no key"


async def test_a_key_in_flight_is_409_with_retry_after(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path, key = await answered(desk), {"Idempotency-Key": "four"}
    answers = await asyncio.gather(
        *(crm.post(f"{path}/participants", json=MISSION, headers=key) for _ in range(20))
    )
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in refused} <= {"in_flight"}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert len({a.json()["participantId"] for a in answers if a.status_code == 201}) == 1


@pytest.mark.parametrize(
    ("attributes", "status", "code"),
    [
        ({"n" * 65: "x"}, 413, "attribute_too_long"),
        ({"": "x"}, 413, "attribute_too_long"),
        ({"n": "x" * 4097}, 413, "attribute_too_long"),
        ({f"a{n}": "1" for n in range(65)}, 413, "too_many_attributes"),
        ({f"b{n}": "v" * 4000 for n in range(5)}, 413, "attributes_too_large"),
        ({"customer_video_capable": "true"}, 403, "attribute_read_only"),
        ({"n": 7}, 400, "malformed"),
    ],
)
async def test_each_bound_of_interaction_data_has_its_error(
    desk: FrontDesk, crm: httpx.AsyncClient, attributes: dict[str, object], status: int, code: str
) -> None:
    path = await answered(desk)
    before = (await crm.get(path)).json()
    refused = await crm.patch(f"{path}/attributes", json={"attributes": attributes})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    wish = {**MISSION, "properties": attributes}
    refused = await crm.post(f"{path}/participants", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    async with desk.desktop("alice") as alice:
        said = await alice.say("setAttributes", interactionId=before["interactionId"], attributes=attributes)
        assert said["error"]["code"] == code
    assert (await crm.get(path)).json() == before


# --- who may ----------------------------------------------------------------------------------------------


async def test_each_route_wants_its_scopes(desk: FrontDesk) -> None:
    path = await answered(desk)
    async with desk.crm(token("crm", "interaction:write", "interaction:all")) as crm:
        refused = await crm.post(f"{path}/participants", json=MISSION)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "routing:write" in refused.json()["reason"]
        assert (await crm.get(path)).status_code == 403
    async with desk.crm("no token") as stranger:
        refused = await stranger.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    async with desk.crm(token("mallory")) as mallory:
        assert (await mallory.get(path)).status_code == 404
        assert (await mallory.get("/api/v2/interactions")).json()["interactions"] == []


async def test_bodies_and_rates_have_bounds() -> None:
    async with front_desk({"requests_per_second": 5}) as desk, desk.crm() as crm:
        big = await crm.patch("/api/v2/interactions/int_1", content=b"{" + b" " * 300_000)
        assert (big.status_code, big.json()["code"]) == (413, "too_large")

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b" " * 10_000

        assert (await crm.patch("/api/v2/interactions/int_1", content=pieces())).status_code == 413
        answers = [await crm.get("/api/v2/users") for _ in range(15)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].json()["code"] == "too_many_requests"
        assert refused[0].headers["retry-after"]
        wrong = await crm.post("/api/v2/users")
        assert wrong.status_code == 405
        assert "GET" in wrong.headers["allow"]


async def test_a_crm_names_users_by_its_own_ids(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path = await answered(desk)
    async with desk.desktop("admin", "user:write") as admin:
        assert (await admin.say("setProfile", userId="eve", externalIds=["crm-77"]))["ok"]
        taken = await admin.say("setProfile", userId="bob", externalIds=["crm-77"])
        assert taken["error"]["code"] == "conflict"
    first = await crm.post(f"{path}/participants", json={**MISSION, "participantId": "crm-77"})
    assert first.status_code == 201, first.text
    assert (first.json()["userId"], first.json()["requestedParticipantId"]) == ("eve", "crm-77")
    again = await crm.post(f"{path}/participants", json=MISSION)
    assert (again.status_code, again.json()["participantId"]) == (200, first.json()["participantId"])
    async with desk.desktop("alice") as alice:
        about = {"interactionId": path.rpartition("/")[2], "userId": "crm-77"}
        said = await alice.say("addParticipant", **about)
        assert said["result"]["participant"]["participantId"] == first.json()["participantId"]
        await crm.delete(f"{path}/participants/{first.json()['participantId']}")
        consulted = await alice.say("consultParticipant", **about)
        assert consulted["result"]["participant"]["userId"] == "eve"
        assert (await alice.say("cancelTransfer", interactionId=about["interactionId"]))["ok"]
        handed = await crm.post(f"{path}/transfer/blind", json={"userId": "crm-77"})
        assert handed.status_code == 200, handed.text


async def test_queues_profiles_and_callbacks_over_rest(desk: FrontDesk) -> None:
    async with desk.crm(token("admin", *CRM_SCOPES, "queue:write", "user:write")) as admin:
        made = await admin.post("/api/v2/queues", json={"queue": {"queueId": "video", "name": "Video"}})
        assert made.status_code == 200, made.text
        assert made.json()["queueId"] == "video"
        assert (await admin.get("/api/v2/queues/video")).json()["name"] == "Video"
        assert "video" in [q["queueId"] for q in (await admin.get("/api/v2/queues")).json()["queues"]]
        profile = {"skills": {"Video_Escalation": 5}, "externalIds": ["crm-77"]}
        assert (await admin.put("/api/v2/users/eve/profile", json=profile)).status_code == 204
        await desk.stage.call()
        (interaction,) = (await admin.get("/api/v2/interactions")).json()["interactions"]
        path = f"/api/v2/interactions/{interaction['interactionId']}"
        moved = await admin.post(f"{path}/queue", json={"queueId": "video"})
        assert moved.status_code == 200, moved.text
        assert (await admin.get("/api/v2/callbacks")).json() == {"callbacks": []}
        assert (await admin.get("/api/v2/flows")).status_code == 200
        refused = await admin.post(f"{path}/transfer/complete")
        assert refused.status_code in (403, 404, 409)
        assert refused.json()["code"]
        wrong = await admin.post("/api/v2/queues", json={"queue": {"queueId": "x", "name": "X", "nmae": "y"}})
        assert wrong.status_code == 400
        assert "nmae" in wrong.json()["reason"]
        assert (await admin.delete("/api/v2/queues/video")).status_code in (204, 409)
    async with desk.crm() as crm:
        assert (await crm.delete("/api/v2/queues/video")).json()["code"] == "forbidden"


async def test_a_crm_calls_a_phone_into_the_conversation(desk: FrontDesk, crm: httpx.AsyncClient) -> None:
    path = await answered(desk)
    wish = {"address": "+49301234567", "name": "The bank", "role": "sme"}
    added = await crm.post(f"{path}/participants", json=wish)
    assert added.status_code == 201, added.text
    said = added.json()
    assert (said["state"], said["type"], said["name"]) == ("alerting", "voice", "The bank")
    assert (said["requestedParticipantId"], said["userId"]) == ("+49301234567", None)
    again = await crm.post(f"{path}/participants", json=wish)
    assert (again.status_code, again.json()["participantId"]) == (200, said["participantId"])
    for wrong in ({}, {**wish, "participantId": "eve"}, {"address": "http://x"}, {"address": "sip:a b"}):
        assert (await crm.post(f"{path}/participants", json=wrong)).status_code == 400
