"""Run the supervisor on a data directory with stand-ins: `supervise.py DIR [--slow-migration]`."""

import os
import sys
import time
from pathlib import Path

from almoner.platform.embedded.errors import EmbeddedError
from almoner.platform.embedded.supervisor import Commands, Ready, Supervisor
from almoner.platform.settings import Settings

STAND_IN = [sys.executable, str(Path(__file__).parent / "stand_in.py")]


def migrate(database_url: str) -> None:
    sys.stderr.write("migrating\n")
    if "--slow-migration" in sys.argv:
        time.sleep(30)


def tell(ready: Ready) -> None:
    sys.stdout.write(f"{ready.url}\n")
    sys.stdout.flush()


def main() -> None:
    environ = {"ALMONER_DATA_DIR": sys.argv[1], "ALMONER_PORT": "0"}
    settings = Settings.from_environment({**environ, **os.environ})
    web = "broken" if "--broken-web" in sys.argv else "web"
    marks = [sys.argv[1] + "/"]
    commands = Commands(
        web=lambda fd: [*STAND_IN, web, str(fd), *marks],
        worker=[*STAND_IN, "stubborn" if "--stubborn" in sys.argv else "worker", "0", *marks],
        seed=[*STAND_IN, "seed", "0", *marks],
    )
    try:
        Supervisor(
            settings,
            commands,
            migrate=migrate,
            on_ready=tell,
        ).run()
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


main()
