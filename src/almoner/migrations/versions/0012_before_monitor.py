"""What the integrity monitor found, and when.

Runs before the code.
"""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    pass
