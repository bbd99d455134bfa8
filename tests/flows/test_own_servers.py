"""The operator's own PostgreSQL and Valkey: the same program uses them and starts none."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import psycopg

from almoner.platform.environment import with_database_suffix
from almoner.platform.settings import Settings
from support.donor import gift
from support.installation import NewDatabase
from support.serving import serving


async def test_serve_uses_the_servers_it_is_given(
    tmp_path: Path, embedded: Settings, new_database: NewDatabase, redis_url: str
) -> None:
    """From an empty database to a gift that is charged once; the sandbox's database is made
    beside it, and no server is started."""
    database_url = new_database(empty=True)
    given = {"database_url": database_url, "redis_url": redis_url}
    headers = {"Idempotency-Key": str(uuid4())}

    with serving(tmp_path / "data", **given) as running:
        started = [*running.children("postgres"), *running.children("valkey-server")]
        async with running.client() as client:
            body = gift()
            answers = [await client.post("/donations", json=body, headers=headers) for _ in "ab"]
            ready = (await client.get("/readyz")).json()
        checked, found = running.runs("check")
        _, charges = running.runs("sandbox", "charges")

    assert [a.status_code for a in answers] == [201, 201]
    assert ready == {
        "status": "ready",
        "database": "ok",
        "cache": "ok",
        "journal": "writable",
    }
    assert (checked, charges["captured"], found["attempts_open"]) == (0, 1, 0)
    assert started == []
    assert not (tmp_path / "data" / "postgres").exists()
    drop(with_database_suffix(database_url, "_sandbox"), embedded)


def drop(url: str, embedded: Settings) -> None:
    """Remove a database that the program made."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(embedded.servers.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
