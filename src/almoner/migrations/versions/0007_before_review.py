"""Money that turns up late, and what people decide about charges in doubt.

Runs before the code. Rebuilds one index of payment attempts, inside the five seconds that a
migration may wait for its lock.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

ADDED = {
    "LATE_SUCCESS": "SUBMITTED VOIDED",
    "DISPUTED": "SETTLED",
    "SETTLEMENT_FAILED": "LATE_SUCCESS",
}
"""Moves beside those of version 0004."""

LIVE = (
    "PREPARED", "DISPATCHED", "UNKNOWN", "REQUIRES_ACTION", "AUTHORIZED", "SUBMITTED", "SETTLED",
    "DISPUTED", "NEEDS_REVIEW",
)  # fmt: skip
"""LATE_SUCCESS is not among them: money that turns up while another attempt has paid must be
written down too, before it is given back. Adopting it (SUBMITTED) needs the place again."""

KINDS = (
    "sale",
    "capture",
    "void",
    "refund",
    "look_up",
    "report",
    "review",
    "settlement",
    "dispute",
    "withdraw",
    "abandon",
)


def upgrade() -> None:
    rows = ", ".join(f"('{a}', '{b}')" for a, bs in ADDED.items() for b in bs.split())
    op.execute(f"INSERT INTO attempt_transition VALUES {rows}")
    live = ", ".join(f"'{state}'" for state in LIVE)
    op.execute("DROP INDEX payment_attempt_one_live")
    op.execute(f"""
    CREATE UNIQUE INDEX payment_attempt_one_live ON payment_attempt (payable_id, donor_id)
    WHERE state IN ({live})
    """)
    _attempts()
    _operations()
    _returns()
    _reviews()


def _attempts() -> None:
    # looked_at: when the last look at the gateway ended; in the future while somebody is looking.
    # captured_at: when the money was seen first; settlement and disputes do not change it.
    op.execute("""
    ALTER TABLE payment_attempt ADD COLUMN looked_at timestamptz,
                                ADD COLUMN captured_at timestamptz
    """)
    # Charges in doubt keep the index of version 0004. What else is due (a final no that is looked
    # at again, whatever a webhook names) has its own, so that neither is searched through for the
    # other.
    op.execute("""
    CREATE INDEX payment_attempt_look_again ON payment_attempt (next_check_at)
    WHERE next_check_at IS NOT NULL AND state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN')
    """)
    op.execute("""
    CREATE INDEX payment_attempt_unusual ON payment_attempt (state, attempt_id)
    WHERE state IN ('PREPARED', 'NEEDS_REVIEW', 'LATE_SUCCESS')
    """)
    # To make an attempt due is no move: whoever is looking at it right now may still write down
    # what was seen. Everything else counts the version up, as before.
    op.execute("""
    CREATE OR REPLACE FUNCTION payment_attempt_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.version = OLD.version AND NEW.next_check_at IS DISTINCT FROM OLD.next_check_at
           AND to_jsonb(NEW) - 'next_check_at' = to_jsonb(OLD) - 'next_check_at' THEN
            RETURN NEW;
        END IF;
        IF NEW.version <> OLD.version + 1 OR NEW.lease_epoch < OLD.lease_epoch THEN
            RAISE EXCEPTION 'payment attempt %: version % -> %, lease epoch % -> %',
                OLD.attempt_id, OLD.version, NEW.version, OLD.lease_epoch, NEW.lease_epoch
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.amount_minor <> OLD.amount_minor OR NEW.currency <> OLD.currency
           OR NEW.payable_id <> OLD.payable_id OR NEW.gateway <> OLD.gateway THEN
            RAISE EXCEPTION 'payment attempt %: what is charged never changes', OLD.attempt_id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state <> OLD.state AND NOT EXISTS (
            SELECT FROM attempt_transition
            WHERE from_state = OLD.state AND to_state = NEW.state) THEN
            RAISE EXCEPTION 'payment attempt %: % -> % is not a transition',
                OLD.attempt_id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """)


def _operations() -> None:
    # The version that an operation moved its attempt to: with it a history can be replayed.
    op.execute("ALTER TABLE gateway_operation ADD COLUMN attempt_version integer")
    op.execute("""
    CREATE INDEX gateway_operation_second ON gateway_operation (attempt_id)
    WHERE gateway_code = 'second_transaction'
    """)
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    op.execute("ALTER TABLE gateway_operation DROP CONSTRAINT gateway_operation_kind_check")
    op.execute(f"""
    ALTER TABLE gateway_operation ADD CONSTRAINT gateway_operation_kind_check
    CHECK (kind IN ({kinds}))
    """)


def _returns() -> None:
    # Anomalies only, so not partitioned. The decision to give back is written down before the
    # gateway hears of it, and is never taken back: the money may be on its way.
    op.execute("""
    CREATE TABLE money_return (
        return_id uuid PRIMARY KEY,
        attempt_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        gateway text NOT NULL,
        gateway_transaction_id text NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency char(3) NOT NULL,
        reason text NOT NULL CHECK (reason IN ('told_not_charged', 'another_attempt',
                                               'given_again', 'voided_before', 'two_captures')),
        request_key text NOT NULL UNIQUE,
        decided_at timestamptz NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        next_try_at timestamptz NOT NULL,
        done_at timestamptz,
        done_kind text CHECK (done_kind IN ('void', 'refund')),
        FOREIGN KEY (attempt_id, donor_id) REFERENCES payment_attempt,
        CHECK ((done_at IS NULL) = (done_kind IS NULL))
    )
    """)
    op.execute("""
    CREATE UNIQUE INDEX money_return_open ON money_return (attempt_id, gateway_transaction_id)
    WHERE done_at IS NULL
    """)
    op.execute("CREATE INDEX money_return_due ON money_return (next_try_at) WHERE done_at IS NULL")


def _reviews() -> None:
    op.execute("""
    CREATE TABLE review_proposal (
        proposal_id uuid PRIMARY KEY,
        attempt_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        attempt_version integer NOT NULL,
        attempt_state text NOT NULL,
        decision text NOT NULL CHECK (decision IN ('charged', 'not_charged', 'refund')),
        gateway_transaction_id text,
        proposed_by text NOT NULL CHECK (proposed_by <> ''),
        because text NOT NULL CHECK (because <> ''),
        proposed_at timestamptz NOT NULL,
        FOREIGN KEY (attempt_id, donor_id) REFERENCES payment_attempt,
        CHECK (decision = 'not_charged' OR gateway_transaction_id IS NOT NULL)
    )
    """)
    op.execute("CREATE INDEX review_proposal_attempt ON review_proposal (attempt_id)")
    # A proposal is answered once.
    op.execute("""
    CREATE TABLE review_verdict (
        proposal_id uuid PRIMARY KEY REFERENCES review_proposal,
        verdict text NOT NULL CHECK (verdict IN ('approved', 'withdrawn')),
        given_by text NOT NULL CHECK (given_by <> ''),
        given_at timestamptz NOT NULL
    )
    """)
    op.execute("""
    CREATE FUNCTION review_four_eyes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.verdict = 'approved' AND EXISTS (
            SELECT FROM review_proposal AS p WHERE p.proposal_id = NEW.proposal_id
            AND lower(btrim(p.proposed_by)) = lower(btrim(NEW.given_by))) THEN
            RAISE EXCEPTION 'review proposal %: nobody approves what they proposed',
                NEW.proposal_id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """)
    op.execute("""
    CREATE TRIGGER review_four_eyes BEFORE INSERT ON review_verdict
    FOR EACH ROW EXECUTE FUNCTION review_four_eyes()
    """)
    for table in ("review_proposal", "review_verdict"):
        op.execute(f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION append_only()
        """)
        op.execute(f"""
        CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION append_only()
        """)
