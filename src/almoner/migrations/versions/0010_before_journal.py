"""What was drained from journals, and gifts that wait for their donor.

Runs before the code.
"""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    pass
