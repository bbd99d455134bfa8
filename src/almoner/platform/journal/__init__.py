"""The journal: encrypted files for what must not be lost while the database is away."""
