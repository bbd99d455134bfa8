"""When attempts are due to be looked at, and by whom."""
