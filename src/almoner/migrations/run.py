"""Bring a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.pool import NullPool

_LOCK = 0x416C6D6F6E6572  # "Almoner": one migrator at a time, on whichever node


def upgrade(database_url: str) -> tuple[str | None, str]:
    """Apply what is missing; gives the revision before and the one after.

    Waits for another migrator at work. A statement that cannot get its lock within five seconds
    fails instead of making every gift queue behind it; nothing of that version is applied then.
    """
    config = _config()
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database_url, connect_timeout=10),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        connection.exec_driver_sql("SET client_min_messages = warning")
        connection.commit()
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        connection.commit()
        before = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        after = ScriptDirectory.from_config(config).get_current_head()
    engine.dispose()
    return before, str(after)


def head() -> str:
    """The revision that this program needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
