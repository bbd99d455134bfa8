"""Proof of work: a puzzle that a page solves by itself, and that makes trying cards slow.

The form is ALTCHA's, version 2: find the counter whose hash begins as given. Asking and checking
cost us one hash each, whatever the work is. No other host is needed.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections import OrderedDict
from typing import Any, Final

import msgspec
import structlog
from altcha import Payload, create_challenge, verify_solution
from msgspec import Struct

from almoner.donations.levels import Level
from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.clock import jitter, now_ms
from almoner.platform.metrics import CHALLENGED

log = structlog.get_logger(__name__)

SOLUTION_LENGTH_MAX: Final = 2048
VALID_MS: Final = 600_000

_WORK: Final = {Level.CHALLENGE: 1, Level.STRICT: 10, Level.PAUSED: 30}
"""How many times the ordinary work each level asks for."""

_SPENT_PREFIX: Final = "almoner:solution:"
_SPENT_KEPT_MAX: Final = 50_000


class Puzzle(Struct, frozen=True):
    """A challenge as ALTCHA writes it, and until when a solution is taken (ms since 1970)."""

    challenge: dict[str, Any]
    until_ms: int


class Challenges:
    """Sets puzzles and checks what comes back. Nothing is kept but the solutions that were used."""

    def __init__(self, secret_key: str, cache: Cache | None, *, work: int) -> None:
        """`work` is the most hashes of the ordinary puzzle."""
        self._sign_key = _key(secret_key, "sign")
        self._answer_key = _key(secret_key, "answer")
        self._cache = cache
        self._work = work
        self._spent: OrderedDict[str, str] = OrderedDict()

    def set(self, level: Level) -> Puzzle:
        """A new puzzle of this level's work. Between a quarter and all of it is needed."""
        CHALLENGED.labels("asked").inc()
        most = self._work * _WORK[max(level, Level.CHALLENGE)]
        until_ms = now_ms() + VALID_MS
        challenge = create_challenge(
            "SHA-256",
            1,
            counter=jitter().randrange(most // 4, most),
            data={"level": int(level), "until_ms": until_ms},
            hmac_secret=self._sign_key,
            hmac_key_secret=self._answer_key,
        )
        return Puzzle(challenge.to_dict(), until_ms)

    async def solved(self, solution: str | None, name: str, level: Level) -> bool:
        """Whether `solution` is right, hard enough for `level`, and not used for another request.

        `name` is the request that it is spent on: the same one may show it again.
        """
        if solution is None:
            return False
        nonce = self._check(solution, level)
        if nonce is None:
            CHALLENGED.labels("wrong").inc()
            return False
        if await self._spend(nonce, name) != name:
            CHALLENGED.labels("used").inc()
            return False
        CHALLENGED.labels("solved").inc()
        return True

    def _check(self, solution: str, level: Level) -> str | None:
        """The nonce of the puzzle that was solved, if it was."""
        if len(solution) > SOLUTION_LENGTH_MAX:
            return None
        try:
            payload = Payload.from_dict(msgspec.json.decode(b64decode(solution, validate=True)))
            verified = verify_solution(payload, self._sign_key, hmac_key_secret=self._answer_key)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        if not verified.verified:
            return None
        data = payload.challenge.parameters.data or {}
        hard_enough = data["level"] >= level and data["until_ms"] >= now_ms()
        return payload.challenge.parameters.nonce if hard_enough else None

    async def _spend(self, nonce: str, name: str) -> str:
        """The request that the solution belongs to: whoever showed it first."""
        if self._cache is not None:
            try:
                first = await self._cache.set(
                    _SPENT_PREFIX + nonce, name, nx=True, get=True, px=VALID_MS
                )
            except CACHE_AWAY as error:
                log.warning("solutions_without_cache", error=type(error).__name__)
            else:
                return first.decode() if isinstance(first, bytes) else name
        if len(self._spent) >= _SPENT_KEPT_MAX:
            self._spent.popitem(last=False)
        return self._spent.setdefault(nonce, name)


def _key(secret_key: str, purpose: str) -> bytes:
    text = f"almoner/challenge/{purpose}".encode()
    return hmac.digest(secret_key.encode(), text, hashlib.sha256)
