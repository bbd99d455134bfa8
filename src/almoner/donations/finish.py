"""Links that open the form as a gift was asked for, so that its donor can finish it."""

from __future__ import annotations

from urllib.parse import quote

from almoner.donations.facts import DonationFacts
from almoner.platform.ids import Tokens


class FinishLinks:
    """Makes `/c/{slug}/give?finish=...`.

    The token names the donation, the amount and the currency in plain text, and is signed; it opens
    nothing and holds nothing of a person. The page fills the form with it.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def path_of(self, facts: DonationFacts) -> str:
        """The path and query of the form of this gift."""
        money = facts.money
        text = f"{facts.donation_id.hex}~{money.decimal_text()}~{money.currency}"
        return f"/c/{quote(facts.charity_slug)}/give?finish={text}~{self._tokens.sign(text)}"
