"""Invariant 7: what was told is true."""

from __future__ import annotations

from typing import Final

from almoner.money import EXPONENTS
from almoner.operations.invariant import LIVE, Check, Invariant

_OTHER_DECIMALS: Final = " ".join(
    f"WHEN '{currency}' THEN {decimals}"
    for currency, decimals in EXPONENTS.items()
    if decimals != 2
)
_AMOUNT: Final = """
    round(d.amount_minor / 10::numeric ^ e.decimals, e.decimals)::text
"""
"""A donation's amount as answers write it: major units with all of the currency's decimals."""


class ToldIsTrue(Invariant):
    """The stored answer, which is what the donor read, fits what happened to the money.

    Answers are searched as bytes, so that one that cannot be read is a breach and not an error. The
    charity's name is not compared: charities are renamed, and an answer keeps the name of its day.
    """

    number = 7
    sentence = "Told = true."
    checks = (
        Check(
            "told_paid_is_paid",
            "Who was told 'paid' has paid, by that transaction.",
            """
            SELECT r.donation_id::text FROM {records} AS r
            WHERE r.response_status = 201 AND NOT EXISTS (
                SELECT FROM payment_attempt AS a
                WHERE a.payable_id = r.donation_id AND a.donor_id = r.donor_id
                  AND a.state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN', 'DECLINED', 'NOT_SENT',
                                      'NOT_CHARGED', 'ABANDONED', 'EXPIRED')
                  AND (r.response_body = ''
                       OR position(convert_to('"' || a.gateway_transaction_id || '"', 'UTF8')
                                   IN r.response_body) > 0))
            """,
        ),
        Check(
            "told_what_was_given",
            "Each stored answer tells the amount, currency and charity of its donation.",
            f"""
            SELECT r.donation_id::text FROM {{records}} AS r
            JOIN donation AS d ON d.donation_id = r.donation_id AND d.donor_id = r.donor_id
            CROSS JOIN LATERAL (
                SELECT CASE d.currency {_OTHER_DECIMALS} ELSE 2 END AS decimals) AS e
            WHERE r.response_body <> '' AND (
                position(convert_to('"amount":"' || {_AMOUNT} || '"', 'UTF8')
                         IN r.response_body) = 0
                OR position(convert_to('"currency":"' || d.currency || '"', 'UTF8')
                            IN r.response_body) = 0
                OR position(convert_to('"charity_id":' || d.charity_id || ',', 'UTF8')
                            IN r.response_body) = 0)
            """,
        ),
        Check(
            "charity_is_the_one_chosen",
            "A donation's charity is the one whose income has its money, and that events tell of.",
            """
            SELECT d.donation_id::text FROM {donations} AS d
            JOIN payment_attempt AS a ON a.payable_id = d.donation_id AND a.donor_id = d.donor_id
            JOIN ledger_entry AS f
                 ON f.source_id = a.attempt_id AND f.donor_id = a.donor_id AND f.leg = 1
            JOIN ledger_entry AS l ON l.transfer_id = f.transfer_id AND l.donor_id = f.donor_id
            WHERE starts_with(l.account, 'charity_income:')
              AND l.account <> 'charity_income:' || d.charity_id
            UNION
            SELECT d.donation_id::text FROM {events} AS e
            JOIN donation AS d ON d.donation_id = e.donation_id AND d.donor_id = e.donor_id
            WHERE e.payload ->> 'attempt_id' IS NOT NULL
              AND (e.payload ->> 'charity_id' <> d.charity_id::text
                   OR e.payload ->> 'amount_minor' <> d.amount_minor::text
                   OR e.payload ->> 'currency' <> d.currency)
            """,
        ),
        Check(
            "told_unpaid_is_unpaid",
            "Who was told 'not charged' was not charged.",
            f"""
            SELECT r.donation_id::text FROM {{records}} AS r
            WHERE r.response_status = 402 AND EXISTS (
                SELECT FROM payment_attempt AS a
                WHERE a.payable_id = r.donation_id AND a.donor_id = r.donor_id
                  AND a.state IN {LIVE})
            """,
        ),
    )
