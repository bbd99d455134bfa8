"""The books: double entry, append-only, every transfer sums to zero.

Runs before the code. Creates new tables only, so nothing waits for it.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # transfer_id is derived from the source of the posting: the primary key is the rule "one
    # posting per source leg".
    op.execute("""
    CREATE TABLE ledger_entry (
        transfer_id uuid NOT NULL,
        leg smallint NOT NULL CHECK (leg > 0),
        donor_id uuid NOT NULL,
        account text NOT NULL CHECK (account ~ '^[a-z_]+(:[a-z0-9_-]+)*$'),
        amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
        currency char(3) NOT NULL,
        source_kind text NOT NULL,
        source_id uuid NOT NULL,
        posted_at timestamptz NOT NULL,
        PRIMARY KEY (transfer_id, leg, donor_id)
    ) PARTITION BY HASH (donor_id)
    """)
    for number in range(8):
        op.execute(f"""
        CREATE TABLE ledger_entry_{number} PARTITION OF ledger_entry
        FOR VALUES WITH (MODULUS 8, REMAINDER {number})
        """)
    # All legs of a transfer come in one statement, so one look at what that statement added is
    # enough, and costs the same for one transfer and for two hundred.
    op.execute("""
    CREATE FUNCTION ledger_entry_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE wrong uuid;
    BEGIN
        SELECT transfer_id INTO wrong FROM added
        GROUP BY transfer_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'ledger transfer % does not sum to zero', wrong
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """)
    op.execute("""
    CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """)
    op.execute("""
    CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION append_only()
    """)
    # A statement's trigger fires on the table that the statement names, so each partition needs
    # its own: nobody gets around the rule by naming one.
    for table in ("ledger_entry", *(f"ledger_entry_{number}" for number in range(8))):
        op.execute(f"""
        CREATE TRIGGER ledger_entry_zero_sum AFTER INSERT ON {table}
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_zero_sum()
        """)
        op.execute(f"""
        CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION append_only()
        """)
