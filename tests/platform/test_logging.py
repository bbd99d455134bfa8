"""No card number, address or secret leaves through the log."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from almoner.platform.logging import configure_logging, scrub


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "card 4111 1111 1111 1111 was refused",
        "4111-1111-1111-1111",
        "x378282246310005y",
        "john.doe+x@example.com",
        "for <john@example.co.uk>",
    ],
)
def test_what_looks_like_a_card_or_an_address_is_blanked(text: str) -> None:
    """In any field, wherever in the text."""
    event = scrub(None, "info", {"event": text, "detail": f"before {text} after"})

    for value in event.values():
        assert "4111" not in value
        assert "3782" not in value
        assert "@" not in value


@pytest.mark.parametrize("name", ["email", "cvv", "read_token", "authorization", "secret_key"])
def test_secrets_are_blanked_by_name(name: str) -> None:
    """Whatever their value looks like."""
    assert scrub(None, "info", {name: "plain"}) == {name: "[removed]"}


def test_ids_times_and_amounts_stay_readable() -> None:
    """An operator needs them."""
    event = {
        "attempt_id": "0193a5d2-7f3c-7d5e-8b1a-2f6c4d8e9a01",
        "at": "2026-11-22T10:00:00.000Z",
        "amount_minor": 5000,
    }

    assert scrub(None, "info", dict(event)) == event


@given(st.from_regex(r"[1-9]([ -]?[0-9]){12,18}", fullmatch=True))
def test_any_run_of_thirteen_to_nineteen_digits_is_blanked(digits: str) -> None:
    """With or without the signs people put between them."""
    assert scrub(None, "info", {"event": f"a {digits} b"})["event"] == "a [digits] b"


def test_the_configured_log_is_scrubbed(capsys: pytest.CaptureFixture[str]) -> None:
    """Also what a traceback repeats."""
    configure_logging("info", "json")
    try:
        try:
            raise ValueError("4111111111111111 of john@example.com")  # noqa: TRY301
        except ValueError:
            structlog.get_logger("test").exception("failed")
        said = capsys.readouterr().err
    finally:
        structlog.reset_defaults()

    assert "failed" in said
    assert "4111" not in said
    assert "john" not in said
