"""Find a card number wherever it may have gone, in whatever form."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import psycopg
import redis
from psycopg import sql

from almoner.platform.journal.frames import Sealed, lone_record
from almoner.platform.journal.orphans import read_segment
from almoner.platform.journal.sealing import Sealer


class Search:
    """Looks for these numbers: plain, in groups, percent-encoded, in base64 and in hexadecimal.

    `searched` counts the pieces that were looked through, by their place.
    """

    def __init__(self, numbers: list[str]) -> None:
        self._forms = sorted({form.lower() for number in numbers for form in forms_of(number)})
        self.searched: Counter[str] = Counter()

    def in_bytes(self, where: str, data: bytes) -> list[str]:
        """The forms in which a number stands in some bytes, by their place."""
        self.searched[where] += 1
        data = data.lower()
        found = ((form, data.find(form)) for form in self._forms)
        return [f"{where}: at {at}" for form, at in found if at >= 0]

    def in_files(self, folder: Path) -> list[str]:
        """In every file below a folder, and in their names. Sockets are no files."""
        found = self.in_bytes("names", "\n".join(str(p) for p in folder.rglob("*")).encode())
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found += self.in_bytes(str(path.relative_to(folder)), path.read_bytes())
        return found

    def in_database(self, url: str) -> list[str]:
        """In every column of every table, as text; bytes also as what they spell."""
        found: list[str] = []
        with psycopg.connect(url) as connection:
            tables = connection.execute("""
                SELECT n.nspname, c.relname FROM pg_class AS c
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('information_schema')
                  AND (n.nspname <> 'pg_catalog' OR c.relname = 'pg_statistic')
                  AND n.nspname NOT LIKE 'pg\\_t%'
            """).fetchall()
            for schema, table in tables:
                statement = sql.SQL("SELECT t::text, t.* FROM {}.{} AS t").format(
                    sql.Identifier(schema), sql.Identifier(table)
                )
                for row in connection.execute(statement):
                    data = b"\n".join(
                        value if isinstance(value, bytes) else str(value).encode() for value in row
                    )
                    found += self.in_bytes(f"{table}", data)
        return found

    def in_cache(self, url: str) -> list[str]:
        """In every key of the cache and what it holds, in the cache's own form too."""
        found: list[str] = []
        with redis.Redis.from_url(url) as cache:
            for key in cache.scan_iter(count=1000):
                assert isinstance(key, bytes)
                dumped = cache.dump(key) or b""
                assert isinstance(dumped, bytes)
                found += self.in_bytes("cache", key + b"\n" + dumped)
                if cache.type(key) == b"string":
                    found += self.in_bytes("cache", cache.get(key) or b"")
        return found

    def in_journal(self, folder: Path, secret_key: str) -> list[str]:
        """In what the segments of a folder hold, opened: sealed, nothing would be found."""
        sealer, found = Sealer(secret_key), list[str]()
        for path in folder.glob("*.journal"):
            contents = read_segment(path.read_bytes())
            if contents.segment_id is not None:
                found += self._in_records(sealer, contents.segment_id, contents.records, "journal")
        return found

    def in_copies(self, url: str, secret_key: str) -> list[str]:
        """In the second copies of the journal, opened."""
        sealer, found = Sealer(secret_key), list[str]()
        with redis.Redis.from_url(url) as cache:
            for key in cache.scan_iter("almoner:journal:segment:*"):
                assert isinstance(key, bytes)
                frames = cache.hvals(key.decode())
                assert isinstance(frames, list)
                records = [one for frame in frames if (one := lone_record(frame)) is not None]
                segment_id = UUID(hex=key.decode().rpartition(":")[2])
                found += self._in_records(sealer, segment_id, records, "copies")
        return found

    def _in_records(
        self, sealer: Sealer, segment_id: UUID, records: Iterable[Sealed], where: str
    ) -> list[str]:
        return [
            hit
            for one in records
            for hit in self.in_bytes(
                where, sealer.open(segment_id, one.sequence, one.previous, one.payload)
            )
        ]


def forms_of(number: str) -> set[bytes]:
    """How a number may be written."""
    grouped = [number, *(_grouped(number, mark) for mark in (" ", "-", "+", "%20", "\\u0020"))]
    forms = {text.encode() for text in grouped}
    for text in grouped[:3]:
        forms.add(text.encode().hex().encode())
        # Where the number begins within three bytes changes its base64; the edges depend on what
        # stands beside it, so they are cut off.
        for shift in range(3):
            coded = base64.b64encode(b"x" * shift + text.encode())
            forms.add(coded[(0, 4, 4)[shift] : -4])
    return forms


def _grouped(number: str, mark: str) -> str:
    if len(number) == 15:
        return mark.join((number[:4], number[4:10], number[10:]))
    return mark.join(number[at : at + 4] for at in range(0, len(number), 4))
