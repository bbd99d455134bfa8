"""What can keep a gift from being taken although its form is right."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from almoner.platform.clock import jitter
from almoner.platform.errors import Problem, Unavailable

BREAK_S: Final = (120, 180)
"""The least and the most that a script is sent away for while a charity takes a break."""


class KeyReused(Problem):
    """The key came before with other content."""

    def __init__(self) -> None:
        super().__init__(
            422,
            "key_reused",
            "This Idempotency-Key belongs to another gift",
            "The same key was used with other content. Use a new key for a new gift; repeat a "
            "gift with the content it had.",
        )


class InFlight(Problem):
    """The same request is being worked on right now."""

    def __init__(self) -> None:
        super().__init__(
            409,
            "in_flight",
            "This gift is being processed",
            "The first request with this key has no answer yet. Ask again with the same key.",
            headers={"Retry-After": "2"},
        )


class PossibleDuplicate(Problem):
    """A gift just like this one was made minutes ago, or is still in doubt."""

    def __init__(self, first_donation_id: UUID) -> None:
        super().__init__(
            409,
            "possible_duplicate",
            "Did you mean to give twice?",
            "A gift of the same amount to the same charity from the same address was made "
            "minutes ago or is still being confirmed. To give once more, send the request again "
            'with "confirm_duplicate": true.',
            members={"donation_id": str(first_donation_id)},
        )


class ChallengeNeeded(Problem):
    """A proof of work is needed first; a page does it by itself. Nothing was changed."""

    def __init__(self, challenge: dict[str, Any]) -> None:
        super().__init__(
            428,
            "challenge_needed",
            "One moment: we check that you are a person",
            "Nothing was charged by this request. Solve the challenge (ALTCHA, version 2) and send "
            "the same request with the same key again, with the solution in challenge_solution.",
            members={"challenge": challenge},
        )


class TakingABreak(Problem):
    """The charity's page takes no gifts from scripts for a while. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "charity_paused",
            "This page takes a short break",
            "Too many cards were declined here within a short time. Nothing was charged by this "
            "request. Please give through the charity's page, or try again in some minutes.",
            headers={"Retry-After": str(jitter().randint(*BREAK_S))},
        )


class NotFoundOrNotYours(Problem):
    """No donation with this id, or a token that is not its own: nobody learns which."""

    def __init__(self) -> None:
        super().__init__(
            404,
            "not_found",
            "No such donation",
            "There is no donation with this id, or the read token does not belong to it. Send "
            "the read_token of the answer that created it as Authorization: Bearer.",
        )


class KeptElsewhere(Unavailable):
    """A gift whose read token is right, and which this process cannot find.

    Another process may keep it; or the data was lost, and is not whole again. Nothing is known of
    its charge, so nothing is claimed of it.
    """

    def __init__(self) -> None:
        super().__init__(
            "We cannot find your gift right now. Another of our processes may keep it. We do not "
            "know whether you were charged. Please do not give again; ask again in a moment, with "
            "the same link.",
        )
