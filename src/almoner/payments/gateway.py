"""The port to whoever moves the money. Adapters live in `gateways/`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID

from msgspec import Struct

from almoner.money import Money


class Instrument(Struct, frozen=True):
    """What is charged: a one-time nonce, or one that was vaulted. No text of it reaches a log.

    `card_fingerprint` is the gateway's mark of the card behind it, the same for each nonce of one
    card, where it tells one before the charge. Limits count by it. `device_data` is what the
    gateway's script saw of the donor's device, for its checks of fraud; `authentication_id` names a
    3-D Secure authentication that the page has brought to its end. With `vaulted` the donor is not
    there: `nonce` is the token of a vaulted instrument, of a donor who agreed to be charged again.
    """

    nonce: str
    card_fingerprint: str | None = None
    device_data: str | None = None
    authentication_id: str | None = None
    vaulted: bool = False

    def __repr__(self) -> str:
        return "Instrument(...)"


class Reference(Struct, frozen=True):
    """What a gateway keeps with a charge for us, so that its record alone tells what it was for.

    `payable_id` is what was paid for, `payee_id` who it was for, where the payments know that.
    Nothing of a person.
    """

    payable_id: UUID
    payee_id: int | None = None


class Charge(Struct, frozen=True):
    """One sale to ask of a gateway. `order_id` and `request_key` follow from the attempt's id.

    With `check_harder` the gateway is to use its stricter checks of fraud, where it has any.
    """

    attempt_id: UUID
    money: Money
    instrument: Instrument
    merchant_account: str | None = None
    reference: Reference | None = None
    check_harder: bool = False

    @property
    def order_id(self) -> str:
        """What the gateway files the charge under, and what it is looked up by."""
        return order_id_of(self.attempt_id)

    @property
    def request_key(self) -> str:
        """The gateway's own idempotency key for this sale."""
        return request_key_of(self.attempt_id, "sale")


class Seen(StrEnum):
    """What a gateway was seen to have done with a charge."""

    SUBMITTED = "SUBMITTED"
    """Taken, awaiting settlement."""
    DECLINED = "DECLINED"
    """Refused for good."""
    NOT_SENT = "NOT_SENT"
    """Proved never to have left us."""
    UNKNOWN = "UNKNOWN"
    """Sent, and no answer that can be believed."""
    WAIT = "WAIT"
    """The same request is in flight there, or we ask too fast: ask again with the same key."""
    DUPLICATE = "DUPLICATE"
    """Rejected because one just like it was taken: look that one up."""
    AUTHORIZED = "AUTHORIZED"
    """Held, not taken."""
    SETTLED = "SETTLED"
    """Paid out to us."""
    SETTLEMENT_FAILED = "SETTLEMENT_FAILED"
    """Taken first, and in the end not paid out."""
    VOIDED = "VOIDED"
    """Taken or held, and given back in full before or after settlement."""
    DISPUTED = "DISPUTED"
    """The bank of the card objects."""


class Observation(Struct, frozen=True):
    """What is known of a charge after a call. `gateway_code` is the gateway's own word for it.

    `our_fault` marks a request that the gateway refused as malformed or not allowed. `money` is
    what the gateway charged or was to charge, where a look-up told it.
    """

    seen: Seen
    gateway_transaction_id: str | None = None
    decline_code: str | None = None
    gateway_code: str | None = None
    our_fault: bool = False
    money: Money | None = None


class RecordedCharge(Struct, frozen=True):
    """A charge in a gateway's own books. `captured` is false once it was given back in full.

    `declined_first` is the decline code of one that was declined and captured after all: that is
    what we were told, and told the donor, first.
    """

    order_id: str
    gateway_transaction_id: str
    money: Money
    captured: bool
    seen: Seen = Seen.SUBMITTED
    charged_ms: int = 0
    reference: Reference | None = None
    declined_first: str | None = None


class Reversal(Struct, frozen=True):
    """What became of asking for money to be given back.

    `done` is proof; `kind` is what was done, a void or a refund. Not done means not known: ask
    again with the same request key.
    """

    done: bool
    kind: Literal["void", "refund"] | None = None
    gateway_code: str | None = None


class SettledCharge(Struct, frozen=True):
    """One line of a settlement report. `fee_minor` is what the gateway kept of `money`."""

    payout_id: str
    order_id: str
    gateway_transaction_id: str
    money: Money
    fee_minor: int


class Payout(Struct, frozen=True):
    """What a gateway paid to our bank at once. `net_minor` is what arrived; times since 1970."""

    payout_id: str
    currency: str
    net_minor: int
    paid_ms: int


class Notice(Struct, frozen=True):
    """What a webhook says. Nothing of it is believed: it only makes us look.

    `external_id` tells one delivery of an event from another event; `order_ids` are the charges
    to look at. `claims` is what it says was done with them, where that can be told: a look is
    spared where our books say the same already, and nothing else follows from it.
    """

    external_id: str
    kind: str
    order_ids: tuple[str, ...]
    claims: Seen | None = None


class Gateway(Protocol):
    """Charge, and look up what became of it."""

    name: str

    async def charge(self, charge: Charge) -> Observation:
        """Ask for a sale that is captured at once. The same request key charges once.

        Does not raise for anything the outside world does: that is an observation.
        """
        ...

    async def look_up(self, order_id: str) -> Observation | None:
        """What the gateway knows of an order id; None is a miss, which alone proves nothing.

        An observation of UNKNOWN means that the gateway could not be asked.
        """
        ...


@runtime_checkable
class Reverses(Protocol):
    """A gateway that can give money back."""

    async def reverse(
        self, order_id: str, gateway_transaction_id: str, money: Money, request_key: str
    ) -> Reversal:
        """Void the charge, or refund it in full where that is too late.

        The same request key gives back once. Does not raise for what the outside world does.
        """
        ...


class Vaulted(Struct, frozen=True):
    """An instrument that a gateway keeps for us. The texts stand for a card and are no card data.

    `token` is what is charged later, `customer_id` whose it is there. `expires` is `YYYY-MM`.
    """

    token: str
    customer_id: str
    brand: str | None = None
    last4: str | None = None
    expires: str | None = None

    def __repr__(self) -> str:
        return "Vaulted(...)"


class NotVaulted(Struct, frozen=True):
    """Why an instrument was not vaulted. Not known means ask again with the same request key."""

    known: bool
    gateway_code: str | None = None
    decline_code: str | None = None
    our_fault: bool = False


@runtime_checkable
class Vaults(Protocol):
    """A gateway that keeps an instrument, to be charged later while its donor is away."""

    async def vault(
        self, instrument: Instrument, customer_reference: str, request_key: str
    ) -> Vaulted | NotVaulted:
        """Keep an instrument under a reference of ours that says nothing of the person.

        The same request key keeps it once. Does not raise for what the outside world does.
        """
        ...

    async def forget_vaulted(self, token: str) -> bool:
        """Delete a vaulted instrument; true is proof that it is gone, or was never there."""
        ...


@runtime_checkable
class Refunds(Protocol):
    """A gateway that can give back a part of a settled charge, or all of it."""

    async def refund(
        self, order_id: str, gateway_transaction_id: str, money: Money, request_key: str
    ) -> Reversal:
        """Give back this much of a charge, which may be less than all.

        The same request key gives back once. What is not settled yet cannot be given back in part:
        not done, with the gateway's code. Does not raise for what the outside world does.
        """
        ...


class DisputeStage(StrEnum):
    """How far a dispute has come."""

    OPENED = "OPENED"
    """The card's bank took the money back for now, or asks."""
    WON = "WON"
    """The money stays with us."""
    LOST = "LOST"
    """The money is the donor's again."""


class Dispute(Struct, frozen=True):
    """A dispute as its gateway tells of it. `order_id` is the charge's. Times since 1970.

    `reply_by_ms` is when our evidence must be there.
    """

    dispute_id: str
    order_id: str
    gateway_transaction_id: str
    money: Money
    stage: DisputeStage
    reason: str
    opened_ms: int
    reply_by_ms: int | None = None
    fee_minor: int = 0


@runtime_checkable
class TellsOfDisputes(Protocol):
    """A gateway that can list the disputes of its charges."""

    def disputes(self, since_ms: int) -> AsyncIterator[Dispute]:
        """Those that were opened or have changed since then."""
        ...


class ClientSession(Struct, frozen=True):
    """What the gateway's script in the page begins with.

    `key` is a public key or a token made for one page: not secret, and of no use to charge. It may
    be used until `expires_ms` where there is an end. `merchant_account` is whose charges they are.
    """

    key: str
    merchant_account: str | None = None
    expires_ms: int | None = None


class NoSession(Exception):
    """The gateway could not be asked for a client session."""


@runtime_checkable
class OpensSessions(Protocol):
    """A gateway whose script in the page needs a key or a token to begin."""

    async def client_session(self, merchant_account: str | None) -> ClientSession:
        """A session for one page. Raises NoSession."""
        ...


class Verdict(Struct, frozen=True):
    """One thing that was verified about our account at a gateway, in a sentence."""

    right: bool
    sentence: str


@runtime_checkable
class Verifies(Protocol):
    """A gateway whose keys can be tried without moving money."""

    async def verify(self) -> Sequence[Verdict]:
        """What works and what does not, such as a wrong key, with what to do about it."""
        ...


class SettlesInBatches(Protocol):
    """A gateway that reports what it paid out."""

    def payouts(self, after: str) -> AsyncIterator[tuple[Payout, Sequence[SettledCharge]]]:
        """Payouts with their charges, the oldest first, from the one behind the id `after` on."""
        ...


class NotAReport(ValueError):
    """A file that is no settlement report of the gateway; the text names the line."""


@runtime_checkable
class Notifies(Protocol):
    """A gateway that sends webhooks."""

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """What a webhook says. Raises Forged unless its signature, over the raw bytes, is right."""
        ...


class Forged(ValueError):
    """A webhook whose signature or form is not the gateway's."""


class ListsCharges(Protocol):
    """A gateway that can show all of its charges, for the daily match."""

    def charges(self) -> AsyncIterator[RecordedCharge]:
        """All charges by ascending order id."""
        ...


def order_id_of(attempt_id: UUID) -> str:
    """The order id of an attempt."""
    return attempt_id.hex


def request_key_of(attempt_id: UUID, kind: str) -> str:
    """The request key of an attempt's operation of that kind."""
    return f"{attempt_id.hex}:{kind}"
