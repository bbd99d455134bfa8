"""The relay: which consumer still has to be told of which event, and which event it has had.

Runs before the code. Adds a column that may be empty, new tables and two small indexes.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # The order of a donation's events. Clocks of two nodes may disagree; a sequence does not: the
    # second event of a donation is written after the first one's commit. Events from before have
    # no number and come first.
    op.execute("CREATE SEQUENCE event_number AS bigint")
    op.execute("ALTER TABLE event ADD COLUMN number bigint")
    op.execute("ALTER TABLE event ALTER COLUMN number SET DEFAULT nextval('event_number')")
    op.execute("""
    CREATE INDEX event_unpublished ON event (number NULLS FIRST, event_id)
    WHERE published_at IS NULL
    """)
    op.execute("DROP INDEX event_waiting")
    op.execute("""
    CREATE TABLE event_subscription (
        consumer text NOT NULL CHECK (consumer ~ '^[a-z_]+$'),
        kind text NOT NULL,
        subscribed_at timestamptz NOT NULL,
        PRIMARY KEY (consumer, kind)
    )
    """)
    op.execute("""
    CREATE TABLE delivery (
        consumer text NOT NULL,
        event_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        donation_id uuid NOT NULL,
        number bigint NOT NULL,
        tries smallint NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        parked_at timestamptz,
        failure text,
        PRIMARY KEY (event_id, consumer, donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    op.execute("""
    CREATE TABLE inbox (
        consumer text NOT NULL,
        event_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        handled_at timestamptz NOT NULL,
        PRIMARY KEY (event_id, consumer, donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    for number in range(8):
        # A queue: rows come and go all the time, so it is vacuumed early.
        op.execute(f"""
        CREATE TABLE delivery_{number} PARTITION OF delivery
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)
        """)
        op.execute(f"""
        CREATE TABLE inbox_{number} PARTITION OF inbox
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        """)
    op.execute("""
    CREATE INDEX delivery_waiting ON delivery (consumer, number, event_id)
    WHERE parked_at IS NULL
    """)
    op.execute("CREATE INDEX delivery_donation ON delivery (consumer, donation_id)")
    # A sum that is kept from events; the ledger is what it must agree with.
    op.execute("""
    CREATE TABLE charity_total (
        charity_id bigint NOT NULL,
        currency char(3) NOT NULL,
        raised_minor bigint NOT NULL,
        gifts bigint NOT NULL,
        PRIMARY KEY (charity_id, currency)
    )
    """)
