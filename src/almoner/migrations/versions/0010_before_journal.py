"""What was drained from journals.

Runs before the code. Creates a new table only, so nothing waits for it.
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # The position of a record, written in the transaction of what the record meant: it is drained
    # once, whoever reads it how often. Not partitioned: it grows with the gifts of outages alone.
    op.execute("""
    CREATE TABLE journal_drained (
        segment_id uuid NOT NULL,
        sequence bigint NOT NULL CHECK (sequence > 0),
        donation_id uuid NOT NULL,
        drained_by uuid NOT NULL,
        result text NOT NULL CHECK (result IN ('begun', 'there_before', 'payment_needed',
                                               'possible_duplicate', 'key_conflict')),
        drained_at timestamptz NOT NULL,
        PRIMARY KEY (segment_id, sequence)
    )
    """)
    op.execute("CREATE INDEX journal_drained_donation ON journal_drained (donation_id)")
