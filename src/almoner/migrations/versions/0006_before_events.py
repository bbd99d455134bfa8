"""Events: the outbox, written in the transaction of what it tells of.

Runs before the code. Creates new tables only, so nothing waits for it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE event (
        event_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        donation_id uuid NOT NULL,
        kind text NOT NULL,
        payload jsonb NOT NULL,
        occurred_at timestamptz NOT NULL,
        published_at timestamptz,
        PRIMARY KEY (event_id, donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    for number in range(8):
        op.execute(f"""
        CREATE TABLE event_{number} PARTITION OF event
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        """)
    op.execute("CREATE INDEX event_waiting ON event (occurred_at) WHERE published_at IS NULL")
