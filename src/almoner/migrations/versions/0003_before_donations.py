"""Donations and the idempotency records that make each of them one.

Runs before the code. Creates new tables only, so nothing waits for it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # donation_id is derived from scope and key: this primary key is the rule "one donation per
    # scope and key, for ever", and the way from a donation's id to its donor's partition.
    op.execute("""
    CREATE TABLE idempotency_record (
        donation_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
        request_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        response_status smallint,
        response_body bytea,
        PRIMARY KEY (donation_id),
        CHECK ((response_status IS NULL) = (response_body IS NULL))
    ) PARTITION BY HASH (donation_id)
    """)
    # Ids that sort by time come first in the keys of what grows with every gift: inserts then
    # touch the right edge of an index instead of a random page of it.
    op.execute("""
    CREATE TABLE donation (
        donation_id uuid NOT NULL,
        donor_id uuid NOT NULL,
        charity_id bigint NOT NULL REFERENCES charity,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency char(3) NOT NULL,
        first_name text NOT NULL,
        last_name text NOT NULL,
        email text NOT NULL,
        locale text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (donation_id, donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    for number in range(8):
        op.execute(f"""
        CREATE TABLE idempotency_record_{number} PARTITION OF idempotency_record
        FOR VALUES WITH (MODULUS 8, REMAINDER {number}) WITH (fillfactor = 80)
        """)
        op.execute(f"""
        CREATE TABLE donation_{number} PARTITION OF donation
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        """)
    # Donor and donation are cut alike, by the hash of donor_id, so a foreign key can go from
    # partition to partition. Through the partitioned parent each row's check costs twice as much.
    for number in range(8):
        op.execute(f"""
        ALTER TABLE donation_{number} ADD FOREIGN KEY (donor_id) REFERENCES donor_{number}
        """)
    op.execute("CREATE INDEX donation_donor ON donation (donor_id, created_at)")
