"""The search finds card numbers wherever they stand, and takes nothing else for one."""

from __future__ import annotations

import pytest

from almoner.operations.card_numbers import find_card_numbers, holds_card_number
from almoner.operations.view import View
from support.donor import Donor
from support.installation import Installation
from support.tamper import tamper


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        '{"note": "5555555555554444"}',
        "card 378282246310005, thank you",
        "3782 822463 10005",
        "6011111111111117.",
        "2223003122003222",
        "4222222222222",
        "ev_4111111111111111",
        "0x4111111111111111",
        "a4111111111111111",
        "Karte4111111111111111Ende",
        "ev_4111-1111-1111-1111_2",
    ],
)
def test_a_card_number_is_found(text: str) -> None:
    """Of every scheme, plain or in groups."""
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "1763852400000",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "41111111-1111-4111-1111-111111111111",
        "019a4111111111111111b302099a8057",
        "ev_019a4111111111111111b302099a8057:look_up:1",
        "4111111111111111b302099a8057abcd" * 2,
        "sb00000001",
        "41111111111111111111111",
        "12345678",
    ],
)
def test_other_digits_are_none(text: str) -> None:
    """A wrong check digit, times, ids, running numbers."""
    assert not holds_card_number(text)


@pytest.mark.parametrize(
    ("where", "statement"),
    [
        ("first_name", "UPDATE donation SET first_name = '4111 1111 1111 1111'"),
        ("payload", "UPDATE event SET payload = '{\"deep\": {\"n\": 4111111111111111}}'"),
        (
            "response_body",
            "UPDATE idempotency_record SET response_body = "
            "'\\x00ff'::bytea || '4111111111111111'::bytea || '\\x0007'::bytea",
        ),
        ("examples", "INSERT INTO integrity_finding VALUES ('x', 1, 'x', 'full', NULL, now(), "
         "now(), NULL, 1, ARRAY['a', '5555 5555 5555 4444'])"),
        (
            "external_id",
            "INSERT INTO webhook (webhook_id, gateway, external_id, payload, received_at) VALUES "
            "(gen_random_uuid(), 'sandbox', 'ev_4111111111111111', '', now())",
        ),
        ("amount_minor", "UPDATE donation SET amount_minor = 4111111111111111"),
    ],
)  # fmt: skip
async def test_it_is_found_in_every_kind_of_column(
    almoner: Installation, donor: Donor, where: str, statement: str
) -> None:
    """Text, JSON, bytes, lists, numbers; the place is told, not the number."""
    await donor.gives()
    assert await find_card_numbers(View(almoner.database)) == []
    tamper(almoner.settings.servers.database_url, statement)

    (found,) = await find_card_numbers(View(almoner.database))

    assert f".{where} at (" in found
    assert "1111" not in found
    almoner.expected_broken = await almoner.broken()
