"""A proposal, and what became of it."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from almoner.payments.attempt import AttemptRow, AttemptState

Decision = Literal["charged", "not_charged", "refund"]
Verdict = Literal["approved", "withdrawn"]

NAME_LENGTH_MAX: Final = 100


class ReviewRefused(Exception):
    """What was asked for cannot be done; the text says why, in a sentence for staff."""


class Proposal(Struct, frozen=True):
    """What one person proposes about one attempt as it was then, and the answer to it."""

    proposal_id: UUID
    attempt_id: UUID
    attempt_version: int
    attempt_state: AttemptState
    decision: Decision
    gateway_transaction_id: str | None
    proposed_by: str
    because: str
    proposed_ms: int
    verdict: Verdict | None = None
    given_by: str | None = None
    given_ms: int | None = None

    def fits(self, attempt: AttemptRow) -> bool:
        """Whether the attempt is still as it was when this was proposed."""
        return attempt.version == self.attempt_version and attempt.state is self.attempt_state


def name_of(text: str) -> str:
    """A person's name as it is written down. Raises ReviewRefused for none."""
    name = " ".join(text.split())
    if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise ReviewRefused("Say who you are: a name of up to 100 characters.")
    return name


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: capitals and spaces make nobody another."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
