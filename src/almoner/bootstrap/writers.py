"""The batchers through which everything about money is written."""

from __future__ import annotations

from almoner.bootstrap.base import Base
from almoner.bootstrap.journal import make_links
from almoner.donations.answer import Answer
from almoner.donations.gift import Intent
from almoner.donations.intend import Intended, IntentWriter
from almoner.donations.settle import Settlement, SettlementWriter
from almoner.platform.batch import Batcher
from almoner.platform.db import Writer


def make_settlements(base: Base, writer: Writer) -> Batcher[Settlement, Answer]:
    """The writer of outcomes.

    What a gateway did is true whatever the database says, so it is written again for as long as
    it takes.
    """
    settlements = SettlementWriter(writer, base.ids, base.read_tokens, make_links(base))
    return Batcher("settlements", settlements.write, retry_for_ms=None)


def make_intents(base: Base, writer: Writer) -> Batcher[Intent, Intended]:
    """The writer of intents. A donor waits for it, so it gives up after a while."""
    intents = IntentWriter(
        writer,
        base.ids,
        check_after_ms=base.check_after_ms,
    )
    return Batcher("intents", intents.write, retry_for_ms=base.settings.giving.database_wait_ms)
