"""The limits of giving: for the public, and for trials."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from almoner.donations.levels import LevelRules
from almoner.platform.limits import FailureRule, Rule


class GiveLimits(Struct, frozen=True):
    """Every rule that a gift is counted under.

    `again` is how often one gift may be repeated, `puzzle` how often a puzzle may be asked for.
    `address_strict` and `charity_on_break` are added at the levels STRICT and PAUSED. A form that
    comes back before `form_age_min_ms` was not filled in by a hand.
    """

    name: str
    address: tuple[Rule, ...]
    address_strict: tuple[Rule, ...]
    neighbourhood: tuple[Rule, ...]
    email: Rule
    card: Rule
    charity: Rule
    charity_on_break: Rule
    again: Rule
    puzzle: Rule
    failures: FailureRule
    form_age_min_ms: int
    levels: LevelRules


STANDARD: Final = GiveLimits(
    name="standard",
    address=(Rule("give-minute", 3, 60, shown=True), Rule("give-day", 10, 86_400, shown=True)),
    address_strict=(Rule("strict-minute", 1, 60, shown=True),),
    neighbourhood=(Rule("network-minute", 60, 60), Rule("network-day", 1_000, 86_400)),
    email=Rule("email-hour", 5, 3600),
    card=Rule("card-hour", 5, 3600),
    charity=Rule("charity-minute", 6_000, 60),
    charity_on_break=Rule("break-minute", 30, 60),
    again=Rule("repeat-minute", 60, 60),
    puzzle=Rule("puzzle-minute", 30, 60),
    failures=FailureRule("failures", 5, 180, 1_800),
    form_age_min_ms=3_000,
    levels=LevelRules(),
)
"""For the public: what card testers need is a hundred times what a donor needs."""

_WIDE: Final = 6_000_000

SANDBOX: Final = GiveLimits(
    name="sandbox",
    address=(Rule("give-sandbox", _WIDE, 60, shown=True),),
    address_strict=(),
    neighbourhood=(Rule("network-sandbox", _WIDE, 60),),
    email=Rule("email-sandbox", _WIDE, 60),
    card=Rule("card-sandbox", _WIDE, 60),
    charity=Rule("charity-sandbox", _WIDE, 60),
    charity_on_break=Rule("break-sandbox", _WIDE, 60),
    again=Rule("repeat-sandbox", _WIDE, 60),
    puzzle=Rule("puzzle-sandbox", _WIDE, 60),
    failures=FailureRule("failures-sandbox", 100_000, 180, 1),
    form_age_min_ms=0,
    levels=LevelRules(least=_WIDE),
)
"""For trials: wide enough never to stop anybody, still counted."""
