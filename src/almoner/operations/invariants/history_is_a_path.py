"""Invariant 9: every history is a path of the transition table."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant

_GUARDS_MISSING = """
    SELECT wanted FROM unnest(ARRAY['payment_attempt_guard', 'payment_attempt_birth',
        'ledger_entry_zero_sum', 'ledger_entry_append_only', 'ledger_entry_no_truncate',
        'ledger_seal_append_only', 'ledger_seal_no_truncate', 'review_four_eyes',
        'review_proposal_append_only', 'review_verdict_append_only']) AS wanted
    WHERE NOT EXISTS (SELECT FROM pg_trigger
                      WHERE tgname = wanted AND tgenabled IN ('O', 'A') AND tgparentid = 0)
    UNION ALL
    SELECT 'payment_attempt_one_live' WHERE NOT EXISTS (
        SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relname = 'payment_attempt_one_live' AND indisunique AND indisvalid)
"""


_NOT_A_PATH = """
    WITH steps AS (
        SELECT o.attempt_id, o.donor_id, o.outcome,
               coalesce(lag(o.outcome) OVER history,
                        CASE WHEN o.outcome IN ('DISPATCHED', 'ABANDONED') THEN 'PREPARED'
                             WHEN o.outcome IN ('NOT_SENT', 'LATE_SUCCESS')
                                  AND o.kind = 'look_up' THEN 'NOT_SENT'
                             ELSE 'DISPATCHED' END) AS was,
               row_number() OVER history = count(*) OVER (PARTITION BY o.attempt_id, o.donor_id)
                   AS last
        FROM {operations} AS o
        WINDOW history AS (PARTITION BY o.attempt_id, o.donor_id
                           ORDER BY coalesce(o.attempt_version, 0), o.finished_at, o.operation_id)
    )
    SELECT s.attempt_id::text FROM steps AS s
    LEFT JOIN attempt_transition AS t ON t.from_state = s.was AND t.to_state = s.outcome
    WHERE s.was <> s.outcome AND t.from_state IS NULL
    UNION
    SELECT a.attempt_id::text FROM {attempts} AS a
    JOIN steps AS s ON s.attempt_id = a.attempt_id AND s.donor_id = a.donor_id AND s.last
    WHERE s.outcome <> a.state
    UNION
    SELECT a.attempt_id::text FROM {attempts} AS a
    WHERE a.state NOT IN ('PREPARED', 'DISPATCHED', 'NOT_SENT', 'ABANDONED') AND NOT EXISTS (
        SELECT FROM steps AS s WHERE s.attempt_id = a.attempt_id AND s.donor_id = a.donor_id)
"""

_ONE_PERSON = """
    SELECT o.attempt_id::text FROM {operations} AS o
    WHERE o.kind = 'review' AND NOT EXISTS (
        SELECT FROM review_proposal AS p JOIN review_verdict AS v USING (proposal_id)
        WHERE p.attempt_id = o.attempt_id AND v.verdict = 'approved'
          AND lower(btrim(p.proposed_by)) <> lower(btrim(v.given_by))
          AND right(o.request_key, 32) = replace(p.proposal_id::text, '-', ''))
"""


class HistoryIsAPath(Invariant):
    """No attempt moves but as the table of transitions allows.

    A move writes its operation in the same commit, numbered by the attempt's version. Versions
    before this rule numbered none, and wrote none when they withdrew an attempt.
    """

    number = 9
    sentence = "Every history is a path of the transition table."
    checks = (
        Check(
            "guards_in_place",
            "The database's own guards exist and are switched on.",
            _GUARDS_MISSING,
        ),
        Check(
            "history_is_a_path",
            "What was done to each attempt leads from its stamp to its state, by allowed moves.",
            _NOT_A_PATH,
        ),
        Check(
            "review_has_two_names",
            "Whatever people decided, two of them did.",
            _ONE_PERSON,
        ),
    )
