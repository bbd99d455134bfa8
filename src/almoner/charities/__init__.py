"""Who can be given to."""
