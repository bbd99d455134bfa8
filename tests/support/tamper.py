"""Change the database behind the program's back, past its guards, as a fault or a thief would."""

from __future__ import annotations

from typing import Any

import psycopg

from almoner.platform.embedded.postgres_settings import SUPERUSER_ROLE


def tamper(database_url: str, *statements: str, parameters: tuple[Any, ...] = ()) -> None:
    """Run statements as superuser with triggers and foreign keys switched off."""
    with psycopg.connect(superuser_url(database_url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode(), parameters)


def superuser_url(database_url: str) -> str:
    """The same database as superuser."""
    head, _, rest = database_url.partition("//")
    return f"{head}//{SUPERUSER_ROLE}@{rest.partition('@')[2]}"
