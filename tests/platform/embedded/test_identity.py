"""Who the servers run as, and which doors are closed to them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from almoner.platform.embedded import identity as identity_module
from almoner.platform.embedded.errors import FolderOutOfReach
from almoner.platform.embedded.identity import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_SETPCAP,
    first_closed_folder,
    server_identity,
    with_reach,
)
from almoner.platform.embedded.launch import Identity

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")

STRANGER = Identity(user_name="almoner", uid=54321, gid=54321)


def test_an_ordinary_user_runs_the_servers_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to change into, nothing to reach."""
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)

    identity = server_identity(folder / "postgres")

    assert identity is None
    assert with_reach(identity, [], [folder]) is None


@as_root
def test_root_runs_the_servers_as_the_user_made_for_them(folder: Path) -> None:
    """PostgreSQL refuses root."""
    identity = server_identity(folder / "postgres")

    assert identity is not None
    assert identity.user_name == "almoner"
    assert identity.uid != 0


@as_root
def test_root_runs_a_users_database_as_that_user(folder: Path) -> None:
    """Root may look at it, and its owner is not locked out afterwards."""
    nobody = pwd.getpwnam("nobody")
    (folder / "postgres").mkdir()
    os.chown(folder / "postgres", nobody.pw_uid, nobody.pw_gid)

    identity = server_identity(folder / "postgres")

    assert identity is not None
    assert identity.uid == nobody.pw_uid


def test_the_closed_folder_is_found(folder: Path) -> None:
    """The first one, from the root on, whose mode bits keep the user out."""
    (folder / "home" / "deep").mkdir(parents=True)
    (folder / "home").chmod(0o700)

    assert first_closed_folder([folder / "file"], STRANGER) is None
    assert first_closed_folder([folder / "home" / "deep" / "file"], STRANGER) == folder / "home"


def test_the_group_bits_count_for_the_group(folder: Path) -> None:
    """0710 lets the servers' group pass, and 0701 everybody but the group."""
    member = Identity(user_name="almoner", uid=54321, gid=folder.stat().st_gid)
    (folder / "home").mkdir()
    (folder / "home").chmod(0o710)
    assert first_closed_folder([folder / "home" / "file"], member) is None

    (folder / "home").chmod(0o701)

    assert first_closed_folder([folder / "home" / "file"], member) == folder / "home"


@pytest.mark.parametrize(
    ("usable", "chosen"),
    [
        ({CAP_SETPCAP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH}, CAP_DAC_READ_SEARCH),
        ({CAP_SETPCAP, CAP_DAC_OVERRIDE}, CAP_DAC_OVERRIDE),
    ],
)
def test_the_smallest_capability_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, usable: set[int], chosen: int
) -> None:
    """To read is enough where it can be had."""
    (folder / "home").mkdir(mode=0o700)
    monkeypatch.setattr(identity_module, "_usable_capabilities", lambda: frozenset(usable))

    identity = with_reach(STRANGER, [], [folder / "home" / "data"])

    assert identity is not None
    assert identity.capability == chosen


def test_no_capability_is_taken_where_none_is_needed(folder: Path) -> None:
    """Open doors need no key."""
    identity = with_reach(STRANGER, [], [folder])

    assert identity == STRANGER


def test_without_capabilities_the_folder_to_move_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container stripped of them there is a sentence instead of a riddle."""
    (folder / "home").mkdir(mode=0o700)
    monkeypatch.setattr(identity_module, "_usable_capabilities", frozenset)

    with pytest.raises(FolderOutOfReach, match=f"may not pass {folder / 'home'}. Move"):
        with_reach(STRANGER, [], [folder / "home" / "data"])


def test_a_person_is_given_no_capability(folder: Path) -> None:
    """Only the system user made for it sees what root sees."""
    (folder / "home").mkdir(mode=0o700)
    person = Identity(user_name="ann", uid=54321, gid=54321)

    with pytest.raises(FolderOutOfReach):
        with_reach(person, [], [folder / "home" / "data"])


def test_a_program_installed_under_a_strict_umask_is_opened(folder: Path) -> None:
    """Only the program, not the folders above it."""
    program = folder / "postgres"
    program.touch(mode=0o700)

    with_reach(STRANGER, [program], [])

    assert program.stat().st_mode & 0o777 == 0o755
