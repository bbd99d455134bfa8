"""The body of `POST /donations`, described for machines; `form.py` is what reads it."""

from __future__ import annotations

from typing import Any, Final

from almoner.donations.challenge import SOLUTION_LENGTH_MAX
from almoner.donations.form import EMAIL_LENGTH_MAX, LOCALES, NAME_LENGTH_MAX, NONCE_LENGTH_MAX

GIVE_EXAMPLE: Final[dict[str, Any]] = {
    "first_name": "John",
    "last_name": "Doe",
    "email": "john@example.com",
    "charity_id": 101,
    "amount": 50.00,
    "currency": "USD",
    "payment_method_nonce": "fake-valid-nonce",
}

_TEXT: Final = {"type": "string"}
GIVE_BODY: Final[dict[str, Any]] = {
    "schema": {
        "type": "object",
        "additionalProperties": False,
        "required": ["first_name", "last_name", "email", "charity_id", "amount", "currency"],
        "properties": {
            "first_name": {**_TEXT, "minLength": 1, "maxLength": NAME_LENGTH_MAX},
            "last_name": {**_TEXT, "minLength": 1, "maxLength": NAME_LENGTH_MAX},
            "email": {**_TEXT, "format": "email", "maxLength": EMAIL_LENGTH_MAX},
            "charity_id": {"type": "integer", "minimum": 1},
            "amount": {
                "oneOf": [{"type": "number"}, _TEXT],
                "description": "In major units, read exactly, at most the currency's decimals.",
            },
            "currency": {**_TEXT, "pattern": "^[A-Z]{3}$"},
            "payment_method_nonce": {
                **_TEXT,
                "maxLength": NONCE_LENGTH_MAX,
                "description": "From the gateway's hosted fields.",
            },
            "payment_card": {
                "type": "object",
                "additionalProperties": False,
                "required": ["card_number", "expiration_date", "cvv"],
                "properties": {
                    "card_number": _TEXT,
                    "expiration_date": {
                        **_TEXT,
                        "pattern": "^(0[1-9]|1[0-2])/[0-9]{2}([0-9]{2})?$",
                    },
                    "cvv": {**_TEXT, "pattern": "^[0-9]{3,4}$"},
                },
                "description": "Instead of a nonce, server to server. The sandbox takes "
                "published test numbers only.",
            },
            "form_token": {
                **_TEXT,
                "description": "The form's ticket, from GET /donation-form. Makes one gift; "
                "an Idempotency-Key may then be left out.",
            },
            "challenge_solution": {
                **_TEXT,
                "maxLength": SOLUTION_LENGTH_MAX,
                "description": "After a 428: the solved challenge, as ALTCHA writes it.",
            },
            "website": {**_TEXT, "description": "Leave this empty."},
            "confirm_duplicate": {
                "type": "boolean",
                "description": "Yes, this is a second gift.",
            },
            "locale": {**_TEXT, "enum": list(LOCALES)},
        },
    },
    "examples": {"gift": {"value": GIVE_EXAMPLE}},
}
