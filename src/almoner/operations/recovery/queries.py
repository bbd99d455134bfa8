"""SQL of the recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from almoner.money import Money
from almoner.payments.gateway import RecordedCharge
from almoner.platform import arrays
from almoner.platform.db import Connection, Database


class Placed(Struct, frozen=True):
    """A charge that was not in the books, and what it became there."""

    charge: RecordedCharge
    became: str
    reason: str
    donation_id: UUID | None = None
    charity_id: int | None = None


class Kept(Struct, frozen=True):
    """A recovered charge as it is filed. Times are milliseconds since 1970."""

    gateway: str
    order_id: str
    gateway_transaction_id: str
    money: Money
    charged_ms: int
    became: str
    reason: str
    donation_id: UUID | None
    charity_id: int | None


class KnownAttempt(Struct, frozen=True):
    """What the books know of a charge."""

    state: str
    gateway_transaction_id: str | None
    money: Money


async def attempts_of(
    connection: Connection, attempt_ids: Sequence[UUID]
) -> dict[UUID, KnownAttempt]:
    """Attempts that exist, by id."""
    cursor = await connection.execute(
        """
        SELECT attempt_id, state, gateway_transaction_id, amount_minor, currency
        FROM payment_attempt WHERE attempt_id = ANY (%s::uuid[])
        """,
        (arrays.uuids(attempt_ids),),
    )
    return {
        row["attempt_id"]: KnownAttempt(
            row["state"],
            row["gateway_transaction_id"],
            Money(row["amount_minor"], row["currency"]),
        )
        for row in await cursor.fetchall()
    }


async def charities(
    connection: Connection, charity_ids: Sequence[int]
) -> dict[int, tuple[str, str]]:
    """Those that exist, each with its slug and its name."""
    cursor = await connection.execute(
        "SELECT charity_id, slug, name FROM charity WHERE charity_id = ANY (%s::bigint[])",
        (arrays.integers(charity_ids),),
    )
    return {row["charity_id"]: (row["slug"], row["name"]) for row in await cursor.fetchall()}


async def charities_of(connection: Connection, attempt_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Which charity's gift each attempt pays, of those that exist."""
    cursor = await connection.execute(
        """
        SELECT a.attempt_id, d.charity_id
        FROM payment_attempt AS a
        JOIN donation AS d ON d.donation_id = a.payable_id AND d.donor_id = a.donor_id
        WHERE a.attempt_id = ANY (%s::uuid[])
        """,
        (arrays.uuids(attempt_ids),),
    )
    return {row["attempt_id"]: row["charity_id"] for row in await cursor.fetchall()}


async def date_captures(connection: Connection, captured: Mapping[UUID, int]) -> None:
    """Give recovered attempts the gateway's time of their capture, in milliseconds since 1970."""
    await connection.execute(
        """
        UPDATE payment_attempt AS a
        SET captured_at = to_timestamp(new.captured_ms / 1000::float8), version = a.version + 1
        FROM unnest(%s::uuid[], %s::bigint[]) AS new (attempt_id, captured_ms)
        WHERE a.attempt_id = new.attempt_id AND a.state = 'DISPATCHED' AND a.captured_at IS NULL
        """,
        (arrays.uuids(captured.keys()), arrays.integers(captured.values())),
    )


async def make_due(connection: Connection, attempt_ids: Sequence[UUID]) -> None:
    """Have the resolver look at these now. It moves them by what it sees, and only it.

    Those that somebody may still be sending are left to whoever does.
    """
    await connection.execute(
        """
        UPDATE payment_attempt SET next_check_at = now()
        WHERE attempt_id = ANY (%s::uuid[]) AND state <> 'PREPARED'
          AND (state <> 'DISPATCHED' OR dispatched_at < now() - interval '5 minutes')
        """,
        (arrays.uuids(attempt_ids),),
    )


async def file_placed(connection: Connection, gateway: str, placed: Sequence[Placed]) -> set[str]:
    """File what charges became; gives the order ids that were not filed before.

    One in suspense that has found its charity since stays there until its attempt is settled.
    """
    cursor = await connection.execute(
        """
        INSERT INTO recovered_charge AS r (gateway, order_id, gateway_transaction_id, amount_minor,
            currency, charged_at, found_at, became, reason, donation_id, charity_id)
        SELECT %s, order_id, transaction_id, amount_minor, currency,
               to_timestamp(charged_ms / 1000::float8), now(), became, reason, donation_id,
               charity_id
        FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::text[],
                    %s::text[], %s::uuid[], %s::bigint[])
             AS new (order_id, transaction_id, amount_minor, currency, charged_ms, became, reason,
                     donation_id, charity_id)
        ON CONFLICT (gateway, order_id) DO UPDATE
        SET donation_id = excluded.donation_id, charity_id = excluded.charity_id,
            reason = excluded.reason
        WHERE r.became = 'suspense'
        RETURNING r.order_id, xmax = 0 AS is_new
        """,
        (
            gateway,
            arrays.texts(p.charge.order_id for p in placed),
            arrays.texts(p.charge.gateway_transaction_id for p in placed),
            arrays.integers(p.charge.money.amount_minor for p in placed),
            arrays.texts(p.charge.money.currency for p in placed),
            arrays.integers(p.charge.charged_ms for p in placed),
            arrays.texts(p.became for p in placed),
            arrays.texts(p.reason for p in placed),
            arrays.texts(p.donation_id.hex if p.donation_id else None for p in placed),
            arrays.integers(p.charity_id for p in placed),
        ),
    )
    return {row["order_id"] for row in await cursor.fetchall() if row["is_new"]}


async def forget_left_alone(connection: Connection, gateway: str, order_ids: Sequence[str]) -> None:
    """What had no money in it has some now: it is filed anew."""
    await connection.execute(
        "DELETE FROM recovered_charge "
        "WHERE gateway = %s AND became = 'left_alone' AND order_id = ANY (%s::text[])",
        (gateway, arrays.texts(order_ids)),
    )


async def release(connection: Connection, gateway: str) -> list[Kept]:
    """Take out of suspense what has its attempt now, captured; gives what to post back."""
    cursor = await connection.execute(
        """
        UPDATE recovered_charge AS r SET became = 'released', released_at = now()
        FROM payment_attempt AS a
        WHERE r.gateway = %s AND r.became = 'suspense' AND r.order_id ~ '^[0-9a-f]{32}$'
          AND a.attempt_id = r.order_id::uuid
          AND a.gateway_transaction_id = r.gateway_transaction_id
          AND a.state IN ('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')
        RETURNING r.*, (extract(epoch FROM r.charged_at) * 1000)::bigint AS charged_ms
        """,
        (gateway,),
    )
    return [_kept(row) for row in await cursor.fetchall()]


async def release_given_back(
    connection: Connection, gateway: str, order_ids: Sequence[str]
) -> list[Kept]:
    """Take out of suspense what the gateway does not hold for us any more."""
    cursor = await connection.execute(
        """
        UPDATE recovered_charge AS r
        SET became = 'released', released_at = now(), reason = 'given_back'
        WHERE gateway = %s AND became = 'suspense' AND order_id = ANY (%s::text[])
        RETURNING r.*, (extract(epoch FROM r.charged_at) * 1000)::bigint AS charged_ms
        """,
        (gateway, arrays.texts(order_ids)),
    )
    return [_kept(row) for row in await cursor.fetchall()]


async def all_kept(database: Database) -> list[Kept]:
    """Every charge that was ever recovered, the oldest first."""
    rows = await database.fetch_all("""
        SELECT *, (extract(epoch FROM charged_at) * 1000)::bigint AS charged_ms
        FROM recovered_charge ORDER BY charged_at, order_id
    """)
    return [_kept(row) for row in rows]


def _kept(row: dict[str, object]) -> Kept:
    money = Money(int(str(row["amount_minor"])), str(row["currency"]))
    names = ("gateway", "order_id", "gateway_transaction_id", "charged_ms", "became", "reason",
             "donation_id", "charity_id")  # fmt: skip
    return Kept(money=money, **{name: row[name] for name in names})  # type: ignore[arg-type]
