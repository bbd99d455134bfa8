"""Process: the payments role's side of a charge, for one attempt that was stamped before."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.money import Money
from almoner.payments.attempt import CAPTURED, AttemptRow, AttemptState
from almoner.payments.charge import Charging
from almoner.payments.gateway import Charge, Instrument, Observation, Reference, Seen
from almoner.payments.record import current
from almoner.platform.db import Database
from almoner.platform.errors import FieldError, Invalid, NotFound, Problem


class ProcessRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One attempt to charge. The amount is repeated so that a mix-up is noticed here."""

    attempt_id: UUID
    amount_minor: int
    currency: str
    payment_method_nonce: str
    payee_id: int | None = None
    check_harder: bool = False

    def __repr__(self) -> str:
        return f"ProcessRequest(attempt_id={self.attempt_id})"


def read_request(body: bytes) -> ProcessRequest:
    """The request in a body. Raises Invalid naming the field, or Problem 400."""
    try:
        return msgspec.json.decode(body, type=ProcessRequest)
    except msgspec.ValidationError as error:
        where = str(error).partition("`$.")[2].rstrip("`") or "body"
        raise Invalid([FieldError(where, "invalid", str(error).partition(" - ")[0])]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "malformed_json", "The body cannot be read", "") from None


async def process(database: Database, charging: Charging, request: ProcessRequest) -> Observation:
    """Charge an attempt that has a surviving stamp, or tell what was observed of it before.

    Idempotent by attempt id: the gateway's request key follows from it. Raises NotFound, Invalid,
    or DatabaseAway, each before anything was sent.
    """
    async with database.connection() as connection:
        rows = await current(connection, [request.attempt_id])
    attempt = rows.get(request.attempt_id)
    if attempt is None:
        raise NotFound("There is no such attempt; nothing was sent.")
    money = Money(request.amount_minor, request.currency)
    if money != attempt.money:
        raise Invalid([FieldError("amount_minor", "mismatch", "The attempt is for another sum.")])
    if attempt.state is not AttemptState.DISPATCHED:
        return _observed_before(attempt)
    charge = Charge(
        attempt.attempt_id,
        money,
        Instrument(request.payment_method_nonce),
        attempt.merchant_account,
        Reference(attempt.payable_id, request.payee_id),
        request.check_harder,
    )
    return await charging.charge(attempt.gateway, charge)


def _observed_before(attempt: AttemptRow) -> Observation:
    if attempt.state in CAPTURED:
        return Observation(Seen.SUBMITTED, attempt.gateway_transaction_id)
    if attempt.state is AttemptState.DECLINED:
        return Observation(Seen.DECLINED, attempt.gateway_transaction_id, attempt.decline_code)
    if attempt.state is AttemptState.NOT_SENT:
        return Observation(Seen.NOT_SENT)
    return Observation(Seen.UNKNOWN, gateway_code=attempt.state)
