"""Why a journal does not take something, or cannot be read on."""

from __future__ import annotations

from typing import Final

from almoner.platform.clock import jitter
from almoner.platform.errors import Unavailable

RETRY_AFTER_S: Final = (8, 16)
"""The least and the most that donors are sent away for: spread, so that they do not come back at
once."""


class JournalRefuses(Unavailable):
    """The journal has not taken it: nothing of it is kept."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "Your gift cannot be kept safe right now, so it was not taken. Please try again in a "
            "moment.",
            retry_after_s=jitter().randint(*RETRY_AFTER_S),
        )
        self.why = why


class JournalFull(JournalRefuses):
    """The journal's bound is reached, or the disk is full. It may take more later."""


class JournalBroken(JournalRefuses):
    """This process' file cannot be trusted any more; it takes nothing until the next start."""


class CopyNotTaken(JournalRefuses):
    """The second copy that an acknowledgement needs could not be made."""


class Unreadable(ValueError):
    """A record that was not sealed with this key, or not at this place."""
