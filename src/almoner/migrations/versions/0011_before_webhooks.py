"""How often a webhook was tried, when it is tried again, and what it named.

Runs before the code. Adds columns that may be empty to a table that nothing has written yet.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("""
    ALTER TABLE webhook ADD COLUMN order_ids text[] NOT NULL DEFAULT '{}',
                        ADD COLUMN claims text,
                        ADD COLUMN next_try_at timestamptz,
                        ADD COLUMN parked_at timestamptz,
                        ADD COLUMN unknown_orders integer
    """)
    op.execute("DROP INDEX webhook_waiting")
    op.execute("""
    CREATE INDEX webhook_waiting ON webhook (next_try_at)
    WHERE processed_at IS NULL AND parked_at IS NULL
    """)
    op.execute("CREATE INDEX webhook_received ON webhook (received_at)")
