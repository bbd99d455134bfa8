"""Real web processes that keep gifts, die, and are followed by others; the commands beside them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from almoner.charities.seed_demo import seed_demo
from almoner.platform.db import Database
from support.donor import gift
from support.installation import SECRET_KEY, NewDatabase
from support.proxy import Wire


class WebProcess:
    """`almoner web` with a journal, its database behind a wire."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "almoner", "web", "--port", str(port)],
                env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False
        )

    async def until(self, path: str, status: int) -> httpx.Response:
        """Ask until the answer has this status."""
        async with asyncio.timeout(30):
            while True:
                try:
                    answer = await self.client.get(path)
                    if answer.status_code == status:
                        return answer
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def gives(self, **fields: Any) -> httpx.Response:
        """Post a gift."""
        headers = {"Idempotency-Key": str(uuid4())}
        return await self.client.post("/donations", json=gift(**fields), headers=headers)

    async def sees(self, told: httpx.Response) -> dict[str, Any]:
        """The gift of an answer."""
        answer = await self.client.get(
            f"/donations/{told.json()['donation_id']}",
            headers={"Authorization": f"Bearer {told.json()['read_token']}"},
        )
        found: dict[str, Any] = answer.json()
        return found

    async def until_success(self, told: httpx.Response) -> None:
        """Ask for a gift, as its page does, until it is paid."""
        async with asyncio.timeout(30):
            while (await self.sees(told))["status"] != "success":  # noqa: ASYNC110 - as the page
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 30)
        await self.client.aclose()


class Site:
    """Databases, a cache, a journal's folder, and processes on them."""

    def __init__(self, wire: Wire, environment: dict[str, str], folder: Path) -> None:
        self.wire = wire
        self.folder = folder
        self._environment = environment
        self._processes: list[WebProcess] = []

    def web(self) -> WebProcess:
        """Start a web process."""
        self._processes.append(WebProcess(self._environment, self.folder.parent / "web.log"))
        return self._processes[-1]

    async def runs(self, *arguments: str, **settings: str) -> tuple[int, Any]:
        """Run a command; gives its exit code and its JSON."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "almoner", *arguments, "--json",
            env=self._environment | settings, stdout=subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, json.loads(out or b"null")

    async def captured(self) -> int:
        """How many charges the sandbox has captured."""
        code, charges = await self.runs("sandbox", "charges")
        assert code == 0
        count: int = charges["captured"]
        return count

    async def close(self) -> None:
        """End what still runs."""
        for web in self._processes:
            if web.process.poll() is None:
                await web.kill()


@pytest.fixture
async def site(new_database: NewDatabase, redis_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    """A migrated database with charities, behind a wire that tests cut."""
    database_url, sandbox_url = new_database(), new_database(empty=True)
    database = Database(database_url, size=1)
    await database.open()
    await seed_demo(database)
    await database.close()
    async with Wire(database_url) as wire:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ALMONER_")}
        environment |= {
            "ALMONER_DATABASE_URL": wire.url,
            "ALMONER_SANDBOX_DATABASE_URL": sandbox_url,
            "ALMONER_REDIS_URL": redis_url,
            "ALMONER_SECRET_KEY": SECRET_KEY,
            "ALMONER_JOURNAL_DIR": str(tmp_path / "journal"),
            "ALMONER_DATABASE_WAIT_MS": "300",
            "ALMONER_SANDBOX_LATENCY_MS": "20",
            "ALMONER_LIMITS": "sandbox",
        }
        site = Site(wire, environment, tmp_path / "journal")
        yield site
        await site.close()


async def test_kept_gifts_survive_a_kill_and_are_charged_once_by_the_next_process(
    site: Site,
) -> None:
    """kill -9 with gifts in the journal; the next starts while the database is still away."""
    first = site.web()
    await first.until("/readyz", 200)
    assert (await first.gives()).status_code == 201
    site.wire.cut()
    told = await asyncio.gather(*(first.gives() for _ in range(10)))
    await first.kill()
    second = site.web()
    await second.until("/healthz", 200)
    not_ready = await second.client.get("/readyz")
    site.wire.mend()
    for answer in told:
        await second.until_success(answer)
    code, found = await site.runs("check")

    assert {answer.status_code for answer in told} == {202}
    assert not_ready.status_code == 503
    assert await site.captured() == 11
    assert (code, found["attempts_open"]) == (0, 0)


async def test_a_process_that_was_never_asked_before_is_ready_while_it_keeps_gifts(
    site: Site,
) -> None:
    """A load balancer that asks for the first time in an outage hears what donors are told."""
    web = site.web()
    await web.until("/healthz", 200)
    assert (await web.gives()).status_code == 201
    site.wire.cut()

    told = await web.gives()
    ready = await web.client.get("/readyz")
    site.wire.mend()
    await web.until_success(told)

    assert told.status_code == 202
    assert (ready.status_code, ready.json()["database"]) == (200, "away")


async def test_a_kill_in_the_middle_of_draining_charges_nothing_twice(site: Site) -> None:
    """The database is back, the drain is at work, and its process dies. What it had stamped the
    resolver finds; what it had not is drained by the next."""
    first = site.web()
    await first.until("/readyz", 200)
    await first.gives()
    site.wire.cut()
    told = await asyncio.gather(*(first.gives() for _ in range(30)))
    site.wire.mend()
    await first.until_success(told[0])
    await first.kill()
    second = site.web()
    await second.until("/readyz", 200)
    await until_drained(site)
    states = [(await second.sees(answer))["status"] for answer in told]
    code, found = await site.runs("check")

    assert {answer.status_code for answer in told} == {202}
    assert set(states) <= {"success", "processing"}
    assert await site.captured() >= states.count("success") + 1
    assert await site.captured() <= 31
    assert (code, found["attempts_open"]) == (0, states.count("processing"))


async def until_drained(site: Site) -> None:
    """Wait until every record of every segment is in the database."""
    async with asyncio.timeout(40):
        while True:
            _, report = await site.runs("journal", "status")
            if report["waiting"] == 0 and all(s["held"] for s in report["segments"]):
                return


async def test_the_commands_show_and_drain_what_no_process_holds(site: Site) -> None:
    """`status` counts beside a running process, `drain` leaves that one's segment to it and takes
    the segment of a dead one."""
    web = site.web()
    await web.until("/readyz", 200)
    await web.gives()
    site.wire.cut()
    told = [await web.gives() for _ in range(3)]
    _, running = await site.runs("journal", "status")
    away, _ = await site.runs("journal", "drain")
    await web.kill()
    gone, nothing = await site.runs("journal", "drain")
    site.wire.mend()
    drained, left = await site.runs("journal", "drain")
    _, after = await site.runs("journal", "status")

    (segment,) = running["segments"]
    assert (segment["held"], segment["records"], segment["drained"]) == (True, 3, None)
    assert {answer.status_code for answer in told} == {202}
    assert (away, gone) == (1, 3)
    assert [s["records"] for s in nothing["left"]] == [3]
    assert (drained, left["left"], after["segments"]) == (0, [], [])
    assert await site.captured() == 4


async def test_copies_bring_back_what_a_lost_disk_held(site: Site) -> None:
    """Two copies: the folder is gone, Valkey still has every acknowledged gift."""
    site._environment["ALMONER_JOURNAL_COPIES"] = "2"
    web = site.web()
    await web.until("/readyz", 200)
    await web.gives()
    site.wire.cut()
    told = [await web.gives() for _ in range(3)]
    await web.kill()
    for path in list(site.folder.iterdir()):
        path.unlink()
    site.wire.mend()
    code, found = await site.runs("journal", "recover")
    again, nothing = await site.runs("journal", "recover")

    assert {answer.status_code for answer in told} == {202}
    assert (code, found["copies_read"], found["left"]) == (0, 3, [])
    assert (again, nothing["copies_read"]) == (0, 0)
    assert await site.captured() == 4


async def test_a_damaged_segment_is_named_and_can_be_put_aside(site: Site) -> None:
    """What can be read is given; the rest is an operator's decision."""
    web = site.web()
    await web.until("/readyz", 200)
    await web.gives()
    site.wire.cut()
    for _ in range(3):
        await web.gives()
    await web.kill()
    (path,) = site.folder.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    site.wire.mend()
    left, found = await site.runs("journal", "drain")
    shown, report = await site.runs("journal", "status")
    aside, done = await site.runs("journal", "recover", "--put-aside")
    after, _ = await site.runs("journal", "status")

    assert (left, shown, report["damaged"]) == (1, 1, 1)
    assert [s["state"] for s in found["left"]] == ["damaged"]
    assert (aside, len(done["put_aside"]), after) == (0, 1, 0)
    assert await site.captured() == 2


@pytest.mark.timeout(300)  # a dozen commands and processes
async def test_kept_gifts_that_a_restore_put_aside_are_counted_and_brought_in_once(
    site: Site, tmp_path: Path
) -> None:
    """Three were charged before the accident, but their segment was not removed yet; two only
    wait. The restore, the rebuild and the status say how many; the drain charges the two, and
    nothing before the rebuild."""
    code, _ = await site.runs("backup", str(tmp_path / "saved"))
    first = await keeping_web(site)
    charged = [await first.gives() for _ in range(3)]
    await first.kill()
    (segment,) = site.folder.iterdir()
    content = segment.read_bytes()
    site.wire.mend()
    drained, _ = await site.runs("journal", "drain")
    second = await keeping_web(site)
    waiting = [await second.gives() for _ in range(2)]
    await second.kill()
    site.wire.mend()
    segment.write_bytes(content)

    restored = await site.runs("restore", str(tmp_path / "saved"), "--replace")
    alarmed, status = await site.runs("status")
    (early,) = restored[1]["journals_aside"]
    too_early, _ = await site.runs("journal", "drain", ALMONER_JOURNAL_DIR=early["folder"])
    captured_early = await site.captured()
    rebuilt, told = await site.runs("rebuild-from-gateway")
    (aside,) = told["journals_aside"]
    brought_in, left = await site.runs("journal", "drain", ALMONER_JOURNAL_DIR=aside["folder"])
    _, well = await site.runs("status")
    checked, found = await site.runs("check")
    third = site.web()
    await third.until("/readyz", 200)
    states = [(await third.sees(answer))["status"] for answer in [*charged, *waiting]]

    assert (code, drained) == (0, 0)
    assert {answer.status_code for answer in [*charged, *waiting]} == {202}
    assert [one["waiting"] for one in restored[1]["journals_aside"]] == [5]
    assert (too_early, captured_early) == (2, 5)
    assert "awaits_rebuild" in status["alarms"]
    assert (alarmed, "5 gifts" in status["alarms"]["journal_aside"]) == (1, True)
    assert (rebuilt, told["recovered"], aside["waiting"]) == (0, 5, 5)
    assert (brought_in, left["left"]) == (0, [])
    assert {"journal_aside", "awaits_rebuild"}.isdisjoint(well["alarms"])
    assert states == ["success"] * 5
    assert await site.captured() == 7
    assert await taken_in(site) == {"there_before": 3, "begun": 2}
    assert (checked, found["attempts_open"]) == (0, 0)


async def taken_in(site: Site) -> dict[str, int]:
    """What came of the records that were drained, by result."""
    database = Database(site.wire.url, size=1)
    await database.open()
    rows = await database.fetch_all(
        "SELECT result, count(*) AS count FROM journal_drained GROUP BY result"
    )
    await database.close()
    return {row["result"]: row["count"] for row in rows}


async def keeping_web(site: Site) -> WebProcess:
    """A web process that has charged one gift and lost its database."""
    web = site.web()
    await web.until("/readyz", 200)
    assert (await web.gives()).status_code == 201
    site.wire.cut()
    return web
