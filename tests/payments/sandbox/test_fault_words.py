"""The words in which faults are set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import structs

from almoner.bootstrap import make_gateway
from almoner.payments.gateways.sandbox.faults import (
    OPERATIONS,
    STRIKES,
    FaultKind,
    UnknownFault,
    checked,
    named,
    read_faults,
)
from almoner.payments.gateways.sandbox.rules import ACCEPTED, CARDS, DECLINED, FAULTS, known_nonce
from almoner.platform.settings import SettingsError
from support.installation import settings_of


def test_the_setting_is_read() -> None:
    """Kinds with probabilities, an operation, a delay; one seed for all."""
    first, second, third = read_faults("lost_reset:0.02, slow:0.1:500,not_sent@look_up:1;seed=7")

    assert (first.kind, first.operation, first.probability, first.seed) == (
        "lost_reset",
        "charge",
        0.02,
        7,
    )
    assert (second.kind, second.takes_ms) == ("slow", 500)
    assert (third.operation, third.probability) == ("look_up", 1.0)
    assert read_faults("") == []


@pytest.mark.parametrize(
    "text",
    [
        "lost_reset",
        "lost_reset:",
        "lost_reset:two",
        "lost_reset:1.5",
        "lost_reset:0.1.2",
        "lost_reset:.",
        "nonsense:0.1",
        "webhook_late@charge:0.1",
        "slow:0.1:fast",
        "slow:0.1;seed",
        "slow:0.1;seed=x",
        "slow@:0.1",
    ],
)
def test_words_that_make_no_sense_end_the_start(text: str) -> None:
    """With the variable named, and not in the middle of a gift."""
    with pytest.raises(UnknownFault):
        read_faults(text)
    with pytest.raises(SettingsError, match="ALMONER_SANDBOX_FAULTS"):
        make_gateway(settings_of({"database_url": "postgresql://h/d", "sandbox_faults": text}))


def test_every_kind_strikes_something() -> None:
    """And is refused for what it cannot strike."""
    assert set(STRIKES) == set(FaultKind)
    for kind, operations in STRIKES.items():
        assert operations
        for operation in OPERATIONS:
            if operation in operations:
                assert named(kind, operation).operation == operation
            else:
                with pytest.raises(UnknownFault):
                    named(kind, operation)


@pytest.mark.parametrize(
    "changed",
    [
        {"times_left": 1, "probability": 0.5},
        {"probability": -0.1},
        {"operation": "look_up", "amount_minor": 1},
    ],
)
def test_parts_that_contradict_each_other_are_refused(changed: dict[str, object]) -> None:
    """Told at once, where it is typed."""
    with pytest.raises(UnknownFault):
        checked(structs.replace(named("slow"), **changed))


def test_each_fault_of_a_single_gift_has_its_nonce() -> None:
    """All kinds but one: a look-up that fails is nothing that a gift can ask for."""
    assert {fault.kind for fault in FAULTS.values()} == set(FaultKind) - {FaultKind.LOOK_UP_DOWN}
    assert all(known_nonce(nonce) for nonce in FAULTS)


def test_the_reference_tells_of_every_fault() -> None:
    """Each kind with what it strikes, in the table of docs/reference/sandbox.md."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([a-z_, ]+) \|", page, re.MULTILINE)
    told = {kind: tuple(strikes.split(", ")) for kind, strikes in rows if kind in set(FaultKind)}

    assert told == {str(kind): operations for kind, operations in STRIKES.items()}


def test_the_reference_tells_of_every_nonce_and_card() -> None:
    """Faults by their pattern, all others by name."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md").read_text("utf-8")

    assert [nonce for nonce in (*ACCEPTED, *DECLINED) if f"`{nonce}`" not in page] == []
    assert [number for number in CARDS if number not in page.replace(" ", "")] == []
