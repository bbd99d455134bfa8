"""A restored database takes no new charges until it was rebuilt from the gateway.

Runs before the code. Adds a trigger to the attempts, which is called once for each statement and
not for each row. The lock for that is waited for at most five seconds.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # 25006 (read_only_sql_transaction) is what a standby answers, too: a program that meets it
    # treats the database as away, so gifts are kept in the journal and nothing is sent.
    op.execute("""
    CREATE FUNCTION refuse_attempts_after_restore() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF to_regnamespace('awaits_rebuild') IS NOT NULL
           AND current_setting('almoner.rebuilding', true) IS DISTINCT FROM 'on' THEN
            RAISE EXCEPTION 'restored from a backup and not rebuilt from the gateway'
                USING ERRCODE = '25006',
                      HINT = 'Run almoner rebuild-from-gateway.';
        END IF;
        RETURN NULL;
    END $$
    """)
    op.execute("""
    CREATE TRIGGER payment_attempt_after_restore BEFORE INSERT ON payment_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_attempts_after_restore()
    """)
