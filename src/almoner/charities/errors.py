"""What can go wrong with charities, each a sentence."""

from __future__ import annotations

from almoner.platform.errors import FieldError, Invalid, NotFound, Unavailable


class NoSuchCharity(NotFound):
    """No charity has this number or address."""

    def __init__(self) -> None:
        super().__init__("There is no charity at this address.")


class BrokenCursor(Invalid):
    """A cursor that we did not give, or gave for another question."""

    def __init__(self) -> None:
        super().__init__([
            FieldError(
                "cursor",
                "broken_cursor",
                "This cursor was not made for this list. Take `next` of the answer before it, "
                "with the same q, category and country, or leave it out to begin again.",
            )
        ])  # fmt: skip


class SearchTooBroad(Unavailable):
    """A search that did not end in time. Nothing else suffered."""

    def __init__(self) -> None:
        super().__init__("This search takes too long. Please use more or longer words.")


class ImportRunning(RuntimeError):
    """Another import is at work on this database. Wait for it, then start again."""
