"""The short form of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.campaign import Plan, run


@pytest.mark.timeout(600)  # about a minute, and a multiple of it where others work as well
async def test_what_donors_were_told_is_what_was_charged_under_fire(tmp_path: Path) -> None:
    """Every kind of process is killed and frozen, the database goes away for seconds, the journal
    has no room and the gateway errs in every way it knows, while donors give, double-click, close
    the page and come back; then what they were told, our database and the gateway's record agree.
    """
    plan = Plan(
        donations=200,
        donors=16,
        seconds_max=90,
        every_s=0.4,
        seed=20261123,
        outage_s=(1.0, 1.5),
        probability=0.12,
        rarer=False,
    )

    result = await run(plan, tmp_path / "data", print)

    assert result.audit.breaches == []
    assert result.missing == []
    assert (result.check_code, result.checked["attempts_open"]) == (0, 0), result.checked
    assert result.holds
    assert result.audit.counts["donors told paid"] >= 50, result
    assert result.audit.counts["gifts through the journal"] >= 10, result
    heard = {answer for answer in result.answers if "dropped" not in answer}
    assert heard <= {"201", "202", "402", "409", "503", "no answer", "look 200", "look 503"}
