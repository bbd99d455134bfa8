"""What the integrity monitor found, which loops live, and charges recovered from a gateway.

Runs before the code. Adds new tables and indexes. Gifts go on, but for the time an index of a table
is built nothing is written into it: next to nothing for the indexes of ranges, about a second for
each million donations for the other two. The lock for that is waited for at most five seconds.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    _monitor()
    _recovery()
    _what_changed()


def _monitor() -> None:
    # One run of a kind at a time, on whichever worker: an unfinished one whose lease has not run
    # out keeps others from beginning.
    op.execute("""
    CREATE TABLE integrity_run (
        run_id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('changed', 'full')),
        since timestamptz,
        started_at timestamptz NOT NULL,
        lease_until timestamptz NOT NULL,
        finished_at timestamptz,
        checks integer NOT NULL DEFAULT 0,
        broken integer NOT NULL DEFAULT 0,
        failed text[] NOT NULL DEFAULT '{}',
        CHECK ((kind = 'full') = (since IS NULL))
    )
    """)
    op.execute("""
    CREATE UNIQUE INDEX integrity_run_under_way ON integrity_run (kind)
    WHERE finished_at IS NULL
    """)
    op.execute("CREATE INDEX integrity_run_latest ON integrity_run (kind, started_at)")
    op.execute("""
    CREATE TABLE integrity_finding (
        check_name text NOT NULL,
        number smallint NOT NULL,
        sentence text NOT NULL,
        found_by text NOT NULL CHECK (found_by IN ('changed', 'full')),
        since timestamptz,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        resolved_at timestamptz,
        breaches bigint NOT NULL CHECK (breaches > 0),
        examples text[] NOT NULL,
        PRIMARY KEY (check_name, first_seen_at)
    )
    """)
    op.execute("""
    CREATE UNIQUE INDEX integrity_finding_open ON integrity_finding (check_name)
    WHERE resolved_at IS NULL
    """)
    op.execute("""
    CREATE TABLE loop_beat (
        loop text NOT NULL,
        process_id uuid NOT NULL,
        role text NOT NULL,
        late_after_s integer NOT NULL,
        last_began_at timestamptz NOT NULL,
        last_ended_at timestamptz,
        failures_in_a_row integer NOT NULL,
        beat_at timestamptz NOT NULL,
        PRIMARY KEY (loop, process_id)
    )
    """)


def _recovery() -> None:
    # Anomalies of one restore, so not partitioned.
    op.execute("""
    CREATE TABLE recovered_charge (
        gateway text NOT NULL,
        order_id text NOT NULL,
        gateway_transaction_id text NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency char(3) NOT NULL,
        charged_at timestamptz NOT NULL,
        found_at timestamptz NOT NULL,
        became text NOT NULL CHECK (became IN ('donation', 'suspense', 'released',
                                               'left_alone')),
        reason text NOT NULL,
        donation_id uuid,
        charity_id bigint,
        released_at timestamptz,
        PRIMARY KEY (gateway, order_id),
        CHECK (became <> 'donation' OR donation_id IS NOT NULL),
        CHECK ((became = 'released') = (released_at IS NOT NULL))
    )
    """)


def _what_changed() -> None:
    # Rows lie in these tables in about the order of these times, so an index of ranges finds what
    # was written lately; it costs next to nothing when a gift is written.
    for table, column in (
        ("donation", "created_at"),
        ("idempotency_record", "created_at"),
        ("ledger_entry", "posted_at"),
    ):
        op.execute(f"""
        CREATE INDEX {table}_lately ON {table}
        USING brin ({column}) WITH (pages_per_range = 16, autosummarize = on)
        """)
    # From an attempt to what was posted for it, and from a donation to what was told of it.
    op.execute("CREATE INDEX ledger_entry_source ON ledger_entry (source_id) WHERE leg = 1")
    op.execute("CREATE INDEX event_donation ON event (donation_id)")
