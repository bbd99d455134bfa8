"""${message}

Runs before the code / after the code: say which, and why it cannot hang the site.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    op.execute("""
    """)
