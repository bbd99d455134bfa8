"""The batchers through which everything about money is written."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.bootstrap.base import Base
from almoner.bootstrap.journal import make_links
from almoner.donations.answer import Answer
from almoner.donations.gift import Intent
from almoner.donations.intend import Intended, IntentWriter
from almoner.donations.settle import Settlement, SettlementWriter
from almoner.platform.batch import Batcher
from almoner.platform.clock import now_ms
from almoner.platform.db import Writer
from almoner.platform.settings import Settings

_YOUNG_MS = 1_000
"""So young a gift nobody watches: its donor still waits for the answer that comes now."""


def make_settlements(base: Base, writer: Writer) -> Batcher[Settlement, Answer]:
    """The writer of outcomes.

    What a gateway did is true whatever the database says, so it is written again for as long as
    it takes, and never refused: no more of them can wait than gifts are carried out at once.
    """
    settlements = SettlementWriter(writer, base.ids, base.read_tokens, make_links(base))
    settings = base.settings
    young_ms = min(settings.giving.donor_wait_ms, _YOUNG_MS)

    async def write(batch: Sequence[Settlement]) -> Sequence[Answer]:
        answers = await settlements.write(batch)
        told_before_ms = now_ms() - young_ms
        changed = [s.facts.donation_id for s in batch if s.facts.created_ms <= told_before_ms]
        if changed:
            base.changes.tell(changed)
        return answers

    return Batcher("settlements", write, queue_max=None, retry_for_ms=None)


def intents_patience_ms(settings: Settings) -> int:
    """How long one try to write intents may hang: there is time for a second one."""
    return max(1_000, settings.giving.database_wait_ms // 2)


def make_intents(base: Base, writer: Writer) -> Batcher[Intent, Intended]:
    """The writer of intents. A donor waits for it, so it gives up after a while."""
    intents = IntentWriter(
        writer,
        base.ids,
        check_after_ms=base.check_after_ms,
    )
    wait_ms = base.settings.giving.database_wait_ms
    return Batcher("intents", intents.write, wait_ms=wait_ms, retry_for_ms=wait_ms)
