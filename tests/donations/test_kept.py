"""Gifts that are kept in the journal while the database is away, and given when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from almoner.platform.clock import sources
from almoner.platform.journal.files import DiskSegments
from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase
from support.proxy import Wire

EMAIL = "patient@example.com"


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire


@pytest.fixture
async def keeper(wire: Wire, installation: Installations, tmp_path: Path) -> Installation:
    """An installation with a journal that knows the charity, its database behind the wire."""
    return await keeping(wire, installation, tmp_path)


async def keeping(
    wire: Wire, installation: Installations, folder: Path, **settings: Any
) -> Installation:
    """An installation with a journal in a folder."""
    made = await installation(
        **{
            "database_url": wire.url,
            "database_wait_ms": 200,
            "journal_dir": str(folder / "journal"),
            "donor_wait_ms": 5_000,
            **settings,
        }
    )
    assert (await Donor(made).gives()).status_code == 201
    return made


async def events(almoner: Installation, kind: str) -> list[dict[str, Any]]:
    """The payloads of the events of a kind."""
    rows = await almoner.database.fetch_all("SELECT payload FROM event WHERE kind = %s", (kind,))
    return [row["payload"] for row in rows]


async def test_a_gift_is_kept_while_the_database_is_away_and_charged_once_when_it_is_back(
    wire: Wire, keeper: Installation
) -> None:
    """202 at once with everything a donor needs; then the ordinary way, and one charge."""
    donor = Donor(keeper)
    wire.cut()

    told = await donor.gives(email=EMAIL)
    seen = await donor.sees(told)
    charged_meanwhile = len(await keeper.charged())
    wire.mend()
    await keeper.until_drained()

    assert (told.status_code, told.json()["status"]) == (202, "processing")
    assert told.headers["Location"] == f"/donations/{told.json()['donation_id']}"
    assert told.headers["Retry-After"]
    assert (seen["status"], charged_meanwhile) == ("processing", 1)
    after = await donor.sees(told)
    assert (after["status"], after["amount"]) == ("success", "50.00")
    assert len(await keeper.charged()) == 2


async def test_the_same_key_again_is_the_same_gift(wire: Wire, keeper: Installation) -> None:
    """While it is kept: 202 again and no second record; other content is refused; afterwards the
    result. At the same instant a second request may be told to ask again."""
    donor, key = Donor(keeper), str(uuid4())
    wire.cut()

    at_once = await asyncio.gather(*(donor.gives(key=key, email=EMAIL) for _ in range(5)))
    told = [await donor.gives(key=key, email=EMAIL) for _ in range(3)]
    other = await donor.gives(key=key, email=EMAIL, amount="51.00")
    wrong = await donor.gives(key=key, email=EMAIL, locale="xx")
    records = keeper.journal.sequence
    wire.mend()
    await keeper.until_drained()
    again = await donor.gives(key=key, email=EMAIL)

    assert 202 in {answer.status_code for answer in at_once} <= {202, 409}
    assert [answer.status_code for answer in (*told, wrong)] == [202] * 4
    assert len({answer.content for answer in (*told, wrong)}) == 1
    assert told[0].json()["kept"] is True
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert records == 1
    assert again.status_code == 201
    assert len(await keeper.charged()) == 2


async def test_the_same_key_when_the_database_is_back_does_not_wait_for_the_drain(
    wire: Wire, keeper: Installation
) -> None:
    """The donor asks again and is charged by that request; the drain finds nothing left to do.
    Other content under the key is still refused."""
    donor, key = Donor(keeper), str(uuid4())
    wire.cut()
    await donor.gives(key=key, email=EMAIL)
    keeper.hold_drain()
    wire.mend()
    await until_away_ends(keeper)

    other = await donor.gives(key=key, email=EMAIL, amount="51.00")
    again = await donor.gives(key=key, email=EMAIL)
    keeper.release_drain()
    await keeper.until_drained()

    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert again.status_code == 201
    assert await keeper.value("SELECT result FROM journal_drained") == "there_before"
    assert len(await keeper.charged()) == 2


async def test_only_the_first_donor_waits_for_a_database_that_is_away(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """From then on it is known; the first write that works ends it."""
    almoner = await keeping(wire, installation, tmp_path, database_wait_ms=1_500)
    donor, loop = Donor(almoner), asyncio.get_running_loop()
    wire.cut()
    assert (await donor.gives()).status_code == 202

    started = loop.time()
    told = await asyncio.gather(*(donor.gives() for _ in range(20)))
    took_s = loop.time() - started
    wire.mend()
    await almoner.until_drained()

    assert {answer.status_code for answer in told} == {202}
    assert took_s < 1.4
    assert (await donor.gives()).status_code == 201
    assert len(await almoner.charged()) == 23


async def test_a_stamp_whose_commit_went_unseen_is_never_sent_as_it_is(
    wire: Wire, keeper: Installation
) -> None:
    """The intent stands in the database, nobody heard of it, and the gift is kept. The drain
    withdraws that stamp in the transaction that makes a new one; there is one charge."""
    donor = Donor(keeper)
    wire.lose_commits(1)
    gift = asyncio.create_task(donor.gives(email=EMAIL))
    await wire.commit_lost.wait()
    wire.cut()
    told = await gift
    wire.mend()
    await keeper.until_drained()

    assert told.status_code == 202
    assert (await donor.sees(told))["status"] == "success"
    assert await attempts(keeper, told) == ["NOT_SENT", "SUBMITTED"]
    assert len(await keeper.charged()) == 2


async def attempts(almoner: Installation, told: httpx.Response) -> list[str]:
    """The states of a donation's attempts."""
    rows = await almoner.database.fetch_all(
        "SELECT state FROM payment_attempt WHERE payable_id = %s ORDER BY number",
        (told.json()["donation_id"],),
    )
    return [row["state"] for row in rows]


async def test_a_stamp_that_the_resolver_has_looked_for_meanwhile_is_not_lost(
    wire: Wire, keeper: Installation
) -> None:
    """It made the attempt UNKNOWN before the drain came; the journal proves that it never left."""
    donor = Donor(keeper)
    wire.lose_commits(1)
    gift = asyncio.create_task(donor.gives(email=EMAIL))
    await wire.commit_lost.wait()
    wire.cut()
    told = await gift
    keeper.hold_drain()
    wire.mend()
    await until_away_ends(keeper)
    await keeper.work.database.fetch_one("SELECT 1")
    await keeper.resolve_now()
    before = await attempts(keeper, told)
    keeper.release_drain()
    await keeper.until_drained()

    assert before == ["UNKNOWN"]
    assert await attempts(keeper, told) == ["NOT_CHARGED", "SUBMITTED"]
    assert (await donor.sees(told))["status"] == "success"
    assert len(await keeper.charged()) == 2


async def until_away_ends(almoner: Installation) -> None:
    """Wait until the process knows that its database is back, and reads work."""
    assert await almoner.web.kept.outage.over_within(10)
    await almoner.database.fetch_one("SELECT 1")


async def test_a_drain_whose_commit_goes_unseen_charges_once(
    wire: Wire, keeper: Installation
) -> None:
    """The gift and its position were committed, the answer was lost: the drain finds its own."""
    donor = Donor(keeper)
    wire.cut()
    told = await donor.gives(email=EMAIL)
    keeper.hold_drain()
    wire.mend()
    await until_away_ends(keeper)
    lost = wire.commits_lost
    wire.lose_commits(1)
    keeper.release_drain()
    await keeper.until_drained()

    assert wire.commits_lost == lost + 1
    assert (await donor.sees(told))["status"] == "success"
    assert await attempts(keeper, told) == ["SUBMITTED"]
    assert len(await keeper.charged()) == 2


async def test_two_processes_keep_one_gift_and_it_is_charged_once(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """The same key through two processes: two records, one donation."""
    first = await keeping(wire, installation, tmp_path)
    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        database_wait_ms=200,
        journal_dir=str(tmp_path / "journal"),
    )
    await Donor(second).gives()
    key = str(uuid4())
    wire.cut()
    told = [await Donor(almoner).gives(key=key, email=EMAIL) for almoner in (first, second)]
    wire.mend()
    await first.until_drained(processes=2)
    await second.until_drained(processes=2)

    assert [answer.status_code for answer in told] == [202, 202]
    assert told[0].json()["donation_id"] == told[1].json()["donation_id"]
    assert (await Donor(second).sees(told[0]))["status"] == "success"
    assert len(await first.charged()) == 3
    results = await first.database.fetch_all("SELECT result FROM journal_drained")
    assert sorted(row["result"] for row in results) == ["begun", "there_before"]


async def test_a_process_without_a_database_says_that_another_may_know_more(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """Paid through one process, and asked again at one that reaches no database: that can only say
    "being confirmed", and says that it is the journal's word."""
    first = await keeping(wire, installation, tmp_path)
    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        database_wait_ms=200,
    )
    key = str(uuid4())
    paid = await Donor(second).gives(key=key, email=EMAIL)
    wire.cut()

    again = await Donor(first).gives(key=key, email=EMAIL)
    wire.mend()
    await first.until_drained()
    after = await Donor(first).gives(key=key, email=EMAIL)

    assert (paid.status_code, again.status_code, after.status_code) == (201, 202, 201)
    assert again.json()["kept"] is True
    assert after.content == paid.content
    assert len(await first.charged()) == 2


async def test_what_is_kept_here_and_was_paid_through_another_process_is_shown_as_paid(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """The database knows more than the journal: nobody reads "processing" after "paid"."""
    first = await keeping(wire, installation, tmp_path)
    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        database_wait_ms=200,
    )
    await Donor(second).gives()
    key = str(uuid4())
    first.hold_drain()
    wire.cut()
    kept = await Donor(first).gives(key=key, email=EMAIL)
    wire.mend()
    await first.until_back()
    paid = await Donor(second).gives(key=key, email=EMAIL)

    seen = await Donor(first).sees(kept)

    assert (kept.status_code, paid.status_code) == (202, 201)
    assert seen["status"] == "success"
    first.release_drain()
    await first.until_drained(processes=2)
    assert len(await first.charged()) == 3


async def test_two_gifts_under_one_key_in_two_processes_are_one_and_a_letter(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """Nobody could see both while the database was away. The first to arrive is charged, the
    other is not, and its donor is told by mail."""
    first = await keeping(wire, installation, tmp_path)
    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        database_wait_ms=200,
        journal_dir=str(tmp_path / "journal"),
    )
    await Donor(second).gives()
    key = str(uuid4())
    wire.cut()
    second.hold_drain()
    await Donor(first).gives(key=key, email=EMAIL, amount="10.00")
    told = await Donor(second).gives(key=key, email="other@example.com", amount="20.00")
    wire.mend()
    await first.until_drained(processes=2)
    second.release_drain()
    await second.until_drained(processes=2)

    assert [c[0] for c in await first.charged()].count("10.00") == 1
    assert [c[0] for c in await first.charged()].count("20.00") == 0
    (payload,) = await events(first, "donation.key_conflict")
    assert payload["amount_minor"] == 2000
    assert payload["finish_path"].startswith("/c/")
    assert (await Donor(second).sees(told))["amount"] == "10.00"
    assert await first.value("SELECT count(*) FROM donor WHERE email = 'other@example.com'") == 1


async def test_payment_details_that_ran_out_are_not_charged_and_asked_for_again(
    wire: Wire, keeper: Installation
) -> None:
    """A nonce lives for hours. The page and the mail say so, with a link to finish; the same key
    says so too."""
    donor, key = Donor(keeper), str(uuid4())
    wire.cut()
    told = await donor.gives(key=key, email=EMAIL)
    keeper.hold_drain()
    keeper.nonces_ran_out()
    keeper.release_drain()
    wire.mend()
    await keeper.until_drained()

    seen = await donor.sees(told)
    again = await donor.gives(key=key, email=EMAIL)
    (payload,) = await events(keeper, "donation.payment_needed")
    assert (seen["status"], seen["code"]) == ("failure", "payment_details_expired")
    assert "You were not charged" in seen["error_message"]
    assert seen["finish_path"] == payload["finish_path"]
    assert (again.status_code, again.json()["code"]) == (402, "payment_details_expired")
    assert payload | {"finish_path": ""} == {
        "charity_id": 101,
        "amount_minor": 5000,
        "currency": "USD",
        "locale": "en",
        "code": "payment_details_expired",
        "finish_path": "",
    }
    assert await attempts(keeper, told) == ["ABANDONED"]
    assert len(await keeper.charged()) == 1


async def test_payment_details_that_the_gateway_does_not_take_any_more_are_asked_for_again(
    wire: Wire, keeper: Installation
) -> None:
    """The ordinary decline, and a mail beside it."""
    donor = Donor(keeper)
    wire.cut()
    told = await donor.gives(email=EMAIL, payment_method_nonce="fake-consumed-nonce")
    wire.mend()
    await keeper.until_drained()

    seen = await donor.sees(told)
    (payload,) = await events(keeper, "donation.payment_needed")
    assert (seen["status"], seen["code"]) == ("failure", "payment_details_used")
    assert payload["finish_path"] == seen["finish_path"]


async def test_a_kept_gift_that_looks_like_a_second_is_not_charged_and_asked_about(
    wire: Wire, installation: Installations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two alike through two processes while nobody could be asked; an explicit yes goes through.
    They were given in one minute, and that was an hour ago."""
    first = await keeping(wire, installation, tmp_path)
    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        database_wait_ms=200,
        journal_dir=str(tmp_path / "journal"),
    )
    await Donor(second).gives()
    wire.cut()
    second.hold_drain()
    monkeypatch.setattr(sources, "time_ns", lambda: time.time_ns() - 3_600 * 10**9)
    one = await Donor(first).gives(email=EMAIL)
    two = await Donor(second).gives(email=EMAIL)
    sure = await Donor(second).gives(email=EMAIL, confirm_duplicate=True)
    monkeypatch.undo()
    wire.mend()
    await first.until_drained(processes=2)
    second.release_drain()
    await second.until_drained(processes=2)

    statuses = [(await Donor(second).sees(told))["status"] for told in (one, two, sure)]
    (payload,) = await events(first, "donation.duplicate_question")
    assert statuses == ["success", "failure", "success"]
    assert (await Donor(second).sees(two))["code"] == "possible_duplicate"
    assert payload["first_donation_id"] == one.json()["donation_id"]
    assert len(await first.charged()) == 4


async def test_two_alike_in_one_process_are_asked_about_at_once(
    wire: Wire, keeper: Installation
) -> None:
    """The process remembers what it keeps, so it can ask the donor who is still there."""
    donor = Donor(keeper)
    wire.cut()
    one = await donor.gives(email=EMAIL)
    two = await donor.gives(email=EMAIL)
    sure = await donor.gives(email=EMAIL, confirm_duplicate=True)
    wire.mend()
    await keeper.until_drained()

    assert (two.status_code, two.json()["code"]) == (409, "possible_duplicate")
    assert two.json()["donation_id"] == one.json()["donation_id"]
    assert (one.status_code, sure.status_code) == (202, 202)
    assert len(await keeper.charged()) == 3


async def test_a_full_journal_refuses_and_nothing_is_half_done(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """503 with Retry-After; what was acknowledged before is charged, what was refused is not."""
    almoner = await keeping(wire, installation, tmp_path, journal_bytes_max=65_536)
    donor = Donor(almoner)
    wire.cut()
    filler = tmp_path / "journal" / "0-filler.journal"
    filler.write_bytes(bytes(64_500))
    kept = await donor.gives(email=EMAIL)
    key = str(uuid4())
    told = await donor.gives(key=key, first_name="x" * 100)
    filler.unlink()
    wire.mend()
    await almoner.until_drained()

    assert kept.status_code == 202
    assert (told.status_code, told.json()["code"]) == (503, "unavailable")
    assert told.headers["Retry-After"]
    assert len(await almoner.charged()) == 2
    assert (await donor.gives(key=key, first_name="x" * 100)).status_code == 201


async def test_an_outage_that_goes_on_too_long_keeps_no_more(
    wire: Wire, keeper: Installation
) -> None:
    """What comes later would only turn into letters."""
    donor = Donor(keeper)
    wire.cut()
    assert (await donor.gives()).status_code == 202
    keeper.web.kept.keeping._age_max_ms = -1

    told = await donor.gives()

    assert told.status_code == 503
    wire.mend()
    await keeper.until_drained()


async def test_a_charity_nobody_here_knows_cannot_be_given_to_meanwhile(
    wire: Wire, keeper: Installation
) -> None:
    """Neither unknown nor known: 503."""
    wire.cut()

    told = await Donor(keeper).gives(charity_id=102)

    assert told.status_code == 503
    wire.mend()


async def test_a_gift_that_another_process_keeps_is_neither_found_nor_not_found(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """With its read token: 503 while it waits, whether the database is away or back."""
    first = await keeping(wire, installation, tmp_path)
    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        database_wait_ms=200,
        journal_dir=str(tmp_path / "journal"),
    )
    first.hold_drain()
    wire.cut()
    told = (await Donor(first).gives()).json()
    headers = {"Authorization": f"Bearer {told['read_token']}"}
    path = f"/donations/{told['donation_id']}"
    away = await second.client.get(path, headers=headers)
    wire.mend()
    await until_away_ends(first)
    back = await second.client.get(path, headers=headers)
    first.release_drain()
    await first.until_drained(processes=2)
    after = await second.client.get(path, headers=headers)

    assert (away.status_code, back.status_code) == (503, 503)
    assert back.headers["Retry-After"]
    assert "do not know whether you were charged" in back.json()["detail"]
    assert (after.status_code, after.json()["status"]) == (200, "success")


async def test_what_a_dead_process_kept_is_given_by_the_next(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """The first ends before its database is back; another finds its segment."""
    first = await keeping(wire, installation, tmp_path)
    wire.cut()
    told = [await Donor(first).gives() for _ in range(3)]
    first.drop_journal()
    wire.mend()

    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        journal_dir=str(tmp_path / "journal"),
    )
    await second.until_drained()

    assert {answer.status_code for answer in told} == {202}
    assert {(await Donor(second).sees(answer))["status"] for answer in told} == {"success"}
    assert len(await second.charged()) == 4
    assert len(list((tmp_path / "journal").iterdir())) == 1


async def test_damage_stops_its_own_segment_and_no_other(
    wire: Wire, installation: Installations, tmp_path: Path
) -> None:
    """A flipped bit in an acknowledged record: what stands before it is given, it is said, and the
    next segment goes on."""
    first = await keeping(wire, installation, tmp_path)
    wire.cut()
    told = [await Donor(first).gives() for _ in range(3)]
    path = first.drop_journal()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    wire.mend()

    second = await installation(
        database_url=wire.url,
        sandbox_database_url=first.settings.sandbox_url,
        journal_dir=str(tmp_path / "journal"),
    )
    await second.until_drained(damaged=1)
    ready = (await second.client.get("/readyz")).json()
    after = await Donor(second).gives()

    statuses = [await status_of(second, answer) for answer in told]
    assert statuses == [200, 503, 503]
    assert path.exists()
    assert (ready["journal"], after.status_code) == ("writable", 201)
    assert second.drain.damaged == 1


async def status_of(almoner: Installation, told: httpx.Response) -> int:
    """The HTTP status of a gift's page."""
    answer = await almoner.client.get(
        f"/donations/{told.json()['donation_id']}",
        headers={"Authorization": f"Bearer {told.json()['read_token']}"},
    )
    return answer.status_code


async def test_readiness_counts_a_journal_that_can_be_written(
    wire: Wire, keeper: Installation
) -> None:
    """Gifts can be taken while it stands; without either they cannot."""
    before = (await keeper.client.get("/readyz")).json()
    wire.cut()
    away = await keeper.client.get("/readyz")
    keeper.journal._broken = True
    broken = await keeper.client.get("/readyz")
    wire.mend()

    assert (before["database"], before["journal"]) == ("ok", "writable")
    assert (away.status_code, away.json()["database"], away.json()["journal"]) == (
        200,
        "away",
        "writable",
    )
    assert broken.status_code == 503


async def test_a_card_number_never_gets_into_the_journal(wire: Wire, keeper: Installation) -> None:
    """A raw test card becomes a nonce before anything is kept, and the file shows neither."""
    wire.cut()
    card = {"card_number": "4111 1111 1111 1111", "expiration_date": "12/30", "cvv": "123"}

    told = await Donor(keeper).gives(payment_method_nonce=None, payment_card=card)

    files = DiskSegments(keeper.journal_dir)
    data = b"".join([await files.read(name) for name in await files.names()])
    assert told.status_code == 202
    assert b"4111" not in data
    wire.mend()
    await keeper.until_drained()
