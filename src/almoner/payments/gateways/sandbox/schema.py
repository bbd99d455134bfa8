"""The tables of the sandbox, in a database of its own, for a new record and for an older one."""

from __future__ import annotations

from typing import Final

from almoner.platform.db import Connection

_CHARGE: Final = """
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

_ADDED: Final[dict[str, str]] = {
    "payable_id": "uuid",
    "payee_id": "bigint",
    # What became of it since; without one it is submitted, or declined when it is not captured.
    "state": "text",
    # When look-ups begin to find it, and when a declined one is captured after all: faults.
    "visible_at": "timestamptz",
    "captures_at": "timestamptz",
    "fails_settlement": "boolean",
    "payout_number": "bigint",
    "fee_minor": "bigint",
}
"""Columns that earlier versions did not have. All may be empty, and none is written when a charge
is filed without a fault."""

_OTHERS: Final = (
    """
    CREATE INDEX IF NOT EXISTS sandbox_charge_payout ON sandbox_charge (payout_number)
    WHERE payout_number IS NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS sandbox_reversal (
        request_key text PRIMARY KEY,
        order_id text NOT NULL,
        kind text NOT NULL,
        reversed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS sandbox_payout (
        payout_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        currency char(3) NOT NULL,
        charges bigint NOT NULL,
        gross_minor bigint NOT NULL,
        fee_minor bigint NOT NULL,
        paid_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS sandbox_fault (
        fault_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        operation text NOT NULL,
        times_left integer,
        probability double precision,
        seed bigint NOT NULL DEFAULT 0,
        drawn bigint NOT NULL DEFAULT 0,
        happened bigint NOT NULL DEFAULT 0,
        delay_ms integer,
        amount_minor bigint,
        order_id text,
        set_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS sandbox_notice (
        notice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id text NOT NULL,
        kind text NOT NULL,
        order_ids text[] NOT NULL,
        happened_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        fault text,
        drawn boolean NOT NULL DEFAULT false,
        tries integer NOT NULL DEFAULT 0,
        ended_at timestamptz,
        outcome text
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS sandbox_notice_due ON sandbox_notice (due_at)
    WHERE ended_at IS NULL
    """,
)


async def create_schema(connection: Connection) -> None:
    """Make what is not there; several processes may try at once.

    A column is only added when it is missing, because adding one locks the table for a moment.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(7)")
    await connection.execute(_CHARGE)
    cursor = await connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'sandbox_charge'::regclass "
        "AND NOT attisdropped"
    )
    there = {row["attname"] for row in await cursor.fetchall()}
    if missing := {name: kind for name, kind in _ADDED.items() if name not in there}:
        columns = ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in missing.items())
        await connection.execute(f"ALTER TABLE sandbox_charge {columns}".encode())
    for statement in _OTHERS:
        await connection.execute(statement)
