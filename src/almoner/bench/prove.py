"""The proof beside a figure: every gift told as paid is in the books and at the gateway, once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from almoner.bench import queries
from almoner.bench.heard import Heard
from almoner.bench.trial import Trial
from almoner.platform.db import Database

QUIET_SECONDS_MAX: Final = 60.0


class Proof(Struct, frozen=True):
    """Three counts that must be the same, and `almoner check`.

    `told_paid` are answers 201, `captured` donations with a captured attempt in our database,
    `charged` captured charges in the sandbox's own record. `differences` says what is wrong.
    """

    told_paid: int
    captured: int
    charged: int
    check_holds: bool
    differences: list[str]

    @property
    def verified(self) -> bool:
        """Whether the figure counts."""
        return not self.differences


def prove(trial: Trial, heard: Heard, captured: set[UUID]) -> Proof:
    """Compare what was told with both records; the installation must be quiet."""
    with ThreadPoolExecutor(2) as asking:
        charges = asking.submit(trial.ask, "sandbox", "charges")
        exit_code, checked = trial.ask("check")
        _, sandbox = charges.result()
    holds = exit_code == 0 and bool(checked["holds"])
    differences = [
        *_broken(checked),
        *_counts(heard, len(captured), sandbox["captured"]),
        *_ids(heard.ids_path, captured),
    ]
    if heard.wrong:
        differences.append(f"{heard.wrong} answers do not fit what was asked")
    if checked["attempts_open"]:
        differences.append(f"{checked['attempts_open']} attempts are still open")
    if not heard.paid:
        differences.append("nothing was paid: " + "; ".join(heard.samples)[:300])
    return Proof(heard.paid, len(captured), sandbox["captured"], holds, differences)


async def captured_when_quiet(database_url: str) -> set[UUID]:
    """The paid donations, once nothing is under way any more or a minute has passed."""
    database = Database(database_url, size=1)
    await database.open()
    try:
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        while await queries.count_open(database) and time.monotonic() < deadline:
            # Nobody else is served here; a blocked loop disturbs no one.
            time.sleep(0.25)  # noqa: ASYNC251
        return await queries.paid_donations(database)
    finally:
        await database.close()


def _broken(checked: dict[str, Any]) -> list[str]:
    return [
        f"almoner check: {finding['name']} is broken {finding['breaches']} times"
        for finding in checked["checks"]
        if not finding["holds"]
    ]


def _counts(heard: Heard, captured: int, charged: int) -> list[str]:
    differences = []
    if captured != charged:
        differences.append(f"{captured} captured in our books, {charged} at the gateway")
    # A gift answered 202, or whose answer was cut off, may well have been charged afterwards.
    unheard_max = heard.unheard_max + heard.unanswered + heard.told.get("202", 0)
    if not 0 <= captured - heard.paid <= unheard_max:
        differences.append(
            f"{heard.paid} told as paid, {captured} captured, at most {unheard_max} unheard"
        )
    return differences


def _ids(ids_path: str | None, captured: set[UUID]) -> list[str]:
    if ids_path is None:
        return []
    packed = Path(ids_path).read_bytes()
    told = [UUID(bytes=packed[at : at + 16]) for at in range(0, len(packed), 16)]
    differences = []
    if twice := len(told) - len(set(told)):
        differences.append(f"{twice} donation ids were told twice")
    if missing := len(set(told) - captured):
        differences.append(f"{missing} donations told as paid are not captured")
    return differences
