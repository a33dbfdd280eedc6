"""Every body in the OpenAPI document has an example, and every example is what the schema says."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI

from signaling.web.rest import example
from signaling.web.rest.openapi import install_openapi
from signaling.web.rest.routes import ROUTERS


def made() -> dict[str, Any]:
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    install_openapi(app)
    return app.openapi()


DOCUMENT = made()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each media type of each request and answer, with where it stands."""
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield f"{name} request", media
            for status, response in operation["responses"].items():
                for media in response.get("content", {}).values():
                    yield f"{name} {status}", media


BODIES = dict(bodies())


@pytest.mark.parametrize("where", BODIES)
def test_every_body_has_an_example_that_its_schema_allows(where: str) -> None:
    media = BODIES[where]
    assert "example" in media, f"{where} has none: write one in signaling/web/rest/example.py"
    schema = {**media["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validate(schema, media["example"])


def test_an_example_that_its_schema_forbids_is_noticed() -> None:
    schema = {**BODIES["addParticipant request"]["schema"], "components": DOCUMENT["components"]}
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, {"participantId": ""})


# Of routes that are no router of ours: tests/interop/web/test_web_hostile.py reads the whole document.
ELSEWHERE = {
    "Beginning",
    "PasswordChange",
    "PasswordSignIn",
    "Renewal",
    "Return",
    "SignInWays",
    "SignedIn",
    "TokenAnswer",
    "TokenTrouble",
}


@pytest.mark.parametrize("name", set(example.ANSWERS) - ELSEWHERE)
def test_the_example_of_an_answer_shows_every_field(name: str) -> None:
    assert set(example.ANSWERS[name]) == set(SCHEMAS[name]["properties"])


def test_there_is_no_example_of_what_is_gone() -> None:
    assert {*example.REQUESTS, *example.ANSWERS} - ELSEWHERE <= set(SCHEMAS)


def test_refusals_are_told_with_their_own_status_and_code() -> None:
    refusals = {
        (int(where.rsplit(" ", 1)[1]), media["example"]["status"])
        for where, media in BODIES.items()
        if not where.endswith("request") and where.rsplit(" ", 1)[1] >= "400"
    }
    assert {declared for declared, _ in refusals} == {400, 401, 403, 404, 409, 412, 413, 422, 429, 503}
    assert all(declared == told for declared, told in refusals)
