"""What nobody should send: a thousand messages, and requests made from the OpenAPI document."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import httpx
import jsonschema_rs
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from signaling.web.access.auth import SCOPES
from signaling.web.protocol.messages import Command
from tests.interop.web.front_desk import REPLY_S, FrontDesk, Visitor, front_desk, token
from tests.unit.switchboard.theatre import BOB, EVE

MESSAGES = 1000
QUICK = {"messages_per_second": 100_000, "requests_per_second": 100_000}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk(QUICK) as found:
        yield found


MODELS = {get_args(model.model_fields["command"].annotation)[0]: model for model in get_args(Command)}


def hostile_values(chance: random.Random) -> Iterator[Any]:
    """Values of every kind where another was wanted."""
    pool: list[Any] = [
        None, True, -1, 2**63, 1e308, "", "x" * 5000, "\x00", "\ud800", "🦜" * 100, "../../etc/passwd",
        "' OR 1=1 --", "v=0\r\n" * 2000, [], [[]] * 100, {}, {"a": {"a": {"a": {}}}}, {str(n): "" for n in range(100)},
    ]  # fmt: skip
    while True:
        yield chance.choice(pool)


def hostile_messages(chance: random.Random, known: list[str]) -> Iterator[str]:
    """Some no JSON or no command; most of them commands with wrong, missing and surplus fields, or none of these
    and yet senseless."""
    values = hostile_values(chance)
    while True:
        kind = chance.randrange(8)
        if kind == 0:
            yield "".join(chr(chance.randrange(1, 0x2FFF)) for _ in range(chance.randrange(200)))
        elif kind == 1:
            yield json.dumps(next(values))
        elif kind == 2:
            yield "[" * chance.randrange(1, 50_000)
        else:
            name = chance.choice(list(MODELS))
            message = {"id": chance.randrange(2**53), "command": name}
            for field in MODELS[name].model_fields.values():
                if field.alias not in message and (field.is_required() or chance.random() < 0.2):
                    sane = chance.random() < (0.95 if kind < 6 else 0.5)
                    message[str(field.alias)] = chance.choice(known) if sane else next(values)
            text = json.dumps({**message, "surplus": "x"} if chance.random() < 0.05 else message)
            yield text if kind < 7 else text[: chance.randrange(len(text))]


async def expect_reply(visitor: Visitor) -> dict[str, Any]:
    """The reply to what was said last; events on the way are not looked at."""
    while True:
        heard = await visitor.hear()
        if "ok" in heard:
            return heard


async def test_a_thousand_hostile_messages_are_each_refused_with_code_and_reason(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    await desk.stage.board.users.set_presence(EVE, "ready", "sme")
    participant = (await desk.stage.participant(interaction_id, "customer")).participant_id
    known = [interaction_id, participant, "eve", "alice", "leg_phone", "greeting", "ready", "voice", "sme"]
    chance = random.Random(20_26)
    messages = hostile_messages(chance, known)
    said = accepted = 0
    codes: set[str] = set()
    while said < MESSAGES:
        # Patience with nonsense is short, so a connection lasts for some messages only.
        async with desk.desktop("alice") as alice:
            for _ in range(15):
                text = next(messages)
                await alice.websocket.send(text)
                reply = await expect_reply(alice)
                said += 1
                if reply["ok"]:
                    accepted += 1
                    continue
                assert reply["error"]["code"], text
                assert reply["error"]["reason"], text
                codes.add(reply["error"]["code"])
    assert "internal_error" not in codes
    assert len(codes) >= 4
    assert 0 < accepted < said / 2
    async with desk.desktop("alice") as alice:
        assert (await alice.say("listInteractions"))["ok"], "and the desk goes on"


async def test_strangers_storms_and_half_words_end_their_own_connection_only(desk: FrontDesk) -> None:
    async def storm(number: int) -> None:
        chance = random.Random(number)
        async with desk.stranger() as visitor:
            messages = hostile_messages(chance, [])
            for _ in range(50):
                try:
                    await visitor.websocket.send(next(messages))
                except Exception:
                    return
            assert await visitor.closed() in (1001, 1009, 4400, 4401, 4429)

    async with desk.desktop("alice") as alice:
        await asyncio.gather(*(storm(number) for number in range(20)))
        assert (await alice.say("ping"))["ok"]


def visit_every_operation(url: str, bearer: str, known: dict[str, str]) -> set[str]:
    """Requests made from the document, valid and invalid ones; runs in a thread of its own."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    visited: set[str] = set()
    checks = [not_a_server_error, status_code_conformance, content_type_conformance]
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), "the document itself is sound"
        operation = result.ok()
        visited.add(operation.definition.raw["operationId"])

        @given(case=operation.as_strategy())
        @settings(
            max_examples=8, deadline=None, derandomize=True, database=None,
            phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def visit(case: Any) -> None:
            for name, value in known.items():
                if name in case.path_parameters and len(str(case.path_parameters[name])) % 2:
                    case.path_parameters[name] = value  # past the first lock
            case.call_and_validate(headers={"Authorization": f"Bearer {bearer}"}, checks=checks)

        visit()
    return visited


async def test_requests_made_from_the_openapi_document_meet_no_mistake_of_ours(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    await desk.stage.board.users.set_presence(EVE, "ready", "sme")
    await desk.stage.board.users.set_presence(BOB, "ready", "sme")
    participant = await desk.stage.participant(interaction_id, "customer")
    known = {
        "interactionId": interaction_id,
        "participantId": participant.participant_id,
        "userId": "eve",
    }
    bearer = token("crm", *SCOPES)
    visited = await asyncio.to_thread(visit_every_operation, desk.url, bearer, known)
    assert {"addParticipant", "getInteraction", "issueToken", "createWebhook"} <= visited
    assert {"createAccount", "disableAccount", "signIn", "renewSignIn"} <= visited


def bodies_of(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for body in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from body.get("content", {}).values()


async def test_the_openapi_document_explains_itself(desk: FrontDesk) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=REPLY_S) as anybody:
        document = (await anybody.get(f"{desk.url}/openapi.json")).json()
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert "interaction:write" in flow["scopes"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            assert operation["operationId"], path
            for media in bodies_of(operation):
                schema = {**media["schema"], "components": document["components"]}
                jsonschema_rs.validate(schema, media["example"])
            if path.startswith("/api/v2/sign-in"):
                assert "security" not in operation, "there a token is what one does not have yet"
            elif path.startswith("/api/"):
                (needed,) = operation["security"]
                assert needed["oauth2"], f"{method} {path} wants no scope"
                refused = operation["responses"]["403"]["content"]
                assert set(refused) == {"application/problem+json"}
    add = document["paths"]["/api/v2/interactions/{interactionId}/participants"]["post"]
    assert add["security"] == [{"oauth2": ["interaction:write", "routing:write"]}]
    assert {p["name"] for p in add["parameters"]} >= {"Idempotency-Key", "If-Match"}
    properties = document["components"]["schemas"]["NewParticipant"]["properties"]
    assert properties["participantId"]["examples"] == ["eve"]
