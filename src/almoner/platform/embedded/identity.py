"""Which user the servers run as, and whether that user can get at its files.

PostgreSQL refuses to run as root, and Valkey needs nothing root has. So root starts both as a
user of their own. That user may stand before a closed door: a virtual environment in a home with
mode 0700. We open nobody's doors; the servers get the one capability that lets them pass.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from almoner.platform.embedded.errors import EmbeddedError, FolderOutOfReach, NoServerUser
from almoner.platform.embedded.launch import Identity

SERVER_USER = "almoner"

# Their numbers stand in <linux/capability.h>.
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8


def server_identity(database_dir: Path) -> Identity | None:
    """The user the servers run as: None (ourselves) unless we are root.

    As root it is whoever owns the database already, so that root may look at an ordinary
    user's data without locking that user out, and else the system user `almoner`, which is made
    when there is none. Raises `NoServerUser` when that fails.
    """
    if os.geteuid() != 0:
        _demand_a_name()
        return None
    owner_uid = database_dir.stat().st_uid if database_dir.exists() else 0
    entry = _entry_of(owner_uid) if owner_uid != 0 else _server_user()
    return Identity(user_name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _demand_a_name() -> None:
    # initdb and peer authentication both turn the uid into a name.
    _entry_of(os.geteuid())


def _entry_of(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError as error:
        raise NoServerUser(
            f"User id {uid} has no name in /etc/passwd, and PostgreSQL will not run without one. "
            "Add the user, or set ALMONER_DATABASE_URL to use a PostgreSQL of your own."
        ) from error


def _server_user() -> pwd.struct_passwd:
    complaint = ""
    for attempt in range(5):
        try:
            return pwd.getpwnam(SERVER_USER)
        except KeyError:
            # Somebody else may hold the lock on /etc/passwd, or be making this very user.
            time.sleep(0.2 * attempt)
            complaint = _add_server_user()
    raise NoServerUser(
        f"PostgreSQL refuses to run as root, and the system user `{SERVER_USER}` for it could "
        f"not be made ({complaint}). Make one (`adduser --system --group {SERVER_USER}`), run as "
        "an ordinary user, or set ALMONER_DATABASE_URL to use a PostgreSQL of your own."
    )


def _add_server_user() -> str:
    """Try to make the user; what `useradd` complained about, empty when it did not."""
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return "there is no useradd"
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    done = subprocess.run(  # noqa: S603 - every word is ours
        [program, *options, "--shell", "/usr/sbin/nologin", SERVER_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip()


def with_reach(
    identity: Identity | None, programs: Sequence[Path], folders: Sequence[Path]
) -> Identity | None:
    """The same user, with a capability when it needs one to get at programs or folders.

    Raises `FolderOutOfReach`, naming the folder that is closed, when none can be had.
    """
    if identity is None:
        return None
    for program in programs:
        _let_run(program, identity)
    closed = first_closed_folder([*programs, *(folder / "inside" for folder in folders)], identity)
    if closed is None:
        return identity
    return replace(identity, capability=_capability_for(closed, identity))


def first_closed_folder(paths: Iterable[Path], identity: Identity) -> Path | None:
    """The first folder above one of `paths` that the user may not pass, by its mode bits."""
    for path in paths:
        for folder in reversed(path.parents):
            if not _allows(folder, identity, 0o1):
                return folder
    return None


def _allows(path: Path, identity: Identity, bit: int) -> bool:
    found = path.stat()
    if found.st_uid == identity.uid:
        return bool(found.st_mode & (bit << 6))
    if found.st_gid == identity.gid:
        return bool(found.st_mode & (bit << 3))
    return bool(found.st_mode & bit)


def _let_run(program: Path, identity: Identity) -> None:
    """Add the missing x bit of a program installed under a strict umask.

    No capability short of CAP_DAC_OVERRIDE runs a program that is closed to its user, and a
    database server must not be able to write every file. The program itself holds no secret.
    """
    if _allows(program, identity, 0o1) and _allows(program, identity, 0o4):
        return
    try:
        program.chmod(stat.S_IMODE(program.stat().st_mode) | 0o555)
    except OSError as error:
        raise FolderOutOfReach(
            f"{program} may not be run by the user `{identity.user_name}`: "
            f"make it so with `chmod a+rx {program}`."
        ) from error


def _capability_for(closed: Path, identity: Identity) -> int:
    if identity.user_name != SERVER_USER:
        # Whoever owns the database can make the server read files for him. A system user made
        # for this is one thing, giving a person the sight of root is another.
        raise FolderOutOfReach(_closed(closed, identity))
    usable = _usable_capabilities()
    if CAP_SETPCAP in usable:
        for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
            if capability in usable:
                return capability
    raise FolderOutOfReach(_closed(closed, identity))


def _closed(folder: Path, identity: Identity) -> str:
    return (
        f"The servers run as the user `{identity.user_name}`, which may not pass {folder}. "
        "Move the project or its data to a folder that user can enter (for example below /opt "
        "and /var/lib), or run Almoner as an ordinary user."
    )


def _usable_capabilities() -> frozenset[int]:
    """The capabilities we have and may hand on, from `/proc/self/status` (proc(5))."""
    masks = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("CapEff", "CapBnd"):
            masks[name] = int(value, 16)
    if len(masks) != 2:
        raise EmbeddedError("The kernel does not say which capabilities this process has.")
    both = masks["CapEff"] & masks["CapBnd"]
    return frozenset(number for number in range(64) if both >> number & 1)
