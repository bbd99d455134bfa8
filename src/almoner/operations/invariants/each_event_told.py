"""Invariant 12: each event is published, each effect happens once."""

from __future__ import annotations

from almoner.operations.invariant import IN_INCOME, Check, Invariant

_TOTALS_APART = """
    WITH untold AS (
        SELECT (e.payload ->> 'charity_id')::bigint AS charity_id,
               (e.payload ->> 'currency')::char(3) AS currency,
               coalesce(e.payload ->> 'income_minor', e.payload ->> 'amount_minor')::bigint
                   AS raised_minor
        FROM event AS e
        WHERE e.kind IN ('donation.paid', 'donation.settlement_failed', 'donation.money_returned')
          AND NOT EXISTS (SELECT FROM inbox AS i WHERE i.consumer = 'charity_totals'
                          AND i.event_id = e.event_id AND i.donor_id = e.donor_id)
    ), told AS (
        SELECT charity_id, currency, sum(raised_minor) AS raised_minor
        FROM (SELECT charity_id, currency, raised_minor FROM charity_total
              UNION ALL SELECT * FROM untold) AS every
        GROUP BY charity_id, currency
    ), booked AS (
        SELECT split_part(account, ':', 2)::bigint AS charity_id, currency,
               -sum(amount_minor) AS raised_minor
        FROM ledger_entry WHERE starts_with(account, 'charity_income:') GROUP BY account, currency
    )
    SELECT charity_id || ' ' || currency
    FROM booked FULL JOIN told USING (charity_id, currency)
    WHERE coalesce(booked.raised_minor, 0) <> coalesce(told.raised_minor, 0)
"""
"""Both sides in one snapshot. What an event tells and its consumer has not had yet is added, so
that being behind is no breach."""


class EachEventTold(Invariant):
    """What happened is told to those who must hear of it."""

    number = 12
    sentence = "Each event published, each effect once."
    checks = (
        Check(
            "paid_is_told",
            "Every donation in the income has one `donation.paid` event that stands; others none.",
            f"""
            SELECT a.attempt_id::text FROM {{attempts}} AS a
            LEFT JOIN {{events}} AS e ON e.donation_id = a.payable_id AND e.donor_id = a.donor_id
                 AND e.payload ->> 'attempt_id' = a.attempt_id::text
            GROUP BY a.attempt_id, a.state
            HAVING count(*) FILTER (WHERE e.kind = 'donation.paid')
                   - count(*) FILTER (WHERE (e.payload ->> 'income_minor')::bigint < 0)
                   <> CASE WHEN a.state IN {IN_INCOME} THEN 1 ELSE 0 END
            """,
        ),
        Check(
            "event_is_delivered",
            "Every published event is with each of its consumers, waiting or had, and not both.",
            """
            SELECT e.event_id || ' ' || s.consumer FROM {events} AS e
            JOIN event_subscription AS s
                 ON s.kind = e.kind AND s.subscribed_at + interval '5 minutes' < e.published_at
            WHERE (SELECT count(*) FROM delivery AS d WHERE d.event_id = e.event_id
                   AND d.donor_id = e.donor_id AND d.consumer = s.consumer)
                + (SELECT count(*) FROM inbox AS i WHERE i.event_id = e.event_id
                   AND i.donor_id = e.donor_id AND i.consumer = s.consumer) <> 1
            """,
        ),
        Check(
            "totals_match_ledger",
            "What a charity is said to have been given is its income in the ledger.",
            _TOTALS_APART,
            when="nightly",
        ),
    )
