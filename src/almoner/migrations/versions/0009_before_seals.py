"""The ledger's hash chain, settlement reports and what the daily match found.

Runs before the code.
"""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    pass
