"""How the private PostgreSQL is set: safe on the disk, closed to strangers, silent about people."""

from __future__ import annotations

import os
from pathlib import Path

from almoner.platform.embedded.programs import postgres_programs

APPLICATION_ROLE = "almoner"
SUPERUSER_ROLE = "postgres"

MEBIBYTE = 1024 * 1024


def server_options(run_dir: Path, conf_dir: Path) -> list[str]:
    """The `-c name=value` words of the server's command line; none of them is a secret."""
    options = {
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(run_dir).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "hba_file": str(conf_dir / "pg_hba.conf"),
        "ident_file": str(conf_dir / "pg_ident.conf"),
        "max_connections": "100",
        "shared_buffers": f"{_shared_buffers_mib()}MB",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "timezone": "UTC",
        **_LOGGING,
    }
    if postgres_programs().has_pg_stat_statements:
        options["shared_preload_libraries"] = "pg_stat_statements"
    return [word for name, value in options.items() for word in ("-c", f"{name}={value}")]


# An ERROR goes to whoever sent the statement, and its text may quote what was sent (`invalid
# input syntax for type bigint: "ann@example.org"`, `Key (email)=(...) already exists`). In the
# log only LOG and worse are kept (ERROR ranks below LOG there), without DETAIL or statement.
_LOGGING = {
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def _shared_buffers_mib() -> int:
    """An eighth of the memory, between 32 and 256 MiB."""
    return max(32, min(256, _memory_bytes() // 8 // MEBIBYTE))


def _memory_bytes() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical


def access_files(system_users: list[str]) -> dict[str, str]:
    """The contents of `pg_hba.conf` and `pg_ident.conf`.

    The kernel tells the server which system user is at the other end of the socket (peer
    authentication), so there is no password to keep or to lose. Only the given users are let in.
    """
    hba = "local all all peer map=almoner\nlocal replication all peer map=almoner\n"
    roles = (APPLICATION_ROLE, SUPERUSER_ROLE)
    lines = [f"almoner {_quoted(user)} {role}" for user in system_users for role in roles]
    return {"pg_hba.conf": hba, "pg_ident.conf": "\n".join(lines) + "\n"}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
