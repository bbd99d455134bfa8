"""The manifest: what a backup holds, so that it can be verified before it is needed."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from almoner.operations.backup.errors import BackupDamaged
from almoner.platform.embedded.data_dir import fsync_folder, write_durably

NAME: Final = "manifest.json"
MAIN: Final = "main.dump"
SANDBOX: Final = "sandbox.dump"
JOURNAL: Final = "journal"
SECRET_KEY: Final = "secret-key"  # noqa: S105 - the name of its file
FORMAT: Final = 1
_BLOCK: Final = 1 << 20


class BackedUpFile(Struct, frozen=True):
    """One file, by its path below the backup."""

    path: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What was backed up, when, and of which installation. Times are RFC 3339 in UTC.

    `snapshot_at`: everything committed before is in it, nothing begun after. `rows` are counted in
    the same snapshot. `ledger_heads`: the newest seal of each shard, in hexadecimal.
    `secret_key_check` tells whether a secret key is the one of this installation, and nothing else
    about it.
    """

    format: int = FORMAT
    almoner: str
    made_at: str
    snapshot_at: str
    schema_revision: str
    server_version: str
    rows: dict[str, int]
    ledger_heads: dict[str, str]
    secret_key_check: str
    has_secret_key: bool
    has_sandbox: bool
    files: list[BackedUpFile]


def is_backup(folder: Path) -> bool:
    """Whether a folder looks like a backup, whole or not."""
    return (folder / NAME).is_file()


def secret_key_check(secret_key: str) -> str:
    """A fingerprint by which a key is recognised; the key does not follow from it."""
    return hmac.digest(secret_key.encode(), b"almoner/backup", "sha256").hex()[:32]


def describe(folder: Path) -> list[BackedUpFile]:
    """Every file of a backup but its manifest, read again from the disk."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return [
        BackedUpFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))
        for path in paths
    ]


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, last of all, and have all of the backup on the disk."""
    text = msgspec.json.format(msgspec.json.encode(manifest)).decode()
    write_durably(folder / NAME, text + "\n")
    fsync_folder(folder)


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises BackupDamaged."""
    try:
        manifest = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except OSError as error:
        raise BackupDamaged(f"{folder} is no backup: there is no {NAME} in it.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackupDamaged(f"{folder / NAME} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BackupDamaged(f"{folder} has format {manifest.format}; this program reads {FORMAT}.")
    return manifest


def verify(folder: Path) -> Manifest:
    """Compare every file with the manifest, byte for byte. Raises BackupDamaged naming the file."""
    manifest = read(folder)
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file():
            raise BackupDamaged(f"{file.path} is missing from {folder}.")
        if path.stat().st_size != file.bytes or sha256_of(path) != file.sha256:
            raise BackupDamaged(f"{file.path} in {folder} is not what was backed up.")
    found = {file.path for file in manifest.files}
    if extra := [file.path for file in describe(folder) if file.path not in found]:
        raise BackupDamaged(f"{extra[0]} in {folder} is not of this backup.")
    return manifest


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file that only its owner may read, and have it on the disk.

    One that grows meanwhile is copied as far as it was when it was opened.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with source.open("rb") as reading, target.open("xb") as writing:
        target.chmod(0o600)
        left = os.fstat(reading.fileno()).st_size
        while left and (block := reading.read(min(_BLOCK, left))):
            writing.write(block)
            left -= len(block)
        writing.flush()
        os.fsync(writing.fileno())
    fsync_folder(target.parent)
