"""`almoner serve` as typed: what it refuses, and with which exit code."""

from __future__ import annotations

import importlib
import os
import pty
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from almoner.platform.embedded.data_dir import DataDir
from almoner.platform.embedded.supervisor import Ready
from almoner.platform.settings import Settings

from .conftest import HERE, pids_in, settings_for

# `almoner.cli` has the command under the same name.
serve_module = importlib.import_module("almoner.cli.serve")

app = typer.Typer()
app.command()(serve_module.serve)


@pytest.fixture(autouse=True)
def without_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own log settings stay."""
    monkeypatch.setattr(serve_module, "configure_logging", lambda *_: None)


def test_a_taken_port_ends_with_2(folder: Path) -> None:
    """And with a sentence that says how to go on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        result = CliRunner().invoke(app, ["--port", port, "--data-dir", str(folder / "data")])

    assert result.exit_code == 2
    assert f"Port {port} on 127.0.0.1 is taken by another program." in result.stderr


def test_data_in_use_ends_with_2(folder: Path) -> None:
    """With the pid of whoever has it."""
    with DataDir(folder / "data").locked():
        result = CliRunner().invoke(app, ["--data-dir", str(folder / "data")])

    assert result.exit_code == 2
    assert f"in use by process {os.getpid()}" in result.stderr


def test_a_wrong_setting_ends_with_2(folder: Path) -> None:
    """Named as the person wrote it."""
    env = {"ALMONER_PORT": "ninety", "ALMONER_DATA_DIR": str(folder / "data")}

    result = CliRunner().invoke(app, [], env=env)

    assert result.exit_code == 2
    assert "ALMONER_PORT" in result.stderr


def test_a_misspelt_fault_ends_with_2(folder: Path) -> None:
    """Before anything is started, and not in every web process after it."""
    env = {
        "ALMONER_SANDBOX_FAULTS": "lost_rest:0.1",
        "ALMONER_DATA_DIR": str(folder / "data"),
    }

    result = CliRunner().invoke(app, [], env=env)

    assert result.exit_code == 2
    assert "ALMONER_SANDBOX_FAULTS: 'lost_rest'" in result.stderr
    assert not (folder / "data").exists()


def test_what_is_typed_counts_more_than_the_environment() -> None:
    """An option replaces its variable, and nothing else."""
    settings = Settings.from_environment({"ALMONER_PORT": "9000", "ALMONER_HOST": "::1"})

    typed = serve_module._overridden(settings, None, 9001, Path("here"), None)

    assert (typed.web.host, typed.web.port) == ("::1", 9001)
    assert typed.servers.data_dir == "here"
    assert typed.web.web_processes == settings.web.web_processes


def test_the_greeting_tells_where_and_how(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The address, a card to try, where the data is, how to stop; whole lines, also in a file."""
    path = folder / ("deep" * 40)

    serve_module._greet(
        Ready(url="http://127.0.0.1:8000", data_dir=path, settings=settings_for(path))
    )

    said = capsys.readouterr().out
    assert "http://127.0.0.1:8000" in said
    assert re.search(r"4111 1111 1111 1111 +12/30 +123", said)
    assert f"{path}\n" in said
    assert "Ctrl-C" in said


def test_ctrl_c_in_a_terminal_stops_everything_in_order(folder: Path) -> None:
    """The terminal signals its whole foreground group; only the supervisor is in it."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, HERE / "supervise.py", folder / "data"],
        pass_fds=[theirs],
        # The child gets the terminal for its own, as from a shell.
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509
    ) as process:
        os.close(theirs)
        said = b""
        while b"http" not in said:
            said += os.read(ours, 1000)

        os.write(ours, b"\x03")
        process.wait(timeout=20)

    os.close(ours)
    log = (folder / "data" / "postgres.log").read_text()
    assert process.returncode == 0
    assert "database system is shut down" in log
    assert pids_in(folder / "data") == []
