"""The staff: checks and reconciliation."""
