"""Twins of the features' `queries`: each does to the store what its statement does to PostgreSQL.

A twin has the name of its statement and its parameters, but for the first: a transaction. While
`redirected()` holds, `almoner.<feature>.queries.<name>` is the twin.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

from almoner.platform.db import DatabaseAway
from simulation.twins import donations, donors, events, ledger, payments

TWINS: Final[dict[str, ModuleType]] = {
    "donations": donations,
    "donors": donors,
    "events": events,
    "ledger": ledger,
    "payments": payments,
}
"""The twins of each feature."""

NOT_SIMULATED: Final[dict[str, str]] = {}
"""Statements that the simulated code never reaches, and why."""


@functools.cache
def statements(feature: str) -> dict[str, Callable[..., Any]]:
    """The statements of a feature: the public functions that its `queries` modules define."""
    found: dict[str, Callable[..., Any]] = {}
    module = importlib.import_module(f"almoner.{feature}.queries")
    for name, function in vars(module).items():
        if inspect.isroutine(function) and function.__module__ == module.__name__:
            if not name.startswith("_"):
                found[name] = function
    return found


def twin_of(feature: str, name: str) -> Callable[..., Awaitable[Any]] | None:
    """The twin of a statement."""
    twin: Callable[..., Awaitable[Any]] | None = vars(TWINS[feature]).get(name)
    return twin


@functools.cache
def _redirections() -> tuple[tuple[ModuleType, str, Any, Any], ...]:
    found = []
    for feature in TWINS:
        module = importlib.import_module(f"almoner.{feature}.queries")
        for name, real in statements(feature).items():
            twin = twin_of(feature, name)
            first = next(iter(inspect.signature(real).parameters))
            asked = _missing(name) if twin is None else _ASK[first](twin)
            found.append((module, name, real, asked))
    return tuple(found)


@contextmanager
def redirected() -> Iterator[None]:
    """Meanwhile every statement goes to its twin."""
    redirections = _redirections()
    for module, name, _, twin in redirections:
        setattr(module, name, twin)
    try:
        yield
    finally:
        for module, name, real, _ in redirections:
            setattr(module, name, real)


def instead(stack: ExitStack, feature: str, name: str, twin: Callable[..., Awaitable[Any]]) -> None:
    """Let another twin take a statement's place, until the stack is closed."""
    module = importlib.import_module(f"almoner.{feature}.queries")
    first = next(iter(inspect.signature(statements(feature)[name]).parameters))
    stack.enter_context(patch.object(module, name, _ASK[first](twin)))


def _on_connection(twin: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def ask(connection: Any, *arguments: Any, **named: Any) -> Any:
        return await connection.run(twin, *arguments, **named)

    return ask


def _on_database(twin: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """As `Database.fetch_all` does: in autocommit, asked again once."""

    async def once(database: Any, *arguments: Any, **named: Any) -> Any:
        async with database.connection() as connection:
            return await connection.run(twin, *arguments, **named)

    async def ask(database: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return await once(database, *arguments, **named)
        except DatabaseAway:
            return await once(database, *arguments, **named)

    return ask


_ASK: Final = {"connection": _on_connection, "database": _on_database}


def _missing(name: str) -> Callable[..., Awaitable[Any]]:
    async def ask(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"the simulation has no twin of {name}")

    return ask
