"""The revision of the database schema that this program needs."""

from __future__ import annotations

from typing import Final

REVISION: Final = "0006"
"""A test keeps it equal to the newest file in `migrations/versions`."""
