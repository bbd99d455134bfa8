"""One file instead of a folder, for those who carry backups elsewhere."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from almoner.operations.backup import manifest as manifests
from almoner.operations.backup.errors import BackupDamaged, NotEmpty
from almoner.platform.embedded.data_dir import fsync_folder

SUFFIX: Final = ".tar"


def is_archive(path: Path) -> bool:
    """Whether a backup is, or shall be, one file. Its parts are compressed already."""
    return path.suffix == SUFFIX


def pack(folder: Path, target: Path) -> None:
    """Make `target` of a backup's folder and remove the folder, once the file reads back whole.

    Raises NotEmpty, BackupDamaged.
    """
    if target.exists():
        raise NotEmpty(f"{target} is there already. Backups are never overwritten.")
    draft = target.with_name(f"{target.name}.incomplete")
    with draft.open("wb") as file:
        draft.chmod(0o600)
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(folder, arcname=".")
        file.flush()
        os.fsync(file.fileno())
    with unpacked(draft, beside=target.parent) as again:
        manifests.verify(again)
    draft.rename(target)
    fsync_folder(target.parent)
    shutil.rmtree(folder)


@contextmanager
def unpacked(backup: Path, *, beside: Path) -> Iterator[Path]:
    """The folder of a backup, also of one that is a file. Raises BackupDamaged."""
    if not backup.exists():
        raise BackupDamaged(f"There is no {backup}.")
    if backup.is_dir():
        yield backup
        return
    with TemporaryDirectory(prefix=".almoner-backup-", dir=beside) as folder:
        try:
            with tarfile.open(backup) as archive:
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise BackupDamaged(f"{backup} cannot be unpacked: {error}") from error
        yield Path(folder)
