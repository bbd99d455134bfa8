"""The outbox, its relay and its consumers."""
