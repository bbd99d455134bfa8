"""The alert rules ask for metrics that exist, and leave no alarm out."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct
from prometheus_client import REGISTRY

from almoner.operations.monitor.alarms import NAMES
from tidy.project import ROOT

FILE = ROOT / "deploy" / "prometheus" / "alerts.yml"


class Rule(Struct, frozen=True):
    """What one rule says, as text."""

    name: str
    expr: str
    severity: str
    summary: str
    runbook: str


def rules() -> list[Rule]:
    """All rules of the file. It is YAML in a plain form, so no library is needed."""
    found = []
    for block in FILE.read_text(encoding="utf-8").split("- alert: ")[1:]:
        expr = re.search(r"expr: (?:>-\n)?(.*?)\n +(?:for|labels):", block, re.DOTALL)
        assert expr is not None, block
        words = {
            name: re.search(rf"{name}: (.+)", block) for name in ("severity", "summary", "runbook")
        }
        found.append(Rule(block.split()[0], expr[1], *(m[1] if m else "" for m in words.values())))
    return found


def test_every_metric_that_a_rule_names_exists() -> None:
    """A rule on a name that nobody sets never fires."""
    known = {name for metric in REGISTRY.collect() for name in _series_of(metric)}
    named = {name for rule in rules() for name in re.findall(r"\balmoner_\w+", rule.expr)}

    assert named
    assert named - known == set()


def test_every_alarm_has_a_rule() -> None:
    """`invariant_broken` is watched by the breaches themselves, which name the invariant."""
    asked = " ".join(rule.expr for rule in rules())
    names = {name for found in re.findall(r'name=~?"([^"]+)"', asked) for name in found.split("|")}

    assert names == set(NAMES) - {"invariant_broken"}


def test_every_rule_says_what_to_do() -> None:
    """How urgent it is, in words, and where the way out stands."""
    for rule in rules():
        assert rule.severity in {"page", "ticket"}
        assert rule.summary
        assert (ROOT / rule.runbook).is_file()


def test_every_alarm_is_explained() -> None:
    """Whoever is woken up finds its name in the guide."""
    guide = (ROOT / "docs" / "howto" / "watch.md").read_text(encoding="utf-8")

    assert [name for name in NAMES if f"`{name}`" not in guide] == []


def _series_of(metric: Any) -> list[str]:
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return [metric.name + suffix for suffix in suffixes.get(metric.type, [""])]
