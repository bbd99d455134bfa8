"""The OpenAPI description: what the framework knows of us, and what only we know.

Bodies are read by hand, so that every wrong field is named at once, and every error is a problem;
the framework sees neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from almoner.platform.admission import NEVER_REFUSED
from almoner.platform.errors import ProblemView
from almoner.platform.http import PROBLEM_MEDIA_TYPE, AnyRequest

PATH: Final = "/openapi.json"
_REFERENCE: Final = "#/components/schemas/{name}"
_PROBLEM: Final[dict[str, Any]] = {
    PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="ProblemView")}}
}
_OTHER: Final[dict[str, Any]] = {
    "description": "Any error, as RFC 9457 problem details.",
    "content": _PROBLEM,
}


def problem_answer(description: str) -> ResponseSpec:
    """How a handler declares an error that it may answer with."""
    return ResponseSpec(
        ProblemView, description=description, media_type=PROBLEM_MEDIA_TYPE, generate_examples=False
    )


class Described(msgspec.Struct, frozen=True):
    """What the framework cannot see, by path and method.

    `bodies`: what is sent, a type or a media type object by hand. `parameters`: what a parameter
    may be, also by its name. `links`: what can be asked next with an answer, by its status.
    """

    bodies: Mapping[tuple[str, str], type[msgspec.Struct] | dict[str, Any]] = {}
    parameters: Mapping[tuple[str, str, str], dict[str, Any]] = {}
    links: Mapping[tuple[str, str, str], dict[str, Any]] = {}

    def __or__(self, other: Described) -> Described:
        """Both."""
        return Described(
            {**self.bodies, **other.bodies},
            {**self.parameters, **other.parameters},
            {**self.links, **other.links},
        )


def openapi_handler(described: Described) -> HTTPRouteHandler:
    """The handler of `/openapi.json`."""
    made: list[bytes] = []

    @get(PATH, include_in_schema=False, sync_to_thread=False)
    def openapi(request: AnyRequest) -> Response[bytes]:
        if not made:
            made.append(msgspec.json.encode(describe(request.app, described)))
        etag = f'"{hashlib.sha256(made[0]).hexdigest()[:20]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(b"", status_code=304, headers=headers)
        return Response(made[0], media_type="application/json", headers=headers)

    return openapi


def describe(application: Litestar, described: Described) -> dict[str, Any]:
    """The description as an object."""
    whole: dict[str, Any] = application.openapi_schema.to_schema()
    types = [body for body in described.bodies.values() if isinstance(body, type)]
    _, schemas = msgspec.json.schema_components([*types, ProblemView], ref_template=_REFERENCE)
    whole["components"]["schemas"] |= schemas
    for path, ways in whole["paths"].items():
        for method, operation in ways.items():
            _describe_errors(path, operation["responses"])
            for parameter in operation.get("parameters", []):
                said = described.parameters.get((path, method, parameter["name"]), {})
                parameter["schema"] = _without_null(parameter["schema"]) | said
            for status, answer in operation["responses"].items():
                if links := described.links.get((path, method, status)):
                    answer["links"] = links
            if body := described.bodies.get((path, method)):
                operation["requestBody"] = {
                    "required": True,
                    "content": {"application/json": _media_type(body)},
                }
    return whole


def _media_type(body: type[msgspec.Struct] | dict[str, Any]) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    return {"schema": {"$ref": _REFERENCE.format(name=body.__name__)}}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is not sent as null."""
    ways = schema.get("oneOf", [])
    if {"type": "null"} not in ways or len(ways) != 2:
        return schema
    rest = {name: value for name, value in schema.items() if name != "oneOf"}
    said: dict[str, Any] = next(way for way in ways if way != {"type": "null"})
    return said | rest


def _describe_errors(path: str, responses: dict[str, Any]) -> None:
    """Every error is a problem; the framework's own error object is never sent."""
    for status, answer in list(responses.items()):
        if status < "400":
            continue
        content = answer.setdefault("content", {})
        if "application/json" in content:
            del responses[status]
        elif not content.get(PROBLEM_MEDIA_TYPE, {}).get("schema", {}).get("$ref"):
            answer["content"] = _PROBLEM
    if path not in NEVER_REFUSED:
        too_much = {"description": "Too much at once; come again after Retry-After."}
        responses.setdefault("503", {**too_much, "content": _PROBLEM})
    responses["default"] = _OTHER
