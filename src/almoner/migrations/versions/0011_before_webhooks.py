"""How often a webhook was tried, and what became of it.

Runs before the code.
"""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    pass
