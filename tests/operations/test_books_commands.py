"""`almoner events`, `ledger`, `settlement` and `match` as a person or a script uses them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from almoner.payments.gateways.sandbox.settle import write_report
from support.donor import Donor
from support.installation import SECRET_KEY, Installation
from support.tamper import tamper


class Ended(Struct, frozen=True):
    """How a command ended, and what it said."""

    exit_code: int
    output: str
    errors: str


Command = Callable[..., Awaitable[Ended]]


@pytest.fixture
def command(almoner: Installation) -> Command:
    """Runs a command, in a process of its own, on the installation's databases."""
    given = almoner.settings.servers
    environment = {
        "ALMONER_DATABASE_URL": given.database_url,
        "ALMONER_SANDBOX_DATABASE_URL": given.sandbox_database_url,
        "ALMONER_REDIS_URL": given.redis_url,
        "ALMONER_SECRET_KEY": SECRET_KEY,
    }

    async def run(*words: object, **settings: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "almoner",
            *(str(word) for word in words),
            env=os.environ | environment | settings,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return Ended(process.returncode or 0, output.decode(), errors.decode())

    return run


def told(result: Ended) -> Any:
    """What a command printed as JSON."""
    return json.loads(result.output)


async def sealed(almoner: Installation) -> None:
    """Seal what there is."""
    for _ in range(2):
        await almoner.work.books.sealer.step()


async def test_parked_events_are_shown_and_tried_again(
    almoner: Installation, donor: Donor, command: Command
) -> None:
    """With the consumer and the reason; after another try nothing is left."""
    await donor.gives()
    await almoner.work.telling.relay.step()
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE delivery SET parked_at = now(), tries = 10, failure = 'ValueError' "
        "WHERE consumer = 'charity_totals'",
    )

    shown, as_json = await command("events", "parked"), await command("events", "parked", "--json")
    (event,) = told(as_json)
    nothing = await command("events", "retry", "--consumer", "log")
    again = await command("events", "retry", event["event_id"])
    await almoner.work.telling.tell_all()

    assert (shown.exit_code, nothing.exit_code, again.exit_code) == (0, 1, 0)
    assert "charity_totals  donation.paid" in shown.output
    assert "ValueError" in shown.output
    assert event["tries"] == 10
    assert told(await command("events", "parked", "--json")) == []
    assert await almoner.value("SELECT raised_minor FROM charity_total") == 5000


async def test_balances_seals_and_heads(
    almoner: Installation, donor: Donor, command: Command, tmp_path: Path
) -> None:
    """What stands in the accounts; that nothing was changed; and a head that is kept."""
    await donor.gives()
    await sealed(almoner)
    head = tmp_path / "head.json"

    balances = await command("ledger", "balances")
    printed = await command("ledger", "head", "--json")
    head.write_text(printed.output)
    verified = await command("ledger", "verify", "--head", head)
    in_words = await command("ledger", "head")

    assert "gateway_receivable:sandbox" in balances.output
    assert "50.00 USD" in balances.output
    assert told(printed)[0]["hash"] in in_words.output
    assert verified.exit_code == 0, verified.errors
    assert verified.output.count("holds") == 8


async def test_a_changed_ledger_is_named(
    almoner: Installation, donor: Donor, command: Command, tmp_path: Path
) -> None:
    """Exit code 1 with shard and seal; 2 for a file that holds no heads."""
    await donor.gives()
    await sealed(almoner)
    (tmp_path / "no.json").write_text("{}")
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE ledger_entry SET amount_minor = 2 * amount_minor",
    )

    broken = await command("ledger", "verify", "--json")
    wrong = await command("ledger", "verify", "--head", tmp_path / "no.json")

    assert (broken.exit_code, wrong.exit_code) == (1, 2)
    assert told(broken)["holds"] is False
    assert [s["broken"] for s in told(broken)["shards"] if s["broken"]] == [
        "seal 1: an entry or the seal itself was changed"
    ]
    almoner.expected_broken = await almoner.broken()
    assert "chain_verifies" in almoner.expected_broken


async def test_a_settlement_report_is_imported(
    almoner: Installation, donor: Donor, command: Command, tmp_path: Path
) -> None:
    """From its file, then from the gateway itself: the second finds all of it known."""
    await donor.gives()
    gateway = almoner.work.books.gateway
    await gateway.record.close_batch()
    text = io.StringIO()
    write_report(text, [report async for report in gateway.payouts("")])
    file = tmp_path / "report.csv"
    file.write_text(text.getvalue())

    first = await command("settlement", "import", file, "--json")
    again = await command("settlement", "import", "--all")

    assert first.exit_code == 0, first.errors
    assert (told(first)["payouts"], told(first)["lines_settled"]) == (1, 1)
    assert "0 payouts new, 1 known" in again.output
    assert await almoner.value("SELECT state FROM payment_attempt") == "SETTLED"


async def test_what_does_not_fit_ends_with_1_and_no_report_with_2(
    almoner: Installation, command: Command, tmp_path: Path
) -> None:
    """So that a timer notices."""
    file, other = tmp_path / "report.csv", tmp_path / "other.csv"
    file.write_text(
        "payout_id,paid_at,order_id,transaction_id,currency,amount_minor,fee_minor\n"
        "po1,2026-11-22T10:00:00.000Z,abc,sb1,USD,5000,175\n"
    )
    other.write_text("name,amount\n")

    different = await command("settlement", "import", file)
    refused = await command("settlement", "import", other)

    assert (different.exit_code, refused.exit_code) == (1, 2)
    assert "paid_out_unknown  abc" in different.output
    assert await almoner.value("SELECT count(*) FROM payout") == 1


async def test_the_match_shows_what_is_different(
    almoner: Installation, donor: Donor, command: Command
) -> None:
    """Exit code 0 while all is well, then 1; shown again without comparing."""
    await donor.gives()
    well = await command("match", "--json")
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET amount_minor = 1")

    different, shown = await command("match"), await command("match", "--show", "--json")

    assert (well.exit_code, different.exit_code, shown.exit_code) == (0, 1, 1), different.errors
    assert told(well)["matched"] == 1
    assert "amount_differs" in different.output
    assert [d["kind"] for d in told(shown)] == ["amount_differs"]
    almoner.expected_broken = await almoner.broken()


@pytest.mark.parametrize(
    "words", [("events", "parked"), ("ledger", "balances"), ("match",), ("settlement", "import")]
)
async def test_a_database_that_is_away_ends_with_3(
    command: Command, words: tuple[str, ...]
) -> None:
    """One sentence, no traceback."""
    away = "postgresql://almoner@127.0.0.1:1/almoner"

    result = await command(*words, ALMONER_DATABASE_URL=away)

    assert result.exit_code == 3, result.errors
    assert "could not be asked" in result.errors
    assert "Traceback" not in result.errors
