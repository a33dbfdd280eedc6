"""The OpenAPI document at /openapi.json: FastAPI's, made true where FastAPI cannot know better."""

from typing import Any

from fastapi import FastAPI

from signaling.web.rest import example
from signaling.web.rest.rest import PREFIX

TITLE = "warmbridge"
VERSION = "2"
DESCRIPTION = """\
Queue, interaction and participant state of the bridge, for CRM integrations and signaling clients. The websocket
(`/ws`, `signaling/PROTOCOL.md`) takes the same commands and brings the events; media is negotiated only there.

* **Errors** are `application/problem+json` with `code` (for programs) and `reason` (for people).
* **`Idempotency-Key`**: the same key and request again get the stored answer (`Idempotency-Replayed: true`), also
  after a restart; another request with that key gets 422, and while the first is in flight 409 with `Retry-After`.
* **`ETag`** comes with interactions; **`If-Match`** makes a change depend on it (412), **`If-None-Match`** saves
  a reading (304).
* **Tokens** come from `/oauth/token` (client credentials) for machines, from `/api/v2/sign-in` for people.
"""
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A fresh random value for each command; the same one for its retries",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x20-\x7e]+$"},
    "example": "7f9c2ba4-e88f-4d2c-9c3e-1d5d8f1a0b11",
}
_MATCH_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "Change it only if its ETag is still this one",
    "schema": {"type": "string", "maxLength": 512},
    "example": '"int_5f0c9a1e2b3d4c5f.7"',
}
_PROBLEM = "application/problem+json"
_CHANGING = ("post", "put", "patch", "delete")


def install_openapi(app: FastAPI) -> None:
    """Called when all routes are there; the document is made at the first request for it."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _truthful(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it


def _truthful(document: dict[str, Any]) -> dict[str, Any]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith(PREFIX):
                _correct_errors(operation["responses"])
                if method in _CHANGING and not path.startswith(f"{PREFIX}/sign-in"):
                    _add_parameters(operation, path)
            _add_examples(operation)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _correct_errors(responses: dict[str, Any]) -> None:
    """Errors are problem documents; what FastAPI calls 422 is a 400 here."""
    unprocessable = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if str(unprocessable.get("$ref", "")).endswith("HTTPValidationError"):
        del responses["422"]
    for status, response in responses.items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content:
            content[_PROBLEM] = content.pop("application/json")


def _add_examples(operation: dict[str, Any]) -> None:
    """Every body that is a schema of ours has the one of `signaling.web.rest.example`."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        _exemplify(media, example.REQUESTS.get(_schema_name(media)))
    for status, response in operation["responses"].items():
        for kind, media in response.get("content", {}).items():
            name = _schema_name(media)
            if kind != _PROBLEM:
                _exemplify(media, example.ANSWERS.get(name))
            else:
                _exemplify(
                    media, example.CONFLICT if name == "ConflictProblem" else example.PROBLEMS.get(status)
                )


def _exemplify(media: dict[str, Any], value: Any) -> None:
    if value is not None:
        media["example"] = value


def _schema_name(media: dict[str, Any]) -> str:
    """ "" for one without a name; one that may be null is meant without it."""
    schema = media.get("schema", {})
    refs = (part.get("$ref", "") for part in (schema, *schema.get("anyOf", ())))
    return next((ref.rsplit("/", 1)[-1] for ref in refs if ref), "")


def _add_parameters(operation: dict[str, Any], path: str) -> None:
    parameters = operation.setdefault("parameters", [])
    parameters.append(_KEY_PARAMETER)
    if "{interactionId}" in path or path.startswith(f"{PREFIX}/accounts/"):
        parameters.append(_MATCH_PARAMETER)
