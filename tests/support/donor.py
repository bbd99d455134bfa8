"""Somebody who gives."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from support.installation import Installation

CHARITY_ID = 101


class Donor:
    """Gives through the HTTP API, as the wire contract teaches."""

    def __init__(self, almoner: Installation) -> None:
        self.almoner = almoner

    async def gives(self, *, key: str | None = None, **fields: Any) -> httpx.Response:
        """Post a gift. Fields that are None are left out."""
        return await self.almoner.client.post(
            "/donations",
            json=gift(**fields),
            headers={"Idempotency-Key": key or str(uuid4())},
        )

    def gift(self, **fields: Any) -> dict[str, Any]:
        """See `gift`."""
        return gift(**fields)

    async def sees(self, answer: httpx.Response) -> dict[str, Any]:
        """The donation of an answer, as it stands now."""
        told = answer.json()
        seen = await self.almoner.client.get(
            f"/donations/{told['donation_id']}",
            headers={"Authorization": f"Bearer {told['read_token']}"},
        )
        assert seen.status_code == 200, seen.text
        found: dict[str, Any] = seen.json()
        return found


def gift(**fields: Any) -> dict[str, Any]:
    """A body that is accepted, with these fields changed or, where None, left out."""
    body: dict[str, Any] = {
        "first_name": "John",
        "last_name": "Doe",
        "email": f"john.{uuid4().hex[:12]}@example.com",
        "charity_id": CHARITY_ID,
        "amount": "50.00",
        "currency": "USD",
        "payment_method_nonce": "fake-valid-nonce",
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}
