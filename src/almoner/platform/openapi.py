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

from almoner.platform.errors import ProblemView
from almoner.platform.http import PROBLEM_MEDIA_TYPE, AnyRequest

PATH: Final = "/openapi.json"
_REFERENCE: Final = "#/components/schemas/{name}"
_OTHER: Final[dict[str, Any]] = {
    "description": "Any error, as RFC 9457 problem details.",
    "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="ProblemView")}}},
}

Bodies = Mapping[tuple[str, str], type[msgspec.Struct] | dict[str, Any]]


def problem_answer(description: str) -> ResponseSpec:
    """How a handler declares an error that it may answer with."""
    return ResponseSpec(
        ProblemView, description=description, media_type=PROBLEM_MEDIA_TYPE, generate_examples=False
    )


def openapi_handler(bodies: Bodies) -> HTTPRouteHandler:
    """The handler of `/openapi.json`.

    `bodies` says by path and method what is sent: a type, or a media type object by hand.
    """
    made: list[bytes] = []

    @get(PATH, include_in_schema=False, sync_to_thread=False)
    def openapi(request: AnyRequest) -> Response[bytes]:
        if not made:
            made.append(msgspec.json.encode(describe(request.app, bodies)))
        etag = f'"{hashlib.sha256(made[0]).hexdigest()[:20]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(b"", status_code=304, headers=headers)
        return Response(made[0], media_type="application/json", headers=headers)

    return openapi


def describe(application: Litestar, bodies: Bodies) -> dict[str, Any]:
    """The description as an object."""
    described: dict[str, Any] = application.openapi_schema.to_schema()
    types = [body for body in bodies.values() if isinstance(body, type)]
    _, schemas = msgspec.json.schema_components([*types, ProblemView], ref_template=_REFERENCE)
    described["components"]["schemas"] |= schemas
    for path, ways in described["paths"].items():
        for method, operation in ways.items():
            _correct_errors(operation["responses"])
            body = bodies.get((path, method))
            if body is not None:
                operation["requestBody"] = {
                    "required": True,
                    "content": {"application/json": _media_type(body)},
                }
    return described


def _media_type(body: type[msgspec.Struct] | dict[str, Any]) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    return {"schema": {"$ref": _REFERENCE.format(name=body.__name__)}}


def _correct_errors(responses: dict[str, Any]) -> None:
    """The framework's own error object is never sent; a problem is."""
    for status, answer in list(responses.items()):
        if status >= "400" and PROBLEM_MEDIA_TYPE not in answer.get("content", {}):
            del responses[status]
    responses["default"] = _OTHER
