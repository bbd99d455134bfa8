"""The inbox: which consumer has had which event.

Runs before the code.
"""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass
