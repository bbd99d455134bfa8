"""What the API description says of the donations and the framework cannot see."""

from __future__ import annotations

from typing import Any, Final

from almoner.donations.give_body import GIVE_BODY
from almoner.donations.report import OutcomeReport
from almoner.platform.openapi import Described

SHOW: Final = "showDonation"
_BODIES: Final[dict[tuple[str, str], Any]] = {
    ("/donations", "post"): GIVE_BODY,
    ("/donations/{donation_id}", "put"): OutcomeReport,
}
_SEE_IT: Final = {
    "show": {
        "operationId": SHOW,
        "description": "See what became of it.",
        "parameters": {
            "path.donation_id": "$response.body#/donation_id",
            "header.Authorization": "Bearer {$response.body#/read_token}",
        },
    }
}
DESCRIBED: Final = Described(
    bodies=_BODIES,
    parameters={
        ("/donations", "post", "Idempotency-Key"): {
            "minLength": 20,
            "maxLength": 255,
            "pattern": "^[!-~]+$",
        },
        ("/donations/{donation_id}/events", "get", "Last-Event-ID"): {"pattern": "^[0-9]+$"},
    },
    links={("/donations", "post", status): _SEE_IT for status in ("201", "202", "402")},
)
