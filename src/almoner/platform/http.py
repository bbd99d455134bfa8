"""HTTP as all features see it: problems, bodies, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.types import ExceptionHandlersMap, Scope

from almoner.platform.addresses import Proxies
from almoner.platform.errors import FieldError, Invalid, NotFound, Problem

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"

AnyRequest = Request[Any, Any, Any]
ClientAddress = Callable[[Scope], str]
_EXPECTED_NUMBER: Final = re.compile(
    r"Expected `int(?: \| null)?`(?: (?P<sign>>=|<=) (?P<bound>-?\d+))?"
)
log = structlog.get_logger(__name__)


def problem_response(problem: Problem) -> Response[bytes]:
    """The one way in which a problem becomes bytes."""
    return Response(
        msgspec.json.encode(problem.body()),
        status_code=problem.http_status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers={
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **problem.headers,
        },
    )


def _handle_problem(_: AnyRequest, problem: Problem) -> Response[bytes]:
    return problem_response(problem)


def _handle_validation(_: AnyRequest, error: ValidationException) -> Response[bytes]:
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [
        FieldError(
            str(e.get("key", "request")), "invalid", _sentence(str(e.get("message", error.detail)))
        )
        for e in extra
        if isinstance(e, dict)
    ]
    return problem_response(Invalid(errors or [FieldError("request", "invalid", error.detail)]))


def _sentence(message: str) -> str:
    """What to do, where the decoder says what it expected in Python's words."""
    found = _EXPECTED_NUMBER.match(message)
    if found is None:
        return message
    bound = {">=": " of at least ", "<=": " of at most "}.get(found["sign"] or "", "")
    return f"Write a whole number{bound}{found['bound'] or ''}."


def _handle_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    if isinstance(error, NotFoundException):
        return problem_response(NotFound("There is nothing at this address."))
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return problem_response(
            Problem(413, "body_too_large", "The body is too large", "Send less at once.")
        )
    headers = dict(error.headers or {})
    if isinstance(error, MethodNotAllowedException):
        detail = f"{request.method} cannot be used here."
    else:
        detail = error.detail if status < HTTPStatus.INTERNAL_SERVER_ERROR else ""
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return problem_response(Problem(status, code, status.phrase, detail, headers=headers))


def _handle_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Our own fault. The text of the error may hold personal data and stays inside."""
    log.error(
        "unexpected_error",
        path=request.scope.get("path_template", request.url.path),
        error=type(error).__name__,
        where=_where(error),
    )
    return problem_response(
        Problem(500, "internal_error", "Something went wrong on our side",
                "It has been noted. Nothing more is known of this request: look before you "
                "repeat it.")
    )  # fmt: skip


def _where(error: BaseException) -> str:
    trace, last = error.__traceback__, ""
    while trace is not None:
        last = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return last


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    Problem: _handle_problem,
    ValidationException: _handle_validation,
    HTTPException: _handle_http,
    Exception: _handle_unexpected,
}


def json_response(
    content: object, status_code: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """A JSON answer, encoded here."""
    return Response(
        msgspec.json.encode(content),
        status_code=status_code,
        media_type=MediaType.JSON,
        headers=headers or {},
    )


def client_address_reader(proxies: Proxies) -> ClientAddress:
    """A function that tells the address a request came from."""

    def read(scope: Scope) -> str:
        client = scope.get("client")
        return proxies.client(client[0] if client else "", scope["headers"])

    return read
