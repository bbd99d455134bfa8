"""A database in memory that keeps the same rules as PostgreSQL does for this schema.

`tests/simulation/test_conformance.py` runs the same statements against both and compares.
"""
