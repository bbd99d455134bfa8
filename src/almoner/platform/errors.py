"""What can go wrong, as one sentence with a status (RFC 9457 problem details)."""

from __future__ import annotations

from typing import Any

import msgspec

from almoner.platform.clock import jitter

PROBLEM_TYPE_PREFIX = "urn:almoner:problem:"
RETRY_AFTER_S = (3, 8)
"""The least and the most that a `Retry-After` of ours says."""


class FieldError(msgspec.Struct, frozen=True):
    """One field of the input that cannot be used: which, a stable code, and what to do."""

    field: str
    code: str
    message: str


class ProblemView(msgspec.Struct, frozen=True):
    """RFC 9457 problem details, as they are sent.

    `errors` names the fields of a 422; `donation_id` is the first gift of a `possible_duplicate`;
    `challenge` is the puzzle of a `challenge_needed`.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
    donation_id: str | msgspec.UnsetType = msgspec.UNSET
    challenge: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Problem(Exception):
    """An answer other than success. Raised anywhere, rendered once by `platform.http`.

    `members` are further members of the problem object; they may override `status`, as the
    wire contract does for a declined gift.
    """

    def __init__(
        self,
        http_status: int,
        code: str,
        title: str,
        detail: str = "",
        *,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
        members: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.http_status = http_status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = errors or []
        self.headers = headers or {}
        self.members = members or {}

    def body(self) -> dict[str, Any]:
        """The problem object, without the members that are empty."""
        body: dict[str, Any] = {
            "type": PROBLEM_TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.http_status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [
                {"field": e.field, "code": e.code, "message": e.message} for e in self.errors
            ]
        return body | self.members


class Unavailable(Problem):
    """Something we need is away. Nothing was changed; the caller may try again.

    When to try again differs from answer to answer, so that those who were refused together do
    not come back together.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str = "unavailable",
        title: str = "Not available right now",
        retry_after_s: int | None = None,
    ) -> None:
        if retry_after_s is None:
            retry_after_s = jitter().randint(*RETRY_AFTER_S)
        super().__init__(503, code, title, detail, headers={"Retry-After": str(retry_after_s)})


class Overloaded(Unavailable):
    """More is asked at once than can be done. Nothing was changed by this request."""

    def __init__(self) -> None:
        super().__init__(
            "Too much is asked for at once. Please try again in a moment.",
            code="overloaded",
            title="Too much at once",
        )


class Invalid(Problem):
    """Input that cannot be used, every field at once."""

    def __init__(self, errors: list[FieldError]) -> None:
        fields = ", ".join(dict.fromkeys(e.field for e in errors))
        super().__init__(
            422, "invalid", "Some fields need another look", f"Please check: {fields}.",
            errors=errors,
        )  # fmt: skip


class NotFound(Problem):
    """What was asked for is not here, or not yours."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, "not_found", "Not found", detail)
