"""Show one donation to whoever holds its read token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from almoner.donations import queries
from almoner.donations.ask_again import ASKED_AGAIN
from almoner.donations.errors import NotFoundOrNotYours
from almoner.donations.facts import DonationFacts
from almoner.donations.finish import FinishLinks
from almoner.donations.status import STATUS_OF, Status, status_of
from almoner.payments.attempt import AttemptRow
from almoner.payments.declines import DONOR_WORDS
from almoner.payments.due.nudge import Nudges
from almoner.payments.latest import latest
from almoner.platform.clock import rfc3339
from almoner.platform.db import Database
from almoner.platform.ids import Tokens

_MOVES_MAX: Final = 1_000_000
"""More than one attempt can ever make: it is looked at for a week and then rests."""


class DonationView(Struct, frozen=True):
    """A donation as its donor sees it. Times are RFC 3339, `amount` is in major units.

    `version` counts up: of two answers the one with the greater is the newer, whichever way and
    in whichever order they came.
    """

    donation_id: str
    status: Status
    amount: str
    currency: str
    charity_id: int
    charity_name: str
    charity_slug: str
    donation_timestamp: str
    transaction_id: str | None
    error_message: str | None
    code: str | None
    updated_at: str
    version: int
    finish_path: str | None = None


def show_kept(facts: DonationFacts) -> DonationView:
    """A donation that waits in the journal: taken, and nothing has been sent."""
    return DonationView(
        donation_id=str(facts.donation_id),
        status="processing",
        amount=facts.money.decimal_text(),
        currency=facts.money.currency,
        charity_id=facts.charity_id,
        charity_name=facts.charity_name,
        charity_slug=facts.charity_slug,
        donation_timestamp=rfc3339(facts.created_ms),
        transaction_id=None,
        error_message=None,
        code=None,
        updated_at=rfc3339(facts.created_ms),
        version=0,
    )


async def show(
    database: Database,
    donation_id: UUID,
    links: FinishLinks | None = None,
    nudges: Nudges | None = None,
) -> DonationView:
    """The donation as it stands now. Raises NotFoundOrNotYours, or DatabaseAway.

    With `nudges`, a charge in doubt is looked up soon because somebody reads of it. The read does
    not wait for that.
    """
    facts = await queries.read_facts(database, donation_id)
    if facts is None:
        raise NotFoundOrNotYours
    async with database.connection() as connection:
        attempts = await latest(connection, [(facts.donation_id, facts.donor_id)])
    return _view(facts, attempts[facts.donation_id], links, nudges)


async def show_many(
    database: Database,
    links: FinishLinks | None,
    nudges: Nudges | None,
    donation_ids: Sequence[UUID],
) -> dict[UUID, DonationView]:
    """Donations as they stand now, by id, with one look at the database. See `show`.

    Leaves out those that are not in the database. Raises DatabaseAway.
    """
    async with database.connection() as connection:
        facts = await queries.read_many_facts(connection, donation_ids)
        attempts = await latest(connection, [(f.donation_id, f.donor_id) for f in facts.values()])
    return {i: _view(facts[i], attempts[i], links, nudges) for i in facts if i in attempts}


def _view(
    facts: DonationFacts, attempt: AttemptRow, links: FinishLinks | None, nudges: Nudges | None
) -> DonationView:
    if nudges is not None:
        nudges.read(attempt)
    status = status_of(attempt)
    code = (attempt.decline_code or "not_charged") if status == "failure" else None
    return DonationView(
        donation_id=str(facts.donation_id),
        status=status,
        amount=facts.money.decimal_text(),
        currency=facts.money.currency,
        charity_id=facts.charity_id,
        charity_name=facts.charity_name,
        charity_slug=facts.charity_slug,
        donation_timestamp=rfc3339(_happened_ms(attempt, facts.created_ms)),
        transaction_id=attempt.gateway_transaction_id if status != "failure" else None,
        error_message=DONOR_WORDS[code] if code else None,
        code=code,
        updated_at=rfc3339(attempt.observed_ms or attempt.dispatched_ms),
        version=attempt.number * _MOVES_MAX + attempt.version,
        finish_path=links.path_of(facts) if links and code in ASKED_AGAIN else None,
    )


def check_token(tokens: Tokens, donation_id: UUID, authorization: str | None) -> None:
    """Raise NotFoundOrNotYours unless the header carries this donation's read token."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not tokens.verify(donation_id.hex, token.strip()):
        raise NotFoundOrNotYours


def _happened_ms(attempt: AttemptRow, created_ms: int) -> int:
    """When the money moved, or else when the donor asked."""
    moved = STATUS_OF[attempt.state] in ("success", "disputed")
    return (attempt.captured_ms or attempt.observed_ms or created_ms) if moved else created_ms
