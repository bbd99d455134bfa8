"""Sign and read the sandbox's webhooks.

The signature is HMAC-SHA256 over the time, a full stop and the raw bytes, in one header:
`Almoner-Sandbox-Signature: t=1767225600,v1=<64 hexadecimal digits>`. The age is not judged: a
notice that is sent again by a stranger only makes us look once more.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from almoner.payments.gateway import Forged, Notice, Seen

HEADER: Final = "Almoner-Sandbox-Signature"
_FORM: Final = re.compile(r"t=(\d{1,15}),v1=([0-9a-f]{64})", re.ASCII)
_ORDERS_MAX: Final = 1_000


_CLAIMS: Final = {
    "charge.captured": Seen.SUBMITTED,
    "charge.settled": Seen.SETTLED,
    "charge.settlement_failed": Seen.SETTLEMENT_FAILED,
    "charge.voided": Seen.VOIDED,
    "charge.refunded": Seen.VOIDED,
    "dispute.opened": Seen.DISPUTED,
    "dispute.won": Seen.SETTLED,
    "dispute.lost": Seen.DISPUTED,
}


class NoticeBody(Struct, frozen=True):
    """What is posted. `happened_at` is RFC 3339; nothing of a donor or a card is in it."""

    id: str
    kind: str
    order_ids: list[str]
    happened_at: str


def derived_secret(secret_key: str) -> str:
    """The secret that follows from the installation's key where none is set."""
    return hmac.new(secret_key.encode(), b"almoner/sandbox-webhooks", hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The header's value for these bytes."""
    return f"t={at_s},v1={_mac(secret, str(at_s), body)}"


def read_notice(secret: str, body: bytes, headers: Mapping[str, str]) -> Notice:
    """What a webhook says. Raises Forged for anything that we did not sign, whatever it is."""
    given = next((v for name, v in headers.items() if name.lower() == HEADER.lower()), "")
    form = _FORM.fullmatch(given)
    if form is None:
        raise Forged(f"no {HEADER} of the form t=...,v1=...")
    if not hmac.compare_digest(_mac(secret, form[1], body), form[2]):
        raise Forged("the signature is not of these bytes")
    try:
        said = msgspec.json.decode(body, type=NoticeBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Forged("signed, and not a notice") from None
    if not said.id or len(said.order_ids) > _ORDERS_MAX:
        raise Forged("signed, and not a notice")
    return Notice(said.id, said.kind, tuple(said.order_ids), _CLAIMS.get(said.kind))


def _mac(secret: str, at_s: str, body: bytes) -> str:
    return hmac.new(secret.encode(), at_s.encode() + b"." + body, hashlib.sha256).hexdigest()
