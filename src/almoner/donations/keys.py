"""Idempotency keys and form tickets: what names a gift before it exists, and whose it is."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from msgspec import Struct, structs

from almoner.platform.clock import now_ms
from almoner.platform.errors import FieldError, Invalid, Problem
from almoner.platform.ids import IdDeriver, Tokens, new_id, time_of

FORM_MS: Final = 24 * 3600 * 1000
"""How long a form may be open before its ticket makes no new gift."""

_KEY: Final = re.compile(r"[\x21-\x7e]{20,255}")
_OURS: Final = "service"
_FORM: Final = "form"


class RequestKey(Struct, frozen=True):
    """A scope and a key. The scope is the caller's, so that nobody repeats another's request.

    It is `key` where nothing but the key is known of the caller, `form` with a form ticket (the
    key then is the ticket's own, because one form makes one gift), and `service` in front of
    either for one of our own services. `form_issued_ms` is when the form was opened.
    """

    scope: str
    key: str
    form_issued_ms: int | None = None

    def donation_id(self, ids: IdDeriver) -> UUID:
        """The id of the one donation that this key can make, now and on every node.

        A key that is a UUIDv7 lends the id its time, so that ids sort and indexes stay compact.
        """
        return ids.derive("donation", self.scope, self.key, at_ms=_time_in(self.key))

    def demand_new(self) -> None:
        """Raise Invalid where the form was open for too long to make a new gift.

        What was given through it before is told for ever.
        """
        if self.form_issued_ms is not None and now_ms() - self.form_issued_ms > FORM_MS:
            raise Invalid([_form_token_error("expired", "This form was open for too long.")])


class FormTokens:
    """Tickets of forms: signed, good for one gift, and for a key where a plain script has none."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def issue(self) -> tuple[str, int]:
        """A new ticket, and when it ends (milliseconds since 1970).

        It is a UUIDv7, which tells when it was issued, and our signature.
        """
        ticket = new_id()
        return f"{ticket}.{self._tokens.sign(str(ticket))}", (time_of(ticket) or 0) + FORM_MS

    def read(self, token: str) -> RequestKey:
        """The key that a ticket stands for, however old it is. Raises Invalid at `form_token`."""
        text, _, signature = token.partition(".")
        if not self._tokens.verify(text, signature):
            raise Invalid([_form_token_error("invalid", "This token was not made here.")])
        return RequestKey(_FORM, text, time_of(UUID(text)))


def read_key(
    header: str | None, form_token: object, tokens: FormTokens, *, ours: bool = False
) -> RequestKey:
    """The key of a request: the form ticket in its body, or else its header.

    With both, the ticket names the gift; the header is checked and has no further meaning. Raises
    Problem 400 when there is neither or when the header is not a key.
    """
    if header is not None and not _KEY.fullmatch(header):
        raise Problem(
            400,
            "idempotency_key_malformed",
            "The Idempotency-Key cannot be used",
            "Use 20 to 255 visible ASCII characters, for example a UUID.",
        )
    if isinstance(form_token, str) and form_token:
        key = tokens.read(form_token)
    elif header is not None:
        key = RequestKey("key", header)
    else:
        raise Problem(
            400,
            "idempotency_key_missing",
            "An Idempotency-Key is needed",
            "Send the header Idempotency-Key with a new UUID (version 7 is best) for each gift, "
            "and the same one when you repeat a request. A plain script may instead take a "
            "form_token from GET /donation-form and send it in the body.",
        )
    return structs.replace(key, scope=f"{_OURS}:{key.scope}") if ours else key


def _time_in(key: str) -> int | None:
    if len(key) not in (32, 36):
        return None
    try:
        return time_of(UUID(key))
    except ValueError:
        return None


def _form_token_error(code: str, message: str) -> FieldError:
    return FieldError("form_token", code, message + " Take a new one from GET /donation-form.")
