"""The files of the PostgreSQL database: made whole or not at all, and never by two at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from almoner.platform.embedded.data_dir import fsync_folder
from almoner.platform.embedded.errors import ServerFailed, WrongMajorVersion
from almoner.platform.embedded.launch import Identity, launch, stop_signals_held
from almoner.platform.embedded.programs import postgres_programs
from almoner.platform.embedded.server_log import ServerLog

INITDB_SECONDS_MAX = 120
OLD_SERVER_SECONDS_MAX = 60

# A server needs nothing of our environment, and our secrets are in it.
SERVER_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def ensure_cluster(pgdata: Path, identity: Identity | None, log: ServerLog) -> None:
    """Have a database directory of the right version at `pgdata`.

    A new one is made beside it and renamed, so that one killed half-way is never taken for
    whole. Raises `WrongMajorVersion` for data of another PostgreSQL, `ServerFailed` when
    `initdb` fails or when `pgdata` holds something else.
    """
    if (pgdata / "PG_VERSION").exists():
        _check_version(pgdata)
        return
    if pgdata.exists() and any(pgdata.iterdir()):
        raise ServerFailed(
            f"{pgdata} is not a PostgreSQL data directory, and is not empty. Nothing was changed. "
            "Move it away, or choose another folder with --data-dir."
        )
    _make_cluster(pgdata, identity, log)


def _check_version(pgdata: Path) -> None:
    found = (pgdata / "PG_VERSION").read_text().strip()
    wanted = postgres_programs().major_version
    if found != wanted:
        raise WrongMajorVersion(
            f"The data in {pgdata} was made by PostgreSQL {found}; this Almoner brings "
            f"PostgreSQL {wanted}. Nothing was changed. Dump it with the Almoner that made it "
            f"(pg_dump), move {pgdata} away, start again and restore the dump; or use a "
            f"PostgreSQL {found} of your own with ALMONER_DATABASE_URL."
        )


def _make_cluster(pgdata: Path, identity: Identity | None, log: ServerLog) -> None:
    draft = pgdata.with_name(f"{pgdata.name}.incomplete")
    if draft.exists():
        _remove_draft(draft)
    draft.mkdir(mode=0o700)
    if identity is not None:
        os.chown(draft, identity.uid, identity.gid)
    _run_initdb(draft, identity, log)
    if pgdata.exists():
        pgdata.rmdir()
    draft.rename(pgdata)
    fsync_folder(pgdata.parent)


def _remove_draft(draft: Path) -> None:
    """Remove what a killed initdb left, once the server it worked through has gone too."""
    deadline = time.monotonic() + OLD_SERVER_SECONDS_MAX
    while _pids_working_in(draft) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(draft)


def _run_initdb(draft: Path, identity: Identity | None, log: ServerLog) -> None:
    """Run initdb, which also flushes everything it wrote to the disk."""
    argv: list[str | Path] = [
        postgres_programs().initdb,
        *("--pgdata", draft, "--username", "postgres", "--auth", "peer", "--no-instructions"),
        *("--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8"),
        "--data-checksums",
    ]
    process = None
    try:
        with log.open() as output, stop_signals_held():
            process = launch(
                argv,
                death_signal=signal.SIGKILL,
                identity=identity,
                env=SERVER_ENVIRONMENT,
                output=output,
            )
        code = process.wait(timeout=INITDB_SECONDS_MAX)
    finally:
        _end_group(process)
    if code != 0:
        raise ServerFailed(f"The database could not be made (initdb ended {code}):\n{log.tail()}")


def _end_group(process: subprocess.Popen[bytes] | None) -> None:
    """End initdb and the server it works through."""
    if process is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_old_server(pgdata: Path) -> None:
    """Wait until no server works in `pgdata` any more; one killed with us takes a moment to go.

    The caller holds the data directory's lock, so what is still there can only be going.
    Raises `ServerFailed` when it does not go within a minute.
    """
    recorded = _recorded_pid(pgdata)
    if recorded is None:
        return
    deadline = time.monotonic() + OLD_SERVER_SECONDS_MAX
    while pids := _pids_working_in(pgdata, recorded):
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"A PostgreSQL from an earlier run still works in {pgdata} (process {pids[0]}). "
                f"Stop it with `kill -INT {pids[0]}`, then start again."
            )
        time.sleep(0.02)
    # Another program may have got the pid since (in containers pids soon come round again);
    # PostgreSQL would see only that the pid is alive and refuse to start.
    if Path(f"/proc/{recorded}").exists() and _recorded_pid(pgdata) == recorded:
        (pgdata / "postmaster.pid").unlink(missing_ok=True)


def is_ready(pgdata: Path, pid: int) -> bool:
    """Whether the server `pid` says in `postmaster.pid` that it takes connections.

    This is how `pg_ctl --wait` asks: nothing shows in the log, unlike with a refused connection.
    """
    lines = _pid_file_lines(pgdata)
    return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _recorded_pid(pgdata: Path) -> int | None:
    lines = _pid_file_lines(pgdata)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _pid_file_lines(pgdata: Path) -> list[str]:
    try:
        return (pgdata / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _pids_working_in(pgdata: Path, recorded: int = 0) -> list[int]:
    """The processes whose working directory is `pgdata`: the server and what it forked."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _works_in(entry, pgdata, recorded)
    ]


def _works_in(entry: Path, pgdata: Path, recorded: int) -> bool:
    try:
        return (entry / "cwd").readlink() == pgdata
    except PermissionError:
        # Root without CAP_SYS_PTRACE may not look; the name and the recorded pid must do.
        return int(entry.name) == recorded and _is_named(entry, "postgres")
    except OSError:
        return False


def _is_named(entry: Path, name: str) -> bool:
    try:
        return (entry / "comm").read_text().strip() == name
    except OSError:
        return False
