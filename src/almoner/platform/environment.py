"""How a setting is read from the environment (`ALMONER_*`), and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and says what to do."""


def read_subject(subject: type[Struct], environ: Mapping[str, str]) -> Struct:
    """The settings of one subject. Raises SettingsError naming the variable."""
    given = {
        field.name: environ[variable_name(field.name)]
        for field in msgspec.structs.fields(subject)
        if environ.get(variable_name(field.name), "") != ""
    }
    try:
        return msgspec.convert(given, subject, strict=False)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        field = where.rstrip("`")
        raise SettingsError(f"{variable_name(field)}: {text}. {_wanted(subject, field)}") from None


def _wanted(subject: type[Struct], field: str) -> str:
    """What may be written: the words of a closed list, or else what the setting means."""
    annotation = get_type_hints(subject, include_extras=True)[field]
    kind, meta = get_args(annotation)
    if get_origin(kind) is Literal:
        return f"Use one of {', '.join(get_args(kind))}."
    return str(meta.description)


def is_database_url(url: str) -> bool:
    """Whether libpq can read it as an URL."""
    if not url.startswith(("postgresql://", "postgres://")):
        return False
    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return True


def with_database_suffix(url: str, suffix: str) -> str:
    """The URL of a database on the same server whose name has a suffix."""
    head, mark, query = url.partition("?")
    return f"{head.rstrip('/')}{suffix}{mark}{query}" if url else ""


def variable_name(field: str) -> str:
    """The environment variable of a field."""
    return "ALMONER_" + field.upper()
