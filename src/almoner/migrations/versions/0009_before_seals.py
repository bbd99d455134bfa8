"""The ledger's hash chain, what gateways paid out, and what the daily match found.

Runs before the code. Adds a column that may be empty, new tables and one small index.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    _seals()
    _payouts()
    _match()


def _seals() -> None:
    # Entries from before have no number; they belong to the first seal of their shard. The check is
    # not validated, so that nothing is read now: it holds for every entry from here on.
    op.execute("CREATE SEQUENCE ledger_entry_number AS bigint")
    op.execute("ALTER TABLE ledger_entry ADD COLUMN entry_number bigint")
    op.execute("""
    ALTER TABLE ledger_entry ALTER COLUMN entry_number
    SET DEFAULT nextval('ledger_entry_number')
    """)
    op.execute("""
    ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_numbered
    CHECK (entry_number IS NOT NULL) NOT VALID
    """)
    # Entries lie in the table in about the order of their numbers, so an index of ranges is enough.
    # It costs next to nothing when a gift is written.
    op.execute("""
    CREATE INDEX ledger_entry_by_number ON ledger_entry
    USING brin (entry_number) WITH (pages_per_range = 16, autosummarize = on)
    """)
    op.execute("""
    CREATE TABLE ledger_seal (
        shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 7),
        number bigint NOT NULL CHECK (number > 0),
        after_entry bigint NOT NULL,
        to_entry bigint NOT NULL CHECK (to_entry > after_entry),
        entries bigint NOT NULL CHECK (entries > 0),
        previous_hash bytea NOT NULL CHECK (octet_length(previous_hash) = 32),
        hash bytea NOT NULL CHECK (octet_length(hash) = 32),
        sealed_at timestamptz NOT NULL,
        PRIMARY KEY (shard, number)
    )
    """)
    op.execute("""
    CREATE TRIGGER ledger_seal_append_only BEFORE UPDATE OR DELETE ON ledger_seal
    FOR EACH ROW EXECUTE FUNCTION append_only()
    """)
    op.execute("""
    CREATE TRIGGER ledger_seal_no_truncate BEFORE TRUNCATE ON ledger_seal
    FOR EACH STATEMENT EXECUTE FUNCTION append_only()
    """)


def _payouts() -> None:
    # Not partitioned by donor: a line comes before anybody knows whose it is, and may be nobody's.
    op.execute("""
    CREATE TABLE payout (
        gateway text NOT NULL,
        payout_id text NOT NULL,
        currency char(3) NOT NULL,
        net_minor bigint NOT NULL,
        paid_at timestamptz NOT NULL,
        lines integer NOT NULL,
        source_id uuid NOT NULL UNIQUE,
        received_number bigint GENERATED ALWAYS AS IDENTITY,
        received_at timestamptz NOT NULL,
        PRIMARY KEY (gateway, payout_id)
    )
    """)
    op.execute("""
    CREATE TABLE settlement_line (
        gateway text NOT NULL,
        payout_id text NOT NULL,
        line integer NOT NULL,
        order_id text NOT NULL,
        gateway_transaction_id text NOT NULL,
        amount_minor bigint NOT NULL,
        currency char(3) NOT NULL,
        fee_minor bigint NOT NULL,
        settled_at timestamptz,
        PRIMARY KEY (gateway, payout_id, line),
        FOREIGN KEY (gateway, payout_id) REFERENCES payout
    )
    """)
    op.execute("CREATE INDEX settlement_line_order ON settlement_line (order_id)")
    # A charge is paid out once, whatever reports say and whoever reads them at the same time.
    op.execute("""
    CREATE UNIQUE INDEX settlement_line_once ON settlement_line (gateway, order_id)
    WHERE settled_at IS NOT NULL
    """)
    op.execute("""
    CREATE INDEX settlement_line_open ON settlement_line (gateway, payout_id, line)
    WHERE settled_at IS NULL
    """)


def _match() -> None:
    op.execute("""
    CREATE TABLE match_run (
        run_id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('import', 'match')),
        gateway text NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        matched bigint NOT NULL DEFAULT 0,
        open bigint NOT NULL DEFAULT 0,
        differences bigint NOT NULL DEFAULT 0
    )
    """)
    op.execute("CREATE INDEX match_run_latest ON match_run (kind, gateway, started_at)")
    op.execute("""
    CREATE TABLE match_difference (
        gateway text NOT NULL,
        class text NOT NULL,
        subject text NOT NULL,
        detail jsonb NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        resolved_at timestamptz,
        PRIMARY KEY (gateway, class, subject)
    )
    """)
    op.execute("""
    CREATE INDEX match_difference_open ON match_difference (class) WHERE resolved_at IS NULL
    """)
