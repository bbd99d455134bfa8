"""A web process is struck while it keeps a gift, and at everything it does to bring it in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from almoner.donations import keep
from exhaustive.conftest import Struck
from exhaustive.wire import STRIKES, Strike
from support.donor import gift
from support.installation import Installation
from support.proxy import Wire

SETTINGS = {
    "database_wait_ms": 1_500,
    "gateway_deadline_ms": 2_000,
    # So many lost answers in a row would make the breaker leave the gateway alone.
    "gateway_breaker_calls": 10_000,
    "donor_wait_ms": 5_000,
}
STATEMENTS = 50
"""More than a drain has; it is an error if not."""
FIELDS = {"answer lost": {"payment_method_nonce": "fake-lost-answer-nonce"}}
FINAL = (201, 402)
RECORDS = "SELECT count(*) FROM journal_drained WHERE donation_id = %s"
LINKS = "SELECT count(*) FROM event WHERE donation_id = %s AND kind = 'donation.payment_needed'"
ORDERS = "SELECT attempt_id FROM payment_attempt WHERE payable_id = %s"


class Kept:
    """A gift that a process kept in a segment of its own, before it died."""

    def __init__(self, segment: Path, key: str, body: dict[str, Any], told: httpx.Response) -> None:
        self.segment = segment
        self.body = body
        self.headers = {"Idempotency-Key": key}
        self.donation_id = told.json()["donation_id"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is known to be away is not waited for."""
    monkeypatch.setattr(keep, "KNOWN_AWAY_WAIT_S", 0.0)


async def kept(aside: Struck, folder: Path, count: int, **fields: Any) -> list[Kept]:
    """So many gifts, kept one by one by a process that dies, each in a segment of its own."""
    found = []
    settings = aside.almoner.settings
    async with (
        Wire(settings.servers.database_url) as wire,
        Installation(
            **{**SETTINGS, "database_wait_ms": 200},
            database_url=wire.url,
            sandbox_database_url=settings.sandbox_url,
            journal_dir=str(folder / "keeper"),
        ) as keeper,
    ):
        await keeper.client.post(
            "/donations", json=gift(), headers={"Idempotency-Key": str(uuid4())}
        )
        wire.cut()
        for _ in range(count):
            key, body = str(uuid4()), gift(**fields)
            told = await keeper.client.post(
                "/donations", json=body, headers={"Idempotency-Key": key}
            )
            assert told.status_code == 202, told.text
            lost = keeper.drop_journal()
            found.append(Kept(lost.rename(folder / lost.name), key, body, told))
        wire.mend()
    return found


def hand_over(almoner: Installation, left: Path) -> None:
    """Give the segments that the struck process left to the one that heals."""
    for segment in left.glob("*.journal"):
        segment.rename(Path(almoner.journal_dir) / segment.name)


async def heal(almoner: Installation, left: Path) -> None:
    """What the next process does with what the struck one left in the journal, and a worker."""
    hand_over(almoner, left)
    almoner.drain._look_again_s = 0.0
    await almoner.until_drained()
    await almoner.resolve_now(age_s=150)
    await almoner.resolve_now(age_s=900)


async def end_of(almoner: Installation, given: Kept) -> httpx.Response:
    """What the donor hears in the end, with the same key."""
    end = await almoner.client.post("/donations", json=given.body, headers=given.headers)
    if end.status_code == 202:  # charged now for the first time, and its answer was lost
        await almoner.resolve_now()
        end = await almoner.client.post("/donations", json=given.body, headers=given.headers)
    return end


async def captured(almoner: Installation, donation_id: str) -> int:
    """How often the gateway captured a donation."""
    rows = await almoner.database.fetch_all(ORDERS, (donation_id,))
    orders = {row["attempt_id"].hex for row in rows}
    return len([order for order, held in await almoner.orders() if held and order in orders])


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Where the struck process and the one that heals have their journals."""
    found = {name: tmp_path / name for name in ("struck", "healer")}
    for folder in found.values():
        folder.mkdir(mode=0o700)
    yield found
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("kind", ["paid", "answer lost", "expired"])
async def test_a_drain_struck_at_every_statement_charges_once_or_asks_for_the_card(
    struck: Callable[..., Any],
    folders: dict[str, Path],
    tmp_path: Path,
    kind: str,
    strike: Strike,
) -> None:
    """The donor was told "being confirmed". Whatever the struck drain left, the record is taken in
    once; it is charged once, or not at all and the donor is sent one link to finish."""
    aside = await struck(
        {"journal_dir": str(folders["struck"])},
        **SETTINGS,
        journal_nonce_minutes=0 if kind == "expired" else 150,
        journal_dir=str(folders["healer"]),
    )
    almoner = aside.almoner
    gifts = await kept(aside, tmp_path, STATEMENTS, **FIELDS.get(kind, {}))

    for at in aside.each_moment("INSERT INTO journal_drained"):
        given = gifts.pop()
        given.segment.rename(folders["struck"] / given.segment.name)
        await aside.run(at, strike, "drain", when_ready=True)
        await heal(almoner, folders["struck"])
        end = await end_of(almoner, given)
        held = await captured(almoner, given.donation_id)
        where = f"{kind}, {strike} {at}: {aside.moments.struck}; in the end {end.text}"
        assert end.status_code in FINAL, where
        assert held == (end.status_code == 201), where
        assert await almoner.value(RECORDS, given.donation_id) == 1, where
        links = await almoner.value(LINKS, given.donation_id)
        assert links == (kind == "expired"), where
        if kind == "expired":
            assert (end.status_code, end.json()["code"]) == (402, "payment_details_expired"), where

    assert len(aside.labels) >= 15, aside.labels


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_drain_struck_at_every_touch_of_the_disk_charges_a_kept_gift_once(
    struck: Callable[..., Any],
    folders: dict[str, Path],
    tmp_path: Path,
    strike: Strike,
) -> None:
    """Also when the segment is still there although its gift was taken in and charged."""
    aside = await struck(
        {"journal_dir": str(folders["struck"])}, **SETTINGS, journal_dir=str(folders["healer"])
    )
    almoner = aside.almoner
    gifts = await kept(aside, tmp_path, STATEMENTS)

    for at in aside.each_moment():
        given = gifts.pop()
        given.segment.rename(folders["struck"] / given.segment.name)
        await aside.run(-1, strike, "drain", disk=(at, strike))
        await heal(almoner, folders["struck"])
        end = await end_of(almoner, given)
        held = await captured(almoner, given.donation_id)
        where = f"{strike} {at}: {aside.moments.struck}; in the end {end.text}"
        assert end.status_code in FINAL, where
        assert held == (end.status_code == 201), where
        assert await almoner.value(RECORDS, given.donation_id) == 1, where

    assert "disk: unlink" in aside.labels, aside.labels


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_process_struck_at_every_touch_of_the_disk_keeps_a_gift_or_says_that_it_does_not(
    struck: Callable[..., Any], folders: dict[str, Path], strike: Strike
) -> None:
    """The database is away. Who was told 202 is charged by the next process; who was told 503, or
    nothing, is charged at most once, with the key that the page has kept."""
    aside = await struck(
        {"journal_dir": str(folders["struck"]), "database_wait_ms": 100},
        **SETTINGS, journal_dir=str(folders["healer"]),
    )  # fmt: skip
    almoner = aside.almoner

    for at in aside.each_moment():
        key, body = str(uuid4()), gift()
        told = await aside.run(
            -1, strike, "give", cut=True, disk=(at, strike), key=key, body=body, charity_known=True
        )
        await heal(almoner, folders["struck"])
        headers = {"Idempotency-Key": key}
        replayed = await almoner.client.post("/donations", json=body, headers=headers)
        where = f"{strike} {at}: {aside.moments.struck}; told {told}, in the end {replayed.text}"
        assert told is None or told[0] in (202, 503), where
        assert replayed.status_code == 201, where
        was_kept = await almoner.value(RECORDS, replayed.json()["donation_id"])
        if told is not None:
            assert was_kept == (told[0] == 202), where
        assert await captured(almoner, replayed.json()["donation_id"]) == 1, where

    assert aside.labels.count("disk: fsync") >= 3, aside.labels
