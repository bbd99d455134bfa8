"""Twins of the features' `queries`: each does to the store what its statement does to PostgreSQL.

A twin has the name of its statement and its parameters, but for the first: a transaction. While
`redirected()` holds, a statement is its twin wherever production code holds it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

from almoner.platform.db import DatabaseAway
from simulation.twins import (
    charities,
    donations,
    donors,
    due,
    events,
    ledger,
    payments,
    returns,
    webhooks,
)

TWINS: Final[dict[str, ModuleType]] = {
    "charities": charities,
    "donations": donations,
    "donors": donors,
    "events": events,
    "ledger": ledger,
    "payments": payments,
    "payments.due": due,
    "payments.returns": returns,
    "payments.webhooks": webhooks,
}
"""The twins of each module of statements, by the package it is in."""

NOT_SIMULATED: Final[dict[str, str]] = {
    "charities": "the catalogue moves no money; gifts come with their charity",
    "donations.count_drained": "asked by a command",
    "donations.donors_of": "there is no restored database",
    "donations.expire_responses": "a month is longer than a run",
    "donations.insert_recovered": "there is no restored database",
    "events.parked": "asked by a command",
    "events.queue_lengths": "only measures",
    "events.unpark": "asked by a command",
    "ledger": "seals, balances and verification; what is posted is simulated",
    "payments.returns.of_attempts": "asked by a command",
    "payments.returns.waiting": "asked by a command",
    "payments.webhooks.delete_old": "a month is longer than a run",
    "payments.webhooks.newest": "asked by a command",
    "payments.webhooks.unpark": "asked by a command",
}
"""Statements, or all others of a package, that the simulated code never reaches, and why."""

Ask = Callable[..., Awaitable[Any]]


def module_of(package: str) -> ModuleType:
    """The module of statements of a package."""
    return importlib.import_module(f"almoner.{package}.queries")


@functools.cache
def statements(package: str) -> dict[str, Ask]:
    """The statements of a package: the public coroutines that its `queries` defines."""
    module = module_of(package)
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.iscoroutinefunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
    }


def twin_of(package: str, name: str) -> Ask | None:
    """The twin of a statement."""
    twin = vars(TWINS[package]).get(name)
    return twin if inspect.iscoroutinefunction(twin) else None


def _asking(package: str, name: str) -> Ask:
    twin = twin_of(package, name)
    return _missing(f"{package}.{name}") if twin is None else _ask(package, name, twin)


@functools.cache
def _redirections() -> tuple[tuple[dict[str, Any], str, Any, Any], ...]:
    """Each name, in whichever module, that holds a statement."""
    twins = {
        real: _asking(package, name)
        for package in TWINS
        for name, real in statements(package).items()
    }
    return tuple(
        (vars(module), name, value, twins[value])
        for path, module in list(sys.modules.items())
        if path.startswith("almoner.")
        for name, value in list(vars(module).items())
        if inspect.iscoroutinefunction(value) and value in twins
    )


@contextmanager
def redirected() -> Iterator[None]:
    """Meanwhile every statement goes to its twin."""
    redirections = _redirections()
    for names, name, _, twin in redirections:
        names[name] = twin
    try:
        yield
    finally:
        for names, name, real, _ in redirections:
            names[name] = real


def instead(stack: ExitStack, package: str, name: str, twin: Ask) -> None:
    """Let another twin take a statement's place, until the stack is closed."""
    stack.enter_context(patch.object(module_of(package), name, _ask(package, name, twin)))


def _ask(package: str, name: str, twin: Ask) -> Ask:
    first = next(iter(inspect.signature(statements(package)[name]).parameters))
    return _ASK[first](twin)


def _on_connection(twin: Ask) -> Ask:
    async def ask(connection: Any, *arguments: Any, **named: Any) -> Any:
        return await connection.run(twin, *arguments, **named)

    return ask


def _on_database(twin: Ask) -> Ask:
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


def _missing(name: str) -> Ask:
    async def ask(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"the simulation has no twin of {name}")

    return ask
