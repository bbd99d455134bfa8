"""What no answer of the API may be, whatever was asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from schemathesis import Case, Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

AnyCase = Case[Any]
REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text()
UNLISTED = {"not_found", "metrics_not_public", "service_credential_needed", "method_not_allowed"}
"""Codes that say no more than their status."""


def judge(case: AnyCase, answer: Response) -> None:
    """Raise what Schemathesis finds, or AssertionError.

    Not judged is whether everything that fits the schema is accepted: that an address must be
    whole or that an amount has bounds is no matter of schemas.
    """
    case.validate_response(answer, excluded_checks=[positive_data_acceptance])
    where = case.as_curl_command()
    assert answer.status_code < 500 or answer.status_code == 503, where
    described = case.operation.definition.raw["responses"]
    assert str(answer.status_code) in described, (answer.status_code, where)
    if answer.status_code >= 400:
        _judge_problem(answer, where)
    if answer.status_code in (429, 503):
        assert answer.headers["retry-after"], where


def _judge_problem(answer: Response, where: str) -> None:
    """RFC 9457, with a code that clients can look up."""
    assert answer.headers["content-type"] == ["application/problem+json"], where
    problem: dict[str, Any] = answer.json()
    code = problem["code"]
    assert problem["title"], where
    assert re.fullmatch(r"urn:almoner:problem:[a-z_]+", problem["type"]), where
    assert f"`{code}`" in REFERENCE or code in UNLISTED, (code, where)
    if answer.status_code != 402:
        assert problem["status"] == answer.status_code, where
        assert problem["type"].endswith(f":{code}"), where
