"""Donors: who gives.

Runs before the code. Creates new tables only, so nothing waits for it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # donor_id is derived from the normalised address, so the primary key is also what makes the
    # address unique, on every node and on every shard.
    op.execute("""
    CREATE TABLE donor (
        donor_id uuid NOT NULL,
        email_normalised text NOT NULL CHECK (length(email_normalised) BETWEEN 3 AND 320),
        email text NOT NULL,
        first_name text NOT NULL,
        last_name text NOT NULL,
        locale text NOT NULL,
        password_hash text,
        verified_at timestamptz,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    for number in range(8):
        op.execute(f"""
        CREATE TABLE donor_{number} PARTITION OF donor
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        """)
