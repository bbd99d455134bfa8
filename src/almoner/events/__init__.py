"""The telling: what happened, written where it happened."""
