"""The day the database is gone: a backup, a restore, and what only the gateway still knows."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.donor import gift
from support.installation import NewDatabase
from support.serving import Serving, serving


async def give(client: httpx.AsyncClient, count: int) -> list[tuple[str, dict[str, Any], str]]:
    """Gifts with their keys and what was told of each."""
    given = []
    for _ in range(count):
        key, body = str(uuid4()), gift()
        answer = await client.post("/donations", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        given.append((key, body, answer.json()["transaction_id"]))
    return given


def run(data_dir: Path, *words: str, **settings: str) -> tuple[int, Any, str]:
    """A command on data that nobody serves; its exit code, its JSON, and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "almoner", *words, "--data-dir", str(data_dir),
         *([] if "serve" in words else ["--json"])],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("ALMONER_")},
            **{f"ALMONER_{name.upper()}": value for name, value in settings.items()},
        },
        capture_output=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or b"null"), done.stderr.decode()


@pytest.mark.timeout(600)  # a dozen starts of servers and commands
async def test_everything_that_was_captured_is_in_the_books_again(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    """Thirty gifts, a backup, twenty more; the database is wiped, restored and rebuilt.

    The gateway's record lies elsewhere, as a real gateway's does.
    """
    data_dir, saved = tmp_path / "data", tmp_path / "saved"
    settings = {"sandbox_database_url": new_database(empty=True), "sandbox_latency_ms": "1"}
    with serving(data_dir, **settings) as almoner:
        async with almoner.client() as client:
            before = await give(client, 30)
            code, told = almoner.runs("backup", str(saved), "--verify-by-restore")
            assert code == 0, told
            assert all(finding["holds"] for finding in told["checked"])
            assert told["manifest"]["rows"]["donation"] == 30
            after = await give(client, 20)
    key = (data_dir / "secret-key").read_text()
    shutil.rmtree(data_dir)

    code, _, said = run(data_dir, "restore", str(saved), **settings)
    assert (code, "secret key is not in this backup" in said) == (2, True)
    (data_dir / "secret-key").write_text(key)
    code, told, said = run(data_dir, "restore", str(saved), **settings)
    assert code == 1, said
    broken = [finding["name"] for finding in told["checks"] if not finding["holds"]]
    assert broken == ["matches_sandbox"]
    code, _, said = run(data_dir, "serve", "--port", "0", **settings)
    assert (code, "almoner rebuild-from-gateway" in said) == (2, True), said
    csv = tmp_path / "recovered.csv"
    code, told, said = run(data_dir, "rebuild-from-gateway", "--csv", str(csv), **settings)

    assert code == 0, said
    assert (told["seen"], told["known"], told["recovered"]) == (50, 30, 20)
    assert len(csv.read_text().splitlines()) == 21
    code, told, _ = run(data_dir, "check", "--deep", **settings)
    assert (code, told["charges_matched"]) == (0, 50)
    with serving(data_dir, **settings) as almoner:
        async with almoner.client() as client:
            for used_key, body, transaction_id in (before[0], after[0], after[-1]):
                again = await client.post(
                    "/donations", json=body, headers={"Idempotency-Key": used_key}
                )
                assert again.json()["transaction_id"] == transaction_id
        code, told = almoner.runs("sandbox", "charges")
        assert (code, told["captured"]) == (0, 50)


async def test_a_backup_is_made_while_gifts_go_on(tmp_path: Path) -> None:
    """Nobody waits for it, and its copy keeps every promise although charges were under way."""
    data_dir = tmp_path / "data"
    with serving(data_dir, sandbox_latency_ms="40") as almoner:
        stopping = asyncio.Event()
        told: list[int] = []

        async def goes_on() -> None:
            async with almoner.client() as client:
                while not stopping.is_set():
                    told.extend([201] * len(await give(client, 1)))

        donors = [asyncio.create_task(goes_on()) for _ in range(4)]
        code, result = await asyncio.to_thread(
            almoner.runs, "backup", str(tmp_path / "saved.tar"), "--verify-by-restore"
        )
        at_end = len(told)
        stopping.set()
        await asyncio.gather(*donors)

        assert code == 0, result
        assert 0 < result["manifest"]["rows"]["donation"] <= at_end
        assert (tmp_path / "saved.tar").is_file()
        assert not (tmp_path / "saved.folder").exists()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data that nobody serves, and a backup of it with its key."""
    folder = tmp_path_factory.mktemp("installed")
    data_dir, saved = folder / "data", folder / "saved"
    assert run(data_dir, "charities", "demo")[0] == 0
    assert run(data_dir, "backup", str(saved), "--with-secret-key")[0] == 0
    return data_dir, saved


def test_a_backup_with_its_key_needs_nothing_else(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    """Into a new folder, with charities and key."""
    code, told, said = run(tmp_path / "new", "restore", str(installed[1]))

    assert code == 0, said
    assert told["sandbox_restored"] is True
    key = (installed[0] / "secret-key").read_text()
    assert (tmp_path / "new" / "secret-key").read_text() == key


def test_what_is_there_is_never_overwritten(installed: tuple[Path, Path]) -> None:
    """Refused; with --replace it gets another name and nothing is lost."""
    data_dir, saved = installed

    code, _, said = run(data_dir, "restore", str(saved))
    assert (code, "not empty" in said) == (2, True), said
    code, told, said = run(data_dir, "restore", str(saved), "--replace")

    assert code == 0, said
    (aside,) = told["moved_aside"]
    assert aside.startswith("almoner_before_")


def test_backups_never_lie_inside_one_another(installed: tuple[Path, Path]) -> None:
    """A backup stays as it is; a folder of backups gets one under a name of its own."""
    data_dir, saved = installed
    files = sorted(saved.rglob("*"))

    twice, _, said = run(data_dir, "backup", str(saved))
    beside, told, _ = run(data_dir, "backup", str(saved.parent))

    assert (twice, "is a backup already" in said) == (2, True)
    assert sorted(saved.rglob("*")) == files
    assert (beside, Path(told["backup"]).parent) == (0, saved.parent)


def test_a_backup_that_cannot_be_put_there_is_said_in_a_sentence(
    installed: tuple[Path, Path],
) -> None:
    """Which place it is, and why."""
    code, _, said = run(installed[0], "backup", "/proc/copy")

    assert (code, said) == (2, "/proc/copy cannot be made: No such file or directory.\n")


@pytest.mark.parametrize("damage", ["cut", "flip", "lose", "add", "manifest"])
def test_a_damaged_backup_is_refused_before_anything_happens(
    installed: tuple[Path, Path], tmp_path: Path, damage: str
) -> None:
    """Cut short, a bit turned, a file lost or slipped in, no manifest: named, and nothing made."""
    saved = tmp_path / "saved"
    shutil.copytree(installed[1], saved, ignore=shutil.ignore_patterns("almoner-*"))
    dump = saved / "main.dump"
    data = dump.read_bytes()
    match damage:
        case "cut":
            dump.write_bytes(data[:-100])
        case "flip":
            dump.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
        case "lose":
            (saved / "sandbox.dump").unlink()
        case "add":
            (saved / "journal").mkdir()
            (saved / "journal" / "strange").write_bytes(b"x")
        case "manifest":
            (saved / "manifest.json").write_text("{}")

    code, _, said = run(tmp_path / "new", "restore", str(saved))

    assert code == 1
    assert "saved" in said
    assert not (tmp_path / "new" / "postgres").exists()


def test_another_key_is_refused(installed: tuple[Path, Path], tmp_path: Path) -> None:
    """With it every id would be another, and a gift that is sent again be charged again."""
    code, _, said = run(
        tmp_path / "new",
        "restore",
        str(installed[1]),
        secret_key="the key of another installation than this one",
    )

    assert (code, "not the secret key" in said) == (2, True), said


def test_nothing_is_restored_under_a_running_almoner(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    """It would go on writing into what is moved aside."""
    with serving(tmp_path / "data") as almoner:
        code, _, said = run(tmp_path / "data", "restore", str(installed[1]), "--replace")
        assert (code, "in use" in said) == (2, True), said
        assert almoner.runs("check")[0] == 0


def test_the_worker_watches_and_says_so(tmp_path: Path) -> None:
    """Under `serve` the monitor looks soon after the start; the status and the metrics tell."""
    with serving(tmp_path / "data") as almoner:
        looked = wait_for_look(almoner)

        assert looked["well"] is True
        loops = {loop["loop"] for loop in looked["loops"]}
        assert {"monitor", "monitor_full", "watch", "beat", "resolver"} <= loops
        with httpx.Client(base_url=almoner.url, trust_env=False) as client:
            told = client.get("/metrics").text
        assert 'almoner_integrity_last_run_timestamp{kind="full"}' in told
        assert 'almoner_loop_last_run_timestamp{loop="watch"}' in told
        assert 'almoner_alarm{name="invariant_broken"} 0.0' in told


def wait_for_look(almoner: Serving) -> Any:
    """The status once everything was looked at and the loops have told of themselves."""
    told: Any = None
    for _ in range(40):
        code, told = almoner.runs("status")
        if code == 0 and set(told["runs"]) == {"changed", "full"} and told["loops"]:
            return told
    raise AssertionError(told)


def test_an_assignment_that_cannot_be_made_ends_with_2(installed: tuple[Path, Path]) -> None:
    """It is never passed over in silence: no such charity, no such charge."""
    order = uuid4().hex

    charity, _, why_charity = run(
        installed[0], "rebuild-from-gateway", "--assign", f"{order}=999999"
    )
    charge, _, why_charge = run(installed[0], "rebuild-from-gateway", "--assign", f"{order}=101")

    assert (charity, charge) == (2, 2)
    assert f"{order}: there is no charity 999999" in why_charity
    assert f"{order}: sandbox has no such charge" in why_charge
