"""Two people decide about charges in doubt that nobody else can decide about."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from msgspec import structs
from typer.testing import CliRunner

from almoner.cli import app
from almoner.money import Money
from almoner.payments.gateway import Observation, Reversal, Seen
from almoner.payments.reviews.answer import approve, withdraw_proposal
from almoner.payments.reviews.cases import case_of, cases
from almoner.payments.reviews.proposal import ReviewRefused
from almoner.payments.reviews.propose import propose
from support.donor import Donor
from support.installation import SECRET_KEY, Installation
from support.tamper import tamper

LOST = "fake-lost-answer-nonce"
STATE = "SELECT state FROM payment_attempt"
WHY = "seen in the gateway's own console"


async def in_review(almoner: Installation, donor: Donor) -> tuple[UUID, Any]:
    """A charge that nobody could find out about for a week."""
    answer = await donor.gives(payment_method_nonce=LOST)
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE payment_attempt SET dispatched_at = now() - interval '8 days', "
        "next_check_at = now()",
    )
    original = almoner.work.gateway.look_up

    async def away(order_id: str) -> Observation:
        return Observation(Seen.UNKNOWN, gateway_code="reset")

    almoner.work.gateway.look_up = away  # type: ignore[method-assign]
    await almoner.work.resolver.sweep()
    almoner.work.gateway.look_up = original  # type: ignore[method-assign]
    assert await almoner.value(STATE) == "NEEDS_REVIEW"
    return await almoner.value("SELECT attempt_id FROM payment_attempt"), answer


async def test_two_people_release_a_charge_as_paid(almoner: Installation, donor: Donor) -> None:
    """Proposed by one and approved by another: ledger, event and the donor's answer in one go."""
    attempt_id, answer = await in_review(almoner, donor)
    follow, database = almoner.work.settling.follow, almoner.database

    await propose(database, attempt_id, "charged", "sb00000001", by="Ann", because=WHY)
    assert await almoner.value(STATE) == "NEEDS_REVIEW"
    released = await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")

    assert released.state == "SUBMITTED"
    assert (await donor.sees(answer))["status"] == "success"
    assert await almoner.value("SELECT response_status FROM idempotency_record") == 201
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert await almoner.value("SELECT count(*) FROM event WHERE kind = 'donation.paid'") == 1
    kinds = "SELECT count(*) FROM gateway_operation WHERE kind = 'review'"
    assert await almoner.value(kinds) == 1


async def test_two_people_release_a_charge_as_not_charged(
    almoner: Installation, donor: Donor
) -> None:
    """The donor reads "not charged", and the gateway is asked twice more, should people err."""
    attempt_id, answer = await in_review(almoner, donor)
    tamper(almoner.settings.sandbox_url, "DELETE FROM sandbox_charge")
    follow, database = almoner.work.settling.follow, almoner.database

    await propose(database, attempt_id, "not_charged", None, by="Ann", because=WHY)
    released = await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")

    assert released.state == "NOT_CHARGED"
    assert (await donor.sees(answer))["code"] == "not_charged"
    later = "SELECT extract(epoch FROM next_check_at - observed_at)::int FROM payment_attempt"
    assert await almoner.value(later) == 3_600


TAKEN = Observation(Seen.SUBMITTED, "sb00000001", money=Money(5_000, "USD"))
"""What the gateway truly says of the charge in review."""


@pytest.mark.parametrize(
    ("said", "why", "what_to_do"),
    [
        (None, "finds no charge", "propose not-charged"),
        (Observation(Seen.UNKNOWN, gateway_code="reset"), "could not be asked", "later"),
        (structs.replace(TAKEN, gateway_transaction_id="NOPE99"), "NOPE99", "what the gateway"),
        (structs.replace(TAKEN, gateway_transaction_id=None), "None", "what the gateway"),
        (structs.replace(TAKEN, seen=Seen.DECLINED), "is DECLINED", "propose not-charged"),
        (structs.replace(TAKEN, seen=Seen.VOIDED), "is VOIDED", "propose not-charged"),
        (structs.replace(TAKEN, seen=Seen.AUTHORIZED), "only holds", "wait"),
        (structs.replace(TAKEN, money=Money(5_001, "USD")), "50.01 USD", "support"),
        (structs.replace(TAKEN, money=Money(5_000, "EUR")), "50.00 EUR", "support"),
        (structs.replace(TAKEN, money=None), "no sum", "support"),
    ],
)
async def test_what_the_gateway_does_not_confirm_is_not_approved_as_charged(
    almoner: Installation,
    donor: Donor,
    monkeypatch: pytest.MonkeyPatch,
    said: Observation | None,
    why: str,
    what_to_do: str,
) -> None:
    """Two people agree and the gateway does not, or cannot be asked: nothing is written, and a
    sentence says why and what to do. When it confirms, the same approval goes through."""
    attempt_id, answer = await in_review(almoner, donor)
    follow, database = almoner.work.settling.follow, almoner.database
    await propose(database, attempt_id, "charged", "sb00000001", by="Ann", because=WHY)

    async def says(_: str) -> Observation | None:
        return said

    with monkeypatch.context() as patched:
        patched.setattr(almoner.work.gateway, "look_up", says)
        with pytest.raises(ReviewRefused) as refused:
            await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")

    assert why in str(refused.value)
    assert what_to_do in str(refused.value)
    assert await almoner.value(STATE) == "NEEDS_REVIEW"
    assert await almoner.value("SELECT count(*) FROM review_verdict") == 0
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 0
    assert (await donor.sees(answer))["status"] == "processing"
    await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")
    assert await almoner.value(STATE) == "SUBMITTED"


@pytest.mark.parametrize("transaction_id", ["sb00000002", "NOPE99"])
async def test_a_transaction_that_is_not_of_this_charge_is_refused(
    almoner: Installation, donor: Donor, transaction_id: str
) -> None:
    """It pays another gift, or the gateway has never heard of it; nobody is told "paid" by it."""
    attempt_id, answer = await in_review(almoner, donor)
    await donor.gives(amount="7.00")
    follow, database = almoner.work.settling.follow, almoner.database
    await propose(database, attempt_id, "charged", transaction_id, by="Ann", because=WHY)

    with pytest.raises(ReviewRefused, match="under the transaction sb00000001"):
        await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")

    assert (await donor.sees(answer))["status"] == "processing"


async def test_a_transaction_pays_one_gift_whatever_the_gateway_says(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway itself names one transaction for two charges: the second is refused, because the
    books have the first, and the database is asked in the transaction that writes the verdict."""
    attempt_id, _ = await in_review(almoner, donor)
    await donor.gives(amount="7.00")
    follow, database = almoner.work.settling.follow, almoner.database
    await propose(database, attempt_id, "charged", "sb00000002", by="Ann", because=WHY)

    async def says(_: str) -> Observation:
        return structs.replace(TAKEN, gateway_transaction_id="sb00000002")

    monkeypatch.setattr(almoner.work.gateway, "look_up", says)
    with pytest.raises(ReviewRefused, match="belongs to the attempt"):
        await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")

    assert await almoner.value("SELECT count(*) FROM review_verdict") == 0


async def test_one_transaction_is_not_approved_for_two_charges_at_once(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved for the one and not yet carried out, it is no longer free for the other."""
    await donor.gives(payment_method_nonce=LOST)
    await donor.gives(payment_method_nonce=LOST, amount="7.00")
    tamper(
        almoner.settings.servers.database_url, "UPDATE payment_attempt SET state = 'NEEDS_REVIEW'"
    )
    almoner.expected_broken = await almoner.broken()
    database = almoner.database
    money = {
        row["attempt_id"].hex: Money(row["amount_minor"], row["currency"])
        for row in await database.fetch_all("SELECT * FROM payment_attempt")
    }

    async def says(order_id: str) -> Observation:
        return structs.replace(TAKEN, money=money[order_id])

    async def dies(*_: object) -> Any:
        raise ConnectionError("killed")

    monkeypatch.setattr(almoner.work.gateway, "look_up", says)
    for order_id in money:
        await propose(database, UUID(order_id), "charged", "sb00000001", by="Ann", because=WHY)

    done = await asyncio.gather(
        *(approve(database, almoner.work.looking, dies, UUID(o), by="Bert") for o in money),
        return_exceptions=True,
    )

    assert sorted(type(each).__name__ for each in done) == ["ConnectionError", "ReviewRefused"]
    assert await almoner.value("SELECT count(*) FROM review_verdict") == 1


@pytest.mark.parametrize("same", ["Ann", "ann", " ANN ", "aNn"])
async def test_nobody_approves_their_own_proposal(
    almoner: Installation, donor: Donor, same: str
) -> None:
    """Neither by the program nor behind its back: the database refuses it as well."""
    attempt_id, _ = await in_review(almoner, donor)
    follow, database = almoner.work.settling.follow, almoner.database
    proposal = await propose(database, attempt_id, "charged", "sb00000001", by="Ann", because=WHY)

    with pytest.raises(ReviewRefused, match="another person"):
        await approve(database, almoner.work.looking, follow, attempt_id, by=same)
    with pytest.raises(psycopg.errors.RestrictViolation):
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO review_verdict VALUES (%s, 'approved', %s, now())",
                (proposal.proposal_id, same),
            )

    assert await almoner.value(STATE) == "NEEDS_REVIEW"


async def test_a_proposal_about_what_has_changed_is_refused(
    almoner: Installation, donor: Donor
) -> None:
    """The gateway found its tongue in between: evidence goes before opinion."""
    attempt_id, answer = await in_review(almoner, donor)
    database = almoner.database
    await propose(database, attempt_id, "not_charged", None, by="Ann", because=WHY)
    await almoner.late_now()
    assert await almoner.value(STATE) == "SUBMITTED"

    with pytest.raises(ReviewRefused, match="changed"):
        await approve(
            database, almoner.work.looking, almoner.work.settling.follow, attempt_id, by="Bert"
        )

    assert (await donor.sees(answer))["status"] == "success"


async def test_of_two_who_approve_at_once_one_does(almoner: Installation, donor: Donor) -> None:
    """One release, one verdict, whoever is first."""
    attempt_id, _ = await in_review(almoner, donor)
    follow, database = almoner.work.settling.follow, almoner.database
    await propose(database, attempt_id, "charged", "sb00000001", by="Ann", because=WHY)

    done = await asyncio.gather(
        *(
            approve(database, almoner.work.looking, follow, attempt_id, by=name)
            for name in ("Bert", "Cleo", "Dora")
        ),
        return_exceptions=True,
    )

    assert any(not isinstance(each, BaseException) for each in done)
    assert all(isinstance(e, ReviewRefused) for e in done if isinstance(e, BaseException))
    assert await almoner.value("SELECT count(*) FROM review_verdict") == 1
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2


async def test_an_approval_that_was_not_carried_out_is_carried_out_later(
    almoner: Installation, donor: Donor
) -> None:
    """The process died between the verdict and the release: approving again finishes it."""
    attempt_id, _ = await in_review(almoner, donor)
    follow, database = almoner.work.settling.follow, almoner.database
    await propose(database, attempt_id, "charged", "sb00000001", by="Ann", because=WHY)

    async def dies(*_: object) -> Any:
        raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        await approve(database, almoner.work.looking, dies, attempt_id, by="Bert")
    assert await almoner.value(STATE) == "NEEDS_REVIEW"

    await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")

    assert await almoner.value(STATE) == "SUBMITTED"
    assert await almoner.value("SELECT count(*) FROM review_verdict") == 1


async def test_a_withdrawn_proposal_makes_room_for_another(
    almoner: Installation, donor: Donor
) -> None:
    """One open proposal at a time; what was proposed stays in the history."""
    attempt_id, _ = await in_review(almoner, donor)
    database = almoner.database
    await propose(database, attempt_id, "charged", "sb00000001", by="Ann", because=WHY)
    with pytest.raises(ReviewRefused, match="Ann has proposed"):
        await propose(database, attempt_id, "not_charged", None, by="Bert", because=WHY)

    await withdraw_proposal(database, attempt_id, by="Ann")
    await propose(database, attempt_id, "charged", "sb00000001", by="Bert", because=WHY)

    case = await case_of(database, attempt_id)
    assert [(p.proposed_by, p.verdict) for p in case.proposals] == [
        ("Ann", "withdrawn"),
        ("Bert", None),
    ]
    with pytest.raises(ReviewRefused):
        await withdraw_proposal(database, uuid4(), by="Ann")


@pytest.mark.parametrize("table", ["review_proposal", "review_verdict"])
async def test_what_people_decided_cannot_be_changed(
    almoner: Installation, donor: Donor, table: str
) -> None:
    """Proposals and verdicts are append-only."""
    attempt_id, _ = await in_review(almoner, donor)
    await propose(almoner.database, attempt_id, "charged", "sb1", by="Ann", because=WHY)
    await withdraw_proposal(almoner.database, attempt_id, by="Ann")

    for change in (f"DELETE FROM {table}", f"UPDATE {table} SET proposal_id = proposal_id"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with almoner.database.connection() as connection:
                await connection.execute(change.encode())


@pytest.mark.parametrize(
    ("decision", "transaction_id", "says"),
    [
        ("charged", None, "Name the gateway's transaction"),
        ("charged", "two words", "no transaction id"),
        ("not_charged", "sb00000001", "has no transaction"),
        ("refund", "sb00000009", "no money of it is held"),
    ],
)
async def test_what_cannot_be_is_not_even_proposed(
    almoner: Installation, donor: Donor, decision: Any, transaction_id: str | None, says: str
) -> None:
    """Each refusal is a sentence."""
    attempt_id, _ = await in_review(almoner, donor)

    with pytest.raises(ReviewRefused, match=says):
        await propose(almoner.database, attempt_id, decision, transaction_id, by="Ann", because=WHY)
    with pytest.raises(ReviewRefused, match="who you are"):
        await propose(almoner.database, attempt_id, "not_charged", None, by=" ", because=WHY)
    with pytest.raises(ReviewRefused, match="Say why"):
        await propose(almoner.database, attempt_id, "not_charged", None, by="Ann", because=" ")


async def test_a_charge_that_is_not_in_review_is_not_released_by_people(
    almoner: Installation, donor: Donor
) -> None:
    """Paid is paid; and the transaction that pays a gift is not given back as a second one."""
    await donor.gives()
    attempt_id = await almoner.value("SELECT attempt_id FROM payment_attempt")

    for decision, transaction_id in (("not_charged", None), ("refund", "sb00000001")):
        with pytest.raises(ReviewRefused):
            await propose(
                almoner.database,
                attempt_id,
                decision,  # type: ignore[arg-type]
                transaction_id,
                by="Ann",
                because=WHY,
            )


async def test_a_second_capture_is_given_back_by_two_people(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up sees another transaction captured for the same charge: nothing moves, it is listed,
    and after two people agreed the gateway gives exactly that transaction back."""
    answer = await donor.gives()
    attempt_id = await almoner.value("SELECT attempt_id FROM payment_attempt")
    reversed_: list[str] = []

    async def sees_two(order_id: str) -> Observation:
        return Observation(Seen.SUBMITTED, "sb00009999")

    async def gives_back(order_id: str, transaction_id: str, *_: object) -> Reversal:
        reversed_.append(transaction_id)
        return Reversal(done=True, kind="refund")

    with monkeypatch.context() as patched:
        patched.setattr(almoner.work.gateway, "look_up", sees_two)
        await almoner.late_now()
    listed = await cases(almoner.database)
    assert [c.second_transactions for c in listed] == [["sb00009999"]]
    assert await almoner.value("SELECT gateway_transaction_id FROM payment_attempt") == "sb00000001"

    follow, database = almoner.work.settling.follow, almoner.database
    await propose(database, attempt_id, "refund", "sb00009999", by="Ann", because=WHY)
    await approve(database, almoner.work.looking, follow, attempt_id, by="Bert")
    monkeypatch.setattr(almoner.work.gateway, "reverse", gives_back)
    await almoner.decide_late()

    assert reversed_ == ["sb00009999"]
    assert await cases(database) == []
    assert (await donor.sees(answer))["status"] == "success"
    assert await almoner.value(STATE) == "SUBMITTED"


async def test_the_commands_release_a_charge(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List, show, propose, refuse the same name, approve by another: all as staff would."""
    attempt_id, answer = await in_review(almoner, donor)
    commands = sys.modules["almoner.cli.review"]  # the package's own name is the command group
    monkeypatch.setattr(commands, "configure_logging", lambda *_: None)
    monkeypatch.setenv("ALMONER_DATABASE_URL", almoner.settings.servers.database_url)
    monkeypatch.setenv("ALMONER_SANDBOX_DATABASE_URL", almoner.settings.sandbox_url)
    monkeypatch.setenv("ALMONER_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("ALMONER_REDIS_URL", almoner.settings.servers.redis_url)
    name = str(attempt_id)

    async def run(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["review", *words])
        return result.exit_code, result.output

    code, listed = await run("list", "--json")
    assert (code, msgspec.json.decode(listed)["cases"][0]["attempt_id"]) == (0, name)
    assert (await run("approve", name, "--by", "Bert"))[0] == 1
    proposed = await run(
        "propose", name, "--as", "charged", "--transaction", "sb00000001",
        "--by", "Ann", "--because", WHY,
    )  # fmt: skip
    assert proposed[0] == 0, proposed
    assert (await run("approve", name, "--by", "ann"))[0] == 1
    code, shown = await run("show", name)
    assert code == 0
    assert "Ann proposes charged" in shown
    assert (await run("approve", name, "--by", "Bert", "--json"))[0] == 0
    assert (await run("withdraw", name, "--by", "Ann"))[0] == 1
    assert (await run("show", str(uuid4())))[0] == 1

    assert (await donor.sees(answer))["status"] == "success"
