"""The daily match: attempts, the gateway's charges, and payouts with the ledger."""
