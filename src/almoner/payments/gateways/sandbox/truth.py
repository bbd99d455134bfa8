"""What the sandbox truly charged: its own durable record, in a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from msgspec import Struct

from almoner.money import Money
from almoner.payments.gateway import Charge, RecordedCharge
from almoner.payments.gateways.sandbox.rules import Verdict
from almoner.platform import arrays
from almoner.platform.db import Connection, Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS sandbox_charge (
    order_id text PRIMARY KEY,
    transaction_number bigint GENERATED ALWAYS AS IDENTITY,
    amount_minor bigint NOT NULL,
    currency char(3) NOT NULL,
    captured boolean NOT NULL,
    gateway_code text NOT NULL,
    decline_code text,
    charged_at timestamptz NOT NULL DEFAULT now()
)
"""


class Entry(Struct, frozen=True):
    """One charge as the sandbox filed it."""

    order_id: str
    transaction_id: str
    verdict: Verdict
    money: Money


async def create_schema(connection: Connection) -> None:
    """Make the sandbox's table if it is not there; several processes may try at once."""
    await connection.execute("SELECT pg_advisory_xact_lock(7)")
    await connection.execute(SCHEMA)


async def file_charges(
    connection: Connection, charges: Sequence[tuple[Charge, Verdict]]
) -> list[Entry]:
    """File charges; one that is filed already comes back as it is (its idempotency)."""
    cursor = await connection.execute(
        """
        INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code,
                                    decline_code)
        SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::boolean[], %s::text[],
                             %s::text[])
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
        ),
        prepare=True,
    )
    filed = {row["order_id"]: row["transaction_number"] for row in await cursor.fetchall()}
    entries: list[Entry] = []
    for charge, verdict in charges:
        number = filed.pop(charge.order_id, None)
        if number is None:
            entry = await find(connection, charge.order_id)
            if entry is None:
                raise LookupError("a charge vanished from the sandbox's record")
            entries.append(entry)
        else:
            entries.append(Entry(charge.order_id, transaction_id(number), verdict, charge.money))
    return entries


async def find(connection: Connection, order_id: str) -> Entry | None:
    """What was filed under an order id."""
    cursor = await connection.execute(
        "SELECT * FROM sandbox_charge WHERE order_id = %s", (order_id,)
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return Entry(
        row["order_id"],
        transaction_id(row["transaction_number"]),
        Verdict(row["captured"], row["gateway_code"], row["decline_code"]),
        Money(row["amount_minor"], row["currency"]),
    )


async def all_charges(database: Database) -> AsyncIterator[RecordedCharge]:
    """Every charge by ascending order id, fetched a few thousand at a time."""
    last = ""
    while rows := await database.fetch_all(
        "SELECT * FROM sandbox_charge WHERE order_id > %s ORDER BY order_id LIMIT 5000", (last,)
    ):
        for row in rows:
            yield RecordedCharge(
                row["order_id"],
                transaction_id(row["transaction_number"]),
                Money(row["amount_minor"], row["currency"]),
                row["captured"],
            )
        last = rows[-1]["order_id"]


def transaction_id(number: int) -> str:
    """A gateway's kind of id for the sandbox's running number."""
    return f"sb{number:08d}"
