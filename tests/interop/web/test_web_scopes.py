"""Every route of the document: it refuses a stranger, and whoever lacks one of the scopes it names."""

import re
from typing import Any

import httpx

from signaling.web.auth import SCOPES
from tests.interop.web.front_desk import FrontDesk, front_desk, token

PATIENT = {"requests_per_second": 1000}
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
                others = sorted(set(SCOPES) - {scope})
                refused = await ask(desk, token("crm", *others), method, path, body)
                assert refused.status_code == 403, (method, path, scope, refused.text)
                assert refused.json()["code"] == "forbidden"
                assert scope in refused.json()["reason"], (method, path, refused.text)
            allowed = await ask(desk, token("crm", *scopes), method, path, body)
            assert allowed.status_code not in (401, 500), (method, path, allowed.text)


async def test_what_changes_something_asks_for_a_scope_that_only_changing_wants() -> None:
    async with front_desk(PATIENT) as desk, desk.crm() as crm:
        document = (await crm.get("/openapi.json")).json()
    readers = {scope for scope in SCOPES if scope.endswith(":read")}
    for method, path, operation in operations(document):
        if method != "GET":
            assert set(scopes_of(operation)) - readers, f"{method} {path}"
