"""Recover: write a gift down again that a restored database has lost and the gateway still knows.

The donor is lost with it. What is written is what is known: the charity, the amount, the attempt.
The attempt begins as sent and in doubt, so that the resolver looks it up and settles it like any
other, with its ledger entries, event and answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from almoner.donations.gift import RecoveredGift
from almoner.donations.recovered import queries
from almoner.donors.donor import Donor, donor_id_of
from almoner.donors.remember import remember
from almoner.payments.attempt import FINAL_NO, Attempt, attempt_id_of
from almoner.payments.latest import latest
from almoner.payments.stamp import stamp
from almoner.platform.db import Connection
from almoner.platform.ids import IdDeriver, new_id

ATTEMPTS_MAX: Final = 50
"""No donation has had as many attempts."""


def unknown_donor(ids: IdDeriver) -> Donor:
    """Who gave what was recovered. `.invalid` is nobody's (RFC 2606)."""
    email = "unknown@recovered.invalid"
    return Donor(donor_id_of(ids, email), email, email, "Unknown", "(recovered)", "en")


def number_of(ids: IdDeriver, donation_id: UUID, attempt_id: UUID) -> int | None:
    """Which attempt of a donation this is; None when it is none, so the reference does not fit."""
    numbers = range(1, ATTEMPTS_MAX + 1)
    return next((n for n in numbers if attempt_id_of(ids, donation_id, n) == attempt_id), None)


async def recover(
    connection: Connection, ids: IdDeriver, gateway: str, gifts: Sequence[RecoveredGift]
) -> set[UUID]:
    """Write them down inside the caller's transaction; gives the attempts that are there now.

    One that is missing from the answer cannot be: its donation has another attempt that is live.
    """
    donor = unknown_donor(ids)
    await remember(connection, [donor])
    await queries.insert_recovered(connection, gifts, donor, new_id())
    donors = await queries.donors_of(connection, [gift.donation_id for gift in gifts])
    newest = await latest(connection, list(donors.items()))
    live = {payable for payable, attempt in newest.items() if attempt.state not in FINAL_NO}
    attempts: list[Attempt] = []
    for gift in gifts:
        if gift.donation_id not in live:
            live.add(gift.donation_id)
            attempts.append(_attempt(gift, donors[gift.donation_id], gateway))
    if attempts:
        await stamp(connection, attempts, check_after_ms=0)
    return {attempt.attempt_id for attempt in attempts}


def _attempt(gift: RecoveredGift, donor_id: UUID, gateway: str) -> Attempt:
    return Attempt(
        gift.attempt_id,
        donor_id,
        gift.donation_id,
        gift.number,
        gateway,
        gift.money,
        new_id(),
        gift.charged_ms,
    )
