"""Payment attempts, what was asked of gateways, and what they tell us.

Runs before the code. Creates new tables only, so nothing waits for it.
"""

from collections.abc import Iterable

from alembic import op

revision = "0004"
down_revision = "0003"

TRANSITIONS = {
    "PREPARED": "DISPATCHED ABANDONED",
    "DISPATCHED": "REQUIRES_ACTION AUTHORIZED SUBMITTED DECLINED NOT_SENT UNKNOWN",
    "UNKNOWN": "REQUIRES_ACTION AUTHORIZED SUBMITTED SETTLED SETTLEMENT_FAILED VOIDED DECLINED "
    "NOT_CHARGED NEEDS_REVIEW",
    "REQUIRES_ACTION": "AUTHORIZED SUBMITTED DECLINED EXPIRED",
    "AUTHORIZED": "SUBMITTED VOIDED EXPIRED",
    "SUBMITTED": "SETTLED SETTLEMENT_FAILED VOIDED",
    "SETTLED": "DISPUTED",
    "NEEDS_REVIEW": "REQUIRES_ACTION AUTHORIZED SUBMITTED SETTLED SETTLEMENT_FAILED VOIDED "
    "DECLINED NOT_CHARGED EXPIRED",
    "DECLINED": "LATE_SUCCESS",
    "NOT_SENT": "LATE_SUCCESS",
    "NOT_CHARGED": "LATE_SUCCESS",
    "VOIDED": "LATE_SUCCESS",
    "EXPIRED": "LATE_SUCCESS",
    "ABANDONED": "LATE_SUCCESS",
}

LIVE = (
    "PREPARED", "DISPATCHED", "UNKNOWN", "REQUIRES_ACTION", "AUTHORIZED", "SUBMITTED", "SETTLED",
    "DISPUTED", "NEEDS_REVIEW", "LATE_SUCCESS",
)  # fmt: skip


def upgrade() -> None:
    states = sorted({*TRANSITIONS, *" ".join(TRANSITIONS.values()).split()})
    op.execute(f"""
    CREATE TABLE payment_attempt (
        attempt_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        payable_id uuid NOT NULL,
        number smallint NOT NULL CHECK (number > 0),
        gateway text NOT NULL,
        state text NOT NULL CHECK (state IN ({_quoted(states)})),
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency char(3) NOT NULL,
        merchant_account text,
        version integer NOT NULL DEFAULT 1,
        lease_owner uuid NOT NULL,
        lease_epoch integer NOT NULL DEFAULT 1,
        dispatched_at timestamptz,
        observed_at timestamptz,
        gateway_transaction_id text,
        decline_code text,
        checks smallint NOT NULL DEFAULT 0,
        misses smallint NOT NULL DEFAULT 0,
        next_check_at timestamptz,
        PRIMARY KEY (attempt_id, donor_id),
        CHECK (state NOT IN ('AUTHORIZED', 'SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')
               OR gateway_transaction_id IS NOT NULL),
        CHECK (state = 'PREPARED' OR state = 'ABANDONED' OR dispatched_at IS NOT NULL),
        CHECK (state <> 'DECLINED' OR decline_code IS NOT NULL)
    ) PARTITION BY HASH (donor_id)
    """)
    op.execute("""
    CREATE TABLE gateway_operation (
        operation_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        attempt_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('sale', 'capture', 'void', 'refund', 'look_up',
                                           'report')),
        request_key text NOT NULL,
        outcome text NOT NULL,
        gateway_transaction_id text,
        gateway_code text,
        started_at timestamptz NOT NULL,
        finished_at timestamptz NOT NULL,
        PRIMARY KEY (operation_id, donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    for number in range(8):
        op.execute(f"""
        CREATE TABLE payment_attempt_{number} PARTITION OF payment_attempt
        FOR VALUES WITH (MODULUS 8, REMAINDER {number}) WITH (fillfactor = 80)
        """)
        op.execute(f"""
        CREATE TABLE gateway_operation_{number} PARTITION OF gateway_operation
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        """)
    # From partition to partition, as in version 0003.
    for number in range(8):
        op.execute(f"""
        ALTER TABLE payment_attempt_{number}
        ADD FOREIGN KEY (payable_id, donor_id) REFERENCES donation_{number}
        """)
        op.execute(f"""
        ALTER TABLE gateway_operation_{number}
        ADD FOREIGN KEY (attempt_id, donor_id) REFERENCES payment_attempt_{number}
        """)
    # In doubt counts as live: a second charge cannot even be prepared meanwhile.
    op.execute(f"""
    CREATE UNIQUE INDEX payment_attempt_one_live ON payment_attempt (payable_id, donor_id)
    WHERE state IN ({_quoted(LIVE)})
    """)
    op.execute("CREATE INDEX payment_attempt_payable ON payment_attempt (payable_id)")
    op.execute("""
    CREATE INDEX payment_attempt_in_doubt ON payment_attempt (next_check_at)
    WHERE state IN ('PREPARED', 'DISPATCHED', 'UNKNOWN')
    """)
    op.execute("CREATE INDEX gateway_operation_attempt ON gateway_operation (attempt_id)")
    _transition_table()
    _webhooks()


def _transition_table() -> None:
    op.execute("""
    CREATE TABLE attempt_transition (
        from_state text NOT NULL,
        to_state text NOT NULL,
        PRIMARY KEY (from_state, to_state)
    )
    """)
    rows = ", ".join(f"('{a}', '{b}')" for a, bs in TRANSITIONS.items() for b in bs.split())
    op.execute(f"INSERT INTO attempt_transition VALUES {rows}")
    op.execute("""
    CREATE FUNCTION payment_attempt_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
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
    op.execute("""
    CREATE TRIGGER payment_attempt_guard BEFORE UPDATE ON payment_attempt
    FOR EACH ROW EXECUTE FUNCTION payment_attempt_guard()
    """)
    op.execute("""
    CREATE FUNCTION payment_attempt_birth() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'payment attempt %: cannot begin as %', NEW.attempt_id, NEW.state
            USING ERRCODE = 'restrict_violation';
    END $$
    """)
    op.execute("""
    CREATE TRIGGER payment_attempt_birth BEFORE INSERT ON payment_attempt
    FOR EACH ROW WHEN (NEW.state NOT IN ('PREPARED', 'DISPATCHED') OR NEW.version <> 1)
    EXECUTE FUNCTION payment_attempt_birth()
    """)


def _webhooks() -> None:
    op.execute("""
    CREATE TABLE webhook (
        webhook_id uuid PRIMARY KEY,
        gateway text NOT NULL,
        external_id text NOT NULL,
        kind text,
        payload bytea NOT NULL,
        received_at timestamptz NOT NULL,
        processed_at timestamptz,
        tries integer NOT NULL DEFAULT 0,
        UNIQUE (gateway, external_id)
    )
    """)
    op.execute("CREATE INDEX webhook_waiting ON webhook (received_at) WHERE processed_at IS NULL")


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
