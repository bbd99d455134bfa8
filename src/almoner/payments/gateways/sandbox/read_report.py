"""Read a settlement report of the sandbox: what `write_report` writes, and nothing else."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, TextIO

from almoner.money import EXPONENTS, Money
from almoner.payments.gateway import NotAReport, Payout, SettledCharge
from almoner.payments.gateways.sandbox.settle import REPORT_COLUMNS

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MINOR: Final = re.compile(r"\d{1,15}", re.ASCII)


def read_report(file: TextIO) -> list[tuple[Payout, list[SettledCharge]]]:
    """The payouts of a report in the order in which they first appear, with their charges.

    What arrived is what the lines say, less the fees. Raises NotAReport naming the line; a report
    that is damaged anywhere is not used at all.
    """
    payouts: dict[str, tuple[str, int, list[SettledCharge]]] = {}
    for number, row in _rows(file):
        charge, paid_ms = _charge(number, row)
        currency, before_ms, charges = payouts.setdefault(
            charge.payout_id, (charge.money.currency, paid_ms, [])
        )
        if (currency, before_ms) != (charge.money.currency, paid_ms):
            raise NotAReport(f"line {number}: a payout has one currency and one time")
        charges.append(charge)
    return [
        (
            Payout(
                payout_id,
                currency,
                sum(charge.money.amount_minor - charge.fee_minor for charge in charges),
                paid_ms,
            ),
            charges,
        )
        for payout_id, (currency, paid_ms, charges) in payouts.items()
    ]


def _rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each line below the head, with its number in the file."""
    reader = csv.reader(file, strict=True)
    try:
        if tuple(next(reader, ())) != REPORT_COLUMNS:
            raise NotAReport(f"line 1: the columns must be {', '.join(REPORT_COLUMNS)}")
        for row in reader:
            if len(row) != len(REPORT_COLUMNS):
                raise NotAReport(f"line {reader.line_num}: {len(row)} fields")
            yield reader.line_num, dict(zip(REPORT_COLUMNS, row, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise NotAReport(f"line {reader.line_num + 1}: {error}") from None


def _charge(number: int, row: Mapping[str, str]) -> tuple[SettledCharge, int]:
    for column in ("payout_id", "order_id", "transaction_id"):
        if not _ID.fullmatch(row[column]):
            raise NotAReport(f"line {number}: {column} is no id")
    for column in ("amount_minor", "fee_minor"):
        if not _MINOR.fullmatch(row[column]):
            raise NotAReport(f"line {number}: {column} is no amount in minor units")
    if row["currency"] not in EXPONENTS:
        raise NotAReport(f"line {number}: currency is not one that we know")
    money = Money(int(row["amount_minor"]), row["currency"])
    return (
        SettledCharge(
            row["payout_id"], row["order_id"], row["transaction_id"], money, int(row["fee_minor"])
        ),
        _paid_ms(number, row["paid_at"]),
    )


def _paid_ms(number: int, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        at_ms = round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        at, at_ms = None, -1
    if at is None or at.tzinfo is None or at_ms < 0:
        raise NotAReport(f"line {number}: paid_at is no time since 1970 with its zone")
    return at_ms
