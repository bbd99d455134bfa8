"""What the sandbox truly charged: its own durable record, in a database of its own.

A charge whose `charged_at` lies ahead is in flight: it will be charged then, whoever dies
meanwhile, and until then nobody finds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from almoner.money import Money
from almoner.payments.gateway import Charge, RecordedCharge, Reference, Seen
from almoner.payments.gateways.sandbox.rules import TAKEN, Verdict
from almoner.platform import arrays
from almoner.platform.db import Connection, Database


class ChargeState(StrEnum):
    """What the sandbox has done with a charge."""

    DECLINED = "declined"
    SUBMITTED = "submitted"
    SETTLED = "settled"
    SETTLEMENT_FAILED = "settlement_failed"
    VOIDED = "voided"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_LOST = "dispute_lost"


SEEN_OF: Final[dict[ChargeState, Seen]] = {
    ChargeState.DECLINED: Seen.DECLINED,
    ChargeState.SUBMITTED: Seen.SUBMITTED,
    ChargeState.SETTLED: Seen.SETTLED,
    ChargeState.SETTLEMENT_FAILED: Seen.SETTLEMENT_FAILED,
    ChargeState.VOIDED: Seen.VOIDED,
    ChargeState.REFUNDED: Seen.VOIDED,
    ChargeState.DISPUTED: Seen.DISPUTED,
    ChargeState.DISPUTE_LOST: Seen.DISPUTED,
}
"""How a caller sees each."""

HOLDS_MONEY: Final = frozenset(
    {
        ChargeState.SUBMITTED,
        ChargeState.SETTLED,
        ChargeState.DISPUTED,
        ChargeState.DISPUTE_LOST,
    }
)
"""States that count as captured: the money was taken, and not given back by us."""


class Entry(Struct, frozen=True):
    """One charge as the sandbox filed it.

    `in_flight` is one that will be charged later; `hidden` one that look-ups do not find yet;
    `declined_first` the decline code of one that was declined and captured after all.
    """

    order_id: str
    transaction_id: str
    verdict: Verdict
    money: Money
    state: ChargeState
    charged_ms: int = 0
    in_flight: bool = False
    hidden: bool = False
    reference: Reference | None = None
    fee_minor: int = 0
    declined_first: str | None = None


ROW: Final = """
    SELECT order_id, transaction_number, amount_minor, currency, gateway_code, decline_code,
           captured OR coalesce(captures_at <= clock_timestamp(), false) AS captured,
           state, (extract(epoch FROM greatest(charged_at, CASE
               WHEN captures_at <= clock_timestamp() THEN captures_at END)) * 1000)::bigint
               AS charged_ms,
           charged_at > clock_timestamp() AS in_flight,
           coalesce(visible_at > clock_timestamp(), false) AS hidden,
           payable_id, payee_id, fee_minor,
           CASE WHEN captures_at <= clock_timestamp() AND NOT captured
               THEN coalesce(decline_code, 'card_declined') END AS declined_first
    FROM sandbox_charge
"""
"""To be followed by WHERE. A declined charge that is captured after all is captured from then."""


async def file_charges(
    connection: Connection, charges: Sequence[tuple[Charge, Verdict]]
) -> list[Entry]:
    """File charges; one that is filed already comes back as it is (its idempotency)."""
    cursor = await connection.execute(
        """
        INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code,
                                    decline_code, payable_id, payee_id)
        SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::boolean[], %s::text[],
                             %s::text[], %s::uuid[], %s::bigint[])
        ON CONFLICT DO NOTHING
        RETURNING order_id, transaction_number
        """,
        (
            arrays.texts(c.order_id for c, _ in charges),
            arrays.integers(c.money.amount_minor for c, _ in charges),
            arrays.texts(c.money.currency for c, _ in charges),
            arrays.texts("t" if v.captured else "f" for _, v in charges),
            arrays.texts(v.gateway_code for _, v in charges),
            arrays.texts(v.decline_code for _, v in charges),
            arrays.texts(c.reference.payable_id.hex if c.reference else None for c, _ in charges),
            arrays.integers(c.reference.payee_id if c.reference else None for c, _ in charges),
        ),
        prepare=True,
    )
    filed = {row["order_id"]: row["transaction_number"] for row in await cursor.fetchall()}
    entries: list[Entry] = []
    for charge, verdict in charges:
        number = filed.pop(charge.order_id, None)
        entries.append(
            await _filed_before(connection, charge.order_id)
            if number is None
            else Entry(
                charge.order_id,
                transaction_id(number),
                verdict,
                charge.money,
                ChargeState.SUBMITTED if verdict.captured else ChargeState.DECLINED,
            )
        )
    return entries


class Oddity(Struct, frozen=True):
    """What is odd about a charge, in milliseconds from now; None is not at all.

    `charged_in_ms`: it is in flight until then. `found_in_ms`: look-ups miss it until then.
    `captured_in_ms`: it is declined first, and captured then. `fails`: it will not settle.
    """

    charged_in_ms: int | None = None
    found_in_ms: int | None = None
    captured_in_ms: int | None = None
    fails: bool = False


async def file_odd(
    connection: Connection, charge: Charge, verdict: Verdict, oddity: Oddity
) -> tuple[Entry, bool]:
    """File one charge with a fault; gives it, and whether it is new."""
    cursor = await connection.execute(
        """
        INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code,
                                    decline_code, payable_id, payee_id, charged_at, visible_at,
                                    captures_at, fails_settlement)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s,
                clock_timestamp() + coalesce(%s, 0) * interval '1 millisecond',
                clock_timestamp() + %s * interval '1 millisecond',
                clock_timestamp() + %s * interval '1 millisecond', %s)
        ON CONFLICT DO NOTHING
        """,
        (
            charge.order_id,
            charge.money.amount_minor,
            charge.money.currency,
            verdict.captured,
            verdict.gateway_code,
            verdict.decline_code,
            charge.reference.payable_id if charge.reference else None,
            charge.reference.payee_id if charge.reference else None,
            oddity.charged_in_ms,
            oddity.found_in_ms,
            oddity.captured_in_ms,
            oddity.fails or None,
        ),
    )
    return await _filed_before(connection, charge.order_id), cursor.rowcount == 1


async def _filed_before(connection: Connection, order_id: str) -> Entry:
    entry = await find(connection, order_id)
    if entry is None:
        raise LookupError("a charge vanished from the sandbox's record")
    return entry


async def find(connection: Connection, order_id: str) -> Entry | None:
    """What was filed under an order id, also when it is in flight or hidden."""
    cursor = await connection.execute(ROW.encode() + b"WHERE order_id = %s", (order_id,))
    row = await cursor.fetchone()
    return None if row is None else entry_of(row)


async def all_entries(database: Database) -> AsyncIterator[Entry]:
    """Every charge by ascending order id, fetched a few thousand at a time.

    What is in flight has not been charged; what look-ups do not find has.
    """
    last = ""
    while rows := await database.fetch_all(
        ROW + "WHERE order_id > %s AND charged_at <= clock_timestamp() "
        "ORDER BY order_id LIMIT 5000",
        (last,),
    ):
        for row in rows:
            yield entry_of(row)
        last = rows[-1]["order_id"]


def entry_of(row: dict[str, Any]) -> Entry:
    """A row of `ROW`."""
    if row["captured"]:
        verdict, state = TAKEN, ChargeState(row["state"] or ChargeState.SUBMITTED)
    else:
        verdict = Verdict(False, row["gateway_code"], row["decline_code"])
        state = ChargeState.DECLINED
    return Entry(
        row["order_id"],
        transaction_id(row["transaction_number"]),
        verdict,
        Money(row["amount_minor"], row["currency"]),
        state,
        row["charged_ms"],
        row["in_flight"],
        row["hidden"],
        Reference(row["payable_id"], row["payee_id"]) if row["payable_id"] else None,
        row["fee_minor"] or 0,
        row["declined_first"],
    )


def recorded(entry: Entry) -> RecordedCharge:
    """An entry as others are shown it."""
    return RecordedCharge(
        entry.order_id,
        entry.transaction_id,
        entry.money,
        entry.state in HOLDS_MONEY,
        SEEN_OF[entry.state],
        entry.charged_ms,
        entry.reference,
        entry.declined_first,
    )


def transaction_id(number: int) -> str:
    """A gateway's kind of id for the sandbox's running number."""
    return f"sb{number:08d}"


def transaction_number(transaction: str) -> int | None:
    """The running number of such an id; None when it is none."""
    digits = transaction.removeprefix("sb")
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
    return number if number is not None and transaction_id(number) == transaction else None
