"""Structured logs. Nothing that looks like a card number or a secret leaves through here."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast

import structlog

_CARD: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_EMAIL: Final = re.compile(r"[^\s\"'<>(){},;:]+@[^\s\"'<>(){},;:]+\.[^\s\"'<>(){},;:]+")
_SECRET_NAMES: Final = frozenset(
    (
        "authorization", "card", "card_number", "cvv", "email", "first_name", "last_name", "nonce",
        "password", "payment_card", "payment_method_nonce", "read_token", "secret", "secret_key",
        "service_token", "token", "form_token", "challenge_solution",
    )
)  # fmt: skip


class _StandardError:
    """Standard error as it is when something is logged, whoever has replaced it meanwhile."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logging(level: str, log_format: str) -> None:
    """Send our logs and the libraries' to standard error, as JSON lines or for a terminal."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    render: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        scrub,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta, render])
    )  # fmt: skip
    root = logging.getLogger()
    root.handlers = [handler]
    # Also on the handler: some libraries set the levels of their own loggers.
    handler.setLevel(max(logging.getLevelNamesMapping()[level.upper()], logging.WARNING))
    root.setLevel(handler.level)


def scrub(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank out secrets by their name, card numbers and mail addresses by their look."""
    for name, value in event.items():
        if name in _SECRET_NAMES:
            event[name] = "[removed]"
        elif isinstance(value, str):
            event[name] = _EMAIL.sub("[address]", _CARD.sub("[digits]", value))
    return event
