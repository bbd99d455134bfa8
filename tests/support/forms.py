"""Tickets of forms that were opened some time ago, and the work that a page does by itself."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from almoner.donations.keys import FormTokens
from almoner.platform.clock import sources
from almoner.platform.ids import Tokens
from support.installation import SECRET_KEY


@contextmanager
def at(seconds: float) -> Iterator[None]:
    """The time of day is so many seconds from now (or ago, below zero)."""
    before = sources.time_ns
    sources.time_ns = lambda: time.time_ns() + int(seconds * 1e9)
    try:
        yield
    finally:
        sources.time_ns = before


def ticket(*, age_s: float = 10) -> str:
    """The ticket of a form that was opened so long ago."""
    with at(-age_s):
        return FormTokens(Tokens(SECRET_KEY, "form")).issue()[0]


def solve(challenge: dict[str, Any]) -> str:
    """The solution of a challenge, as a page sends it."""
    parameters = challenge["parameters"]
    start = bytes.fromhex(parameters["salt"]) + bytes.fromhex(parameters["nonce"])
    wanted = bytes.fromhex(parameters["keyPrefix"])
    counter = 0
    while not (key := hashlib.sha256(start + counter.to_bytes(4)).digest()).startswith(wanted):
        counter += 1
    solution = {"counter": counter, "derivedKey": key.hex()}
    return b64encode(json.dumps({"challenge": challenge, "solution": solution}).encode()).decode()
