"""What the tests of the operations share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.installation import NewDatabase
from support.proxy import Wire


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire
