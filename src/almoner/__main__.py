"""`python -m almoner` and the command `almoner`."""

from __future__ import annotations

import sys

from almoner.cli import app
from almoner.platform.settings import SettingsError

WRONG_SETTING = 2


def main() -> None:
    """Run the command line. A wrong setting is one sentence, not a traceback."""
    try:
        app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(WRONG_SETTING)


if __name__ == "__main__":
    main()
