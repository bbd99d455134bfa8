"""The folder of the sockets: short, closed, and never a stranger's."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from almoner.platform.embedded.run_dir import make_run_dir, remove_run_dir


def test_a_short_path_keeps_the_sockets_with_the_data(folder: Path) -> None:
    """The usual case: `run` in the data directory, for its owner alone."""
    path = make_run_dir(folder, None)

    assert path == folder / "run"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["long" * 25, "a,comma"], ids=["long", "comma"])
def test_a_path_a_socket_cannot_have_gives_a_temporary_folder(folder: Path, name: str) -> None:
    """Longer than a socket's address, or with libpq's separator in it: a private folder else."""
    path = make_run_dir(folder / name, None)

    assert path.parent == Path(tempfile.gettempdir()).resolve()
    assert len(os.fsencode(path / ".s.PGSQL.5432")) <= 103
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    (path / "valkey.sock").touch()
    remove_run_dir(path)
    assert not path.exists()


def test_removing_touches_only_what_is_ours(folder: Path) -> None:
    """A path out of a file, however wrong, costs nobody a file."""
    for name in ("almoner-x", "other"):
        (folder / name).mkdir()
        (folder / name / "letter").touch()
    (folder / "other" / "valkey.sock").touch()

    remove_run_dir(folder / "almoner-x")
    remove_run_dir(folder / "other")

    left = sorted(path.name for path in folder.rglob("*"))
    assert left == ["almoner-x", "letter", "letter", "other", "valkey.sock"]
