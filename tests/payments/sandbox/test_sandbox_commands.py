"""`almoner sandbox` as a person types it."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from almoner.cli import app
from almoner.money import Money
from almoner.payments.gateway import Charge, Instrument, Observation
from almoner.payments.gateways.sandbox.faults import FaultKind
from almoner.payments.gateways.sandbox.gateway import SandboxGateway, SandboxRules

Run = Callable[..., Any]


@pytest.fixture
def record_url(
    embedded: Any, new_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty record that the commands find by their environment."""
    url = new_database(empty=True)
    monkeypatch.setenv("ALMONER_DATABASE_URL", embedded.servers.database_url)
    monkeypatch.setenv("ALMONER_REDIS_URL", embedded.servers.redis_url)
    monkeypatch.setenv("ALMONER_SANDBOX_DATABASE_URL", url)
    monkeypatch.setenv("ALMONER_SECRET_KEY", "a secret key for the tests of almoner")
    return url


def run(*words: str, code: int = 0) -> Any:
    """Run a command with --json; its JSON, or what it said."""
    result = CliRunner().invoke(app, ["sandbox", *words, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code == 0 else result.output


def said(*words: str) -> str:
    """Run a command for people."""
    result = CliRunner().invoke(app, ["sandbox", *words])
    assert result.exit_code == 0, result.output
    return result.output


def charge(url: str, *nonces: str) -> list[Observation]:
    """Charges of fifty dollars."""

    async def send() -> list[Observation]:
        gateway = SandboxGateway(url, SandboxRules())
        await gateway.open()
        try:
            money = Money(5000, "USD")
            return [await gateway.charge(Charge(uuid4(), money, Instrument(n))) for n in nonces]
        finally:
            await gateway.close()

    return asyncio.run(send())


def test_charges_are_listed_with_their_state(record_url: str) -> None:
    """Taken, declined, settled: in the order of their transactions."""
    charge(record_url, "fake-valid-nonce", "fake-consumed-nonce")
    run("settle")
    charge(record_url, "fake-valid-nonce")

    found = run("charges")

    assert [row["state"] for row in found["charges"]] == ["settled", "declined", "submitted"]
    assert (found["captured"], found["declined"]) == (2, 1)
    assert "2 captured (1 declined, 1 settled, 1 submitted)" in said("charges")


def test_a_batch_is_settled_with_its_report(record_url: str, tmp_path: Path) -> None:
    """The report has the batch that was closed now, and not those before."""
    charge(record_url, "fake-valid-nonce")
    run("settle")
    charge(record_url, "fake-valid-nonce", "fake-late-decline-nonce")
    report = tmp_path / "report.csv"

    found = run("settle", "--report", str(report))

    (payout,) = found["payouts"]
    assert (payout["charges"], payout["gross"], payout["fees"], payout["net"]) == (
        1, "50.00", "1.75", "48.25",
    )  # fmt: skip
    with report.open() as file:
        assert [row["payout_id"] for row in csv.DictReader(file)] == [payout["payout_id"]]
    assert run("charges")["states"] == {"settled": 2, "settlement_failed": 1}
    assert "nothing to settle" in said("settle")


def test_a_report_that_cannot_be_written_is_said(record_url: str, tmp_path: Path) -> None:
    """What was settled is settled; the exit code is 1."""
    charge(record_url, "fake-valid-nonce")

    told = run("settle", "--report", str(tmp_path / "nowhere" / "report.csv"), code=1)

    assert "Settled, but" in told


def test_a_dispute_is_opened_and_lost(record_url: str) -> None:
    """Step by step; a step at the wrong place is refused and says where the charge stands."""
    (taken,) = charge(record_url, "fake-valid-nonce")
    transaction = str(taken.gateway_transaction_id)

    early = run("dispute", transaction, code=1)
    run("settle")
    run("dispute", transaction)
    opened = run("charges")["states"]
    run("dispute", transaction, "--lost")
    again = run("dispute", transaction, "--won", code=1)

    assert "is submitted" in early
    assert opened == {"disputed": 1}
    assert run("charges")["states"] == {"dispute_lost": 1}
    assert "is dispute_lost" in again


def test_a_fault_is_set_and_strikes(record_url: str) -> None:
    """In another process, at its next request; then it is over, and listed so."""
    run("fault", "decline", "--times", "1", "--amount", "50.00")

    told = [seen.seen for seen in charge(record_url, "fake-valid-nonce", "fake-valid-nonce")]

    assert told == ["DECLINED", "SUBMITTED"]
    (fault,) = run("faults")["faults"]
    assert (fault["kind"], fault["times_left"], fault["happened"]) == ("decline", 0, 1)
    assert "struck 1" in said("faults")


def test_faults_are_taken_back(record_url: str) -> None:
    """One kind, or all."""
    for kind in ("decline", "slow", "lost_reset"):
        run("fault", kind)

    one = run("fault", "slow", "--clear")
    left = [fault["kind"] for fault in run("faults")["faults"]]
    others = run("fault", "--clear")

    assert (one["cleared"], left, others["cleared"]) == (1, ["decline", "lost_reset"], 2)
    assert "No fault is set" in said("faults")


def test_a_fault_that_is_not_set_cannot_be_taken_back(record_url: str) -> None:
    """Whoever misremembers its name hears of it; taking back all is always done."""
    named = CliRunner().invoke(app, ["sandbox", "fault", "slow", "--clear"])
    everything = said("fault", "--clear")

    assert (named.exit_code, "slow is not set" in named.output) == (1, True)
    assert "no fault is set" in everything


def test_faults_by_chance_are_listed(record_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With id 0, as they are in no table."""
    monkeypatch.setenv("ALMONER_SANDBOX_FAULTS", "lost_reset:0.02;seed=7")

    (fault,) = run("faults")["faults"]

    assert (fault["fault_id"], fault["probability"], fault["seed"]) == (0, 0.02, 7)


def test_all_kinds_are_listed(record_url: str) -> None:
    """Nobody has to read the source."""
    assert set(run("faults")["kinds"]) == set(FaultKind)


@pytest.mark.parametrize(
    "words",
    [
        ("fault",),
        ("fault", "nonsense"),
        ("fault", "nonsense", "--clear"),
        ("fault", "decline", "--operation", "look_up"),
        ("fault", "decline", "--times", "1", "--probability", "0.5"),
        ("fault", "decline", "--amount", "fifty"),
        ("fault", "decline", "--amount", "1", "--currency", "XXX"),
        ("dispute", "sb00000001", "--won", "--lost"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_said(record_url: str, words: tuple[str, ...]) -> None:
    """Exit code 2 and a sentence; nothing is set."""
    run(*words, code=2)

    assert run("faults")["faults"] == []


def test_a_record_that_cannot_be_reached_is_said(
    record_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 for whichever command."""
    monkeypatch.setenv("ALMONER_SANDBOX_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")

    for words in (("charges",), ("settle",), ("faults",), ("fault", "slow")):
        assert "could not be reached" in run(*words, code=3)
