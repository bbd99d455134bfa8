"""Backups: taken while gifts go on, verified at once, and put back whole or not at all."""
