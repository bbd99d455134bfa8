"""`python -m almoner` and the command `almoner`."""

from __future__ import annotations

import sys

from almoner.cli import app
from almoner.platform.embedded.errors import EmbeddedError
from almoner.platform.settings import SettingsError

FAILED = 1
WRONG_SETTING = 2


def main() -> None:
    """Run the command line. A wrong setting is one sentence, not a traceback."""
    try:
        app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(WRONG_SETTING)
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
