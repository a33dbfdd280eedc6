"""Every route of the document: it refuses a stranger, and whoever lacks one of its scopes; so does the websocket."""

import re
from collections import defaultdict
from typing import Any, get_args

import httpx

from bridge.switchboard.door.principal import INCLUDED_IN
from signaling.web.access.auth import SCOPES
from signaling.web.protocol.messages import Command
from tests.interop.web.front_desk import FrontDesk, front_desk, token
from tests.unit.web.test_web_routes import BY_ANOTHER_NAME, ON_THE_WEBSOCKET_ONLY

PATIENT = {"requests_per_second": 1000, "messages_per_second": 1000}
OPEN_ROUTES = ("/sign-in", "/oauth/")  # who asks there has no token yet
_METHODS = ("get", "post", "put", "patch", "delete")


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS and not any(word in path for word in OPEN_ROUTES)
    ]


def scopes_of(operation: dict[str, Any]) -> list[str]:
    (security,) = operation["security"]
    (scopes,) = security.values()
    return list(scopes)


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    if "example" in content:
        return content["example"]
    if "examples" in content:
        return next(iter(content["examples"].values()))["value"]
    name = content["schema"]["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name]["examples"][0]


def all_but(scope: str) -> list[str]:
    """Every scope but this one, and but the wider one it is included in."""
    return sorted(set(SCOPES) - {scope, INCLUDED_IN.get(scope, scope)})


def lacking(text: str) -> set[str]:
    return set(re.findall(r"lacks the scope ([\w:]+)", text))


def commands() -> list[str]:
    names = [get_args(model.model_fields["command"].annotation)[0] for model in get_args(Command)]
    return [name for name in names if name not in ON_THE_WEBSOCKET_ONLY]


def fields_of(name: str, path: str, body: Any) -> dict[str, Any]:
    """The fields of a command, out of its route's path and the example of its body."""
    in_path = {
        one: 7 if one.startswith(("delivery", "notification")) else "none"
        for one in re.findall(r"{(\w+)}", path)
    }
    fields = {**in_path, **({} if name in BY_ANOTHER_NAME else body or {})}
    if name == "addParticipant":
        fields["userId"] = fields.pop("participantId")
        del fields["state"]
    return fields


async def ask(desk: FrontDesk, bearer: str, method: str, path: str, body: Any) -> httpx.Response:
    async with desk.crm(bearer) as client:
        there = re.sub(r"{notificationId}|{deliveryId}", "7", path)
        return await client.request(method, re.sub(r"{\w+}", "none", there), json=body)


async def test_no_route_answers_without_a_token_or_without_one_of_its_scopes() -> None:
    async with front_desk(PATIENT) as desk:
        async with desk.crm() as crm:
            document = (await crm.get("/openapi.json")).json()
        asked = operations(document)
        assert len(asked) > 40
        for method, path, operation in asked:
            body = body_of(document, operation)
            refused = await ask(desk, "no token", method, path, body)
            assert refused.status_code == 401, (method, path, refused.text)
            scopes = scopes_of(operation)
            assert scopes, f"{method} {path} asks for no scope"
            for scope in scopes:
                refused = await ask(desk, token("crm", *all_but(scope)), method, path, body)
                assert refused.status_code == 403, (method, path, scope, refused.text)
                assert refused.json()["code"] == "forbidden"
                assert scope in refused.json()["reason"], (method, path, refused.text)
            allowed = await ask(desk, token("crm", *scopes), method, path, body)
            assert allowed.status_code not in (401, 500), (method, path, allowed.text)
            assert not lacking(allowed.text), (method, path, allowed.text)


async def test_what_changes_something_asks_for_a_scope_that_only_changing_wants() -> None:
    async with front_desk(PATIENT) as desk, desk.crm() as crm:
        document = (await crm.get("/openapi.json")).json()
    readers = {scope for scope in SCOPES if scope.endswith(":read")}
    for method, path, operation in operations(document):
        if method != "GET":
            assert set(scopes_of(operation)) - readers, f"{method} {path}"


async def test_each_command_asks_for_the_scopes_of_its_route() -> None:
    async with front_desk(PATIENT) as desk:
        async with desk.crm() as crm:
            document = (await crm.get("/openapi.json")).json()
        routes = {operation["operationId"]: (path, operation) for _, path, operation in operations(document)}
        wanted: dict[str, set[str]] = defaultdict(set)
        for scope in SCOPES:
            async with desk.desktop("crm", *all_but(scope)) as socket:
                for name in commands():
                    path, operation = routes[BY_ANOTHER_NAME.get(name, name)]
                    fields = fields_of(name, path, body_of(document, operation))
                    error = (await socket.say(name, **fields)).get("error", {})
                    assert error.get("code") != "malformed", (name, error)
                    wanted[name] |= lacking(error.get("reason", ""))
        asked = {name: set(scopes_of(routes[BY_ANOTHER_NAME.get(name, name)][1])) for name in commands()}
        assert dict(wanted) == asked


async def test_the_wider_scope_does_for_the_narrower_one_at_both_doors() -> None:
    async with front_desk(PATIENT) as desk:
        id_ = await desk.stage.answered_call()
        rest, socket = ("interaction:read", "interaction:all"), ("interaction:read", "interaction:supervise")
        for scopes, allowed in ((rest, True), (socket, True), (("interaction:read",), False)):
            async with desk.crm(token("sue", *scopes)) as crm, desk.desktop("sam", *scopes) as desktop:
                answer = await crm.post(f"/api/v2/interactions/{id_}/supervision", json={"mode": "monitor"})
                reply = await desktop.say("superviseInteraction", interactionId=id_, mode="monitor")
                assert (answer.status_code == 200, reply["ok"]) == (allowed, allowed), (
                    scopes,
                    answer.text,
                    reply,
                )
