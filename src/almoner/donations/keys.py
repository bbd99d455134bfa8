"""Idempotency keys: what names a gift before it exists."""

from __future__ import annotations

import re
import secrets
from typing import Final
from uuid import UUID

from almoner.platform.clock import now_ms
from almoner.platform.errors import FieldError, Invalid, Problem
from almoner.platform.ids import IdDeriver, Tokens, time_of

_KEY: Final = re.compile(r"[\x21-\x7e]{20,255}")
_FORM_TOKEN_MS: Final = 24 * 3600 * 1000


class RequestKey:
    """A scope and a key. The scope keeps one caller's keys apart from another kind of caller's."""

    __slots__ = ("key", "scope")

    def __init__(self, scope: str, key: str) -> None:
        self.scope = scope
        self.key = key

    def donation_id(self, ids: IdDeriver) -> UUID:
        """The id of the one donation that this key can make, now and on every node.

        A key that is a UUIDv7 lends the id its time, so that ids sort and indexes stay compact.
        """
        return ids.derive("donation", self.scope, self.key, at_ms=_time_in(self.key))


class FormTokens:
    """Tokens that stand in for a key where a plain script has none."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def issue(self) -> tuple[str, int]:
        """A new token, and when it ends (milliseconds since 1970)."""
        expires_ms = now_ms() + _FORM_TOKEN_MS
        text = f"{secrets.token_urlsafe(16)}.{expires_ms}"
        return f"{text}.{self._tokens.sign(text)}", expires_ms

    def read(self, token: str) -> RequestKey:
        """The key that a token stands for. Raises Invalid naming `form_token`."""
        text, _, signature = token.rpartition(".")
        if not self._tokens.verify(text, signature):
            raise Invalid([_form_token_error("invalid", "This token was not made here.")])
        if int(text.rpartition(".")[2]) < now_ms():
            raise Invalid([_form_token_error("expired", "This token is too old.")])
        return RequestKey("form", text)


def read_key(header: str | None, form_token: object, tokens: FormTokens) -> RequestKey:
    """The key of a request: its header, or else the form token in its body.

    Raises Problem 400 when there is neither or when the header is not a key.
    """
    if header is None:
        if isinstance(form_token, str) and form_token:
            return tokens.read(form_token)
        raise Problem(
            400,
            "idempotency_key_missing",
            "An Idempotency-Key is needed",
            "Send the header Idempotency-Key with a new UUID (version 7 is best) for each gift, "
            "and the same one when you repeat a request. A plain script may instead take a "
            "form_token from GET /donation-form and send it in the body.",
        )
    if form_token is not None:
        raise Invalid([_form_token_error("conflict", "Send this or an Idempotency-Key, not both.")])
    if not _KEY.fullmatch(header):
        raise Problem(
            400,
            "idempotency_key_malformed",
            "The Idempotency-Key cannot be used",
            "Use 20 to 255 visible ASCII characters, for example a UUID.",
        )
    return RequestKey("key", header)


def _time_in(key: str) -> int | None:
    if len(key) not in (32, 36):
        return None
    try:
        return time_of(UUID(key))
    except ValueError:
        return None


def _form_token_error(code: str, message: str) -> FieldError:
    return FieldError("form_token", code, message + " Take a new one from GET /donation-form.")
