"""The option that every command has which works on the data of a private installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from almoner.platform.settings import Settings

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder that `almoner serve` keeps its data in (else ALMONER_DATA_DIR, .almoner).",
    ),
]


def settings_for(data_dir: Path | None) -> Settings:
    """The settings of the environment, with this data directory if one is given."""
    settings = Settings.from_environment()
    if data_dir is None:
        return settings
    servers = msgspec.structs.replace(settings.servers, data_dir=str(data_dir))
    return msgspec.structs.replace(settings, servers=servers)
