"""The monitor: looks at every invariant again and again, and at what may have come to a stop."""
