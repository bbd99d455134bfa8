"""The data directory: locked by one, and its key the same for ever."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from almoner.platform.embedded.data_dir import DataDir, Runtime
from almoner.platform.embedded.errors import DataDirInUse, DataDirUnusable


def test_a_new_directory_is_closed_to_others(folder: Path) -> None:
    """What is made for donors' data can be entered by its owner alone."""
    path = DataDir(folder / "deep" / "data").path

    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_directory_that_cannot_be_made_is_named(folder: Path) -> None:
    """A file in the way gives a sentence with the path in it."""
    (folder / "file").touch()

    with pytest.raises(DataDirUnusable, match=str(folder / "file")):
        DataDir(folder / "file" / "data")


def test_the_second_holder_is_refused_and_told_the_pid(folder: Path) -> None:
    """Two processes on one database would ruin it; the second hears who has it."""
    with DataDir(folder / "data").locked():
        with pytest.raises(DataDirInUse, match=f"in use by process {os.getpid()}") as refused:
            DataDir(folder / "data").locked().__enter__()

        assert refused.value.pid == os.getpid()


def test_the_lock_is_free_again_after_its_holder(folder: Path) -> None:
    """The lock file stays, the lock does not."""
    for _ in range(2):
        with DataDir(folder / "data").locked():
            pass

    assert (folder / "data" / "lock").exists()


def test_a_link_to_the_directory_is_the_same_directory(folder: Path) -> None:
    """Another name for the same data does not get round the lock."""
    with DataDir(folder / "data").locked():
        (folder / "link").symlink_to(folder / "data")

        with pytest.raises(DataDirInUse):
            DataDir(folder / "link").locked().__enter__()


def test_the_secret_key_stays(folder: Path) -> None:
    """32 random bytes in hex, readable by the owner, the same the next time."""
    key = DataDir(folder / "data").secret_key()

    assert len(bytes.fromhex(key)) == 32
    assert DataDir(folder / "data").secret_key() == key
    assert stat.S_IMODE((folder / "data" / "secret-key").stat().st_mode) == 0o600
    assert [path.name for path in (folder / "data").iterdir()] == ["secret-key"]


def test_many_first_starts_agree_on_one_key(folder: Path) -> None:
    """Commands that start at the same moment never replace each other's key."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.map(_secret_key, [folder / "data"] * 12)

    assert len(set(keys)) == 1


def _secret_key(path: Path) -> str:
    return DataDir(path).secret_key()


def test_a_damaged_key_is_not_replaced(folder: Path) -> None:
    """A new key would void every token given out: the operator decides, not we."""
    data_dir = DataDir(folder / "data")
    (data_dir.path / "secret-key").write_text("half a k")

    with pytest.raises(DataDirUnusable, match="backup"):
        data_dir.secret_key()

    assert (data_dir.path / "secret-key").read_text() == "half a k"


def test_what_runs_is_told_and_taken_back(folder: Path) -> None:
    """`runtime.json` gives back what was written, and nothing once removed or damaged."""
    data_dir = DataDir(folder / "data")
    runtime = Runtime(supervisor_pid=7, shared=True, redis_url="unix:///s", pids={"Valkey": 8})

    data_dir.write_runtime(runtime)

    assert data_dir.read_runtime() == runtime
    assert stat.S_IMODE((data_dir.path / "runtime.json").stat().st_mode) == 0o600
    (data_dir.path / "runtime.json").write_text("{")
    assert data_dir.read_runtime() is None
    data_dir.remove_runtime()
    assert data_dir.read_runtime() is None
