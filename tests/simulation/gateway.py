"""The adapter that a node uses: like a real one it only knows answers and broken connections.

What they prove is decided by the real table, `almoner.payments.classify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from almoner.money import Money
from almoner.payments.classify import TRANSPORT, Signal, look_up, of_status, reversal, sale
from almoner.payments.gateway import Charge, Forged, Notice, Observation, Reversal, Seen
from simulation.bank import LANDS_WITHIN_S, Bank, Sale
from simulation.places import HERE

if TYPE_CHECKING:
    from simulation.world import World

_REVERSALS_ILL_MAX: Final = 6
"""Money is mostly given back when everything else is well again; so often that goes wrong."""

Answered = tuple[int, bytes]
"""A status and a body."""

_NOT_SENT: Final[tuple[tuple[str, Callable[[], BaseException]], ...]] = (
    ("gateway_refused", lambda: ConnectionRefusedError("refused")),
    ("gateway_connect_timeout", lambda: aiohttp.ConnectionTimeoutError("connect")),
)
_LOST: Final[tuple[tuple[str, Callable[[], BaseException] | Answered | None], ...]] = (
    ("gateway_lost_reset", lambda: ConnectionResetError("reset")),
    ("gateway_lost_disconnect", aiohttp.ServerDisconnectedError),
    ("gateway_lost_read_timeout", lambda: aiohttp.SocketTimeoutError("read")),
    ("gateway_lost_500", (500, b"oops")),
    ("gateway_lost_502", (502, b"<html>bad gateway</html>")),
    ("gateway_lost_empty", (200, b"")),
    ("gateway_lost_html", (200, b"<html>welcome</html>")),
    ("gateway_lost_silence", None),
)

_ILLS: Final = (
    "refused",
    "lost_request",
    "in_flight",
    "very_late",
    "late_landing",
    "slow",
    "lost_answer",
    "duplicate",
)
"""Fields of `GatewayIlls` of which a call suffers one at most."""


class SimGateway:
    """See `Gateway`. One for each node."""

    name = "sandbox"

    def __init__(self, world: World, bank: Bank) -> None:
        self._world = world
        self._bank = bank

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing to close."""

    async def charge(self, charge: Charge) -> Observation:
        """See `Gateway.charge`."""
        try:
            status, body = await self._post(charge)
        except Exception as error:  # noqa: BLE001 - the table decides
            return sale(TRANSPORT.of(error), type(error).__name__)
        signal = of_status(status)
        if signal is not None:
            return sale(signal, str(status))
        try:
            return _read(json.loads(body))
        except (ValueError, KeyError):
            return sale(Signal.LOST, "unreadable")

    async def look_up(self, order_id: str) -> Observation | None:
        """See `Gateway.look_up`."""
        try:
            status, body = await self._get(order_id)
        except Exception as error:  # noqa: BLE001 - the table decides
            return look_up(TRANSPORT.of(error), type(error).__name__)
        if status == 404:
            return None
        signal = of_status(status)
        if signal is not None:
            return look_up(signal, str(status))
        return _read(json.loads(body))

    async def reverse(
        self, order_id: str, gateway_transaction_id: str, money: Money, request_key: str
    ) -> Reversal:
        """See `Reverses.reverse`."""
        bank, world = self._bank, self._world
        await world.sleep(0.02 + bank.draw() * 0.5)
        try:
            await self._connect("reverse_refused")
        except Exception as error:  # noqa: BLE001 - the table decides
            return reversal(TRANSPORT.of(error), type(error).__name__)
        ill = bank.reversals_ill < _REVERSALS_ILL_MAX and bank.draw() < bank.ills.reverse_ill
        bank.reversals_ill += ill
        if ill and bank.draw() < 0.5:
            world.fault("reverse_lost_request", order_id)
            return reversal(Signal.LOST, "500")
        done = bank.reverse(gateway_transaction_id, request_key)
        if ill:
            world.fault("reverse_lost_answer", order_id)
            return reversal(Signal.LOST, "reset")
        return Reversal(done=done, kind="void" if done else None, gateway_code="409")

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """See `Notifies.read_notice`."""
        if headers.get("signature") != signature(body):
            raise Forged("signature")
        return msgspec.json.decode(body, type=Notice)

    async def _post(self, charge: Charge) -> Answered:
        bank, world = self._bank, self._world
        await world.sleep(0.01 + bank.draw() * 0.05)
        await self._connect("gateway_refused")
        ill = None if world.healed else self._drawn()
        if ill in {"refused", "lost_request"}:
            await self._never_arrives(charge, ill)
        if ill in {"in_flight", "very_late", "late_landing"}:
            return await self._lands_later(charge, ill)
        lands_in_s = 0.05 + bank.draw() * 0.4
        if ill == "slow":
            world.fault("gateway_slow", charge.order_id)
            lands_in_s = 2 + bank.draw() ** 2 * 58
        first = bank.sales.get(charge.request_key)
        if first is not None and first.landed_at is None and bank.draw() < 0.3:
            return 409, b""
        done = await bank.outcome(bank.arrive(charge, lands_in_s=lands_in_s))
        if ill == "lost_answer":
            return await self._lose_answer(charge)
        if ill == "duplicate":
            world.fault("gateway_duplicate", charge.order_id)
            return 200, b'{"seen": "DUPLICATE"}'
        await world.sleep(0.01 + bank.draw() * 0.05)
        return 200, _written(done)

    def _drawn(self) -> str | None:
        """Which ill this call suffers, if any."""
        drawn = self._bank.draw()
        for ill in _ILLS:
            drawn -= getattr(self._bank.ills, ill)
            if drawn < 0:
                return ill
        return None

    async def _never_arrives(self, charge: Charge, ill: str) -> None:
        bank, world = self._bank, self._world
        if ill == "refused":
            kind, error = bank.random.choice(_NOT_SENT)
            world.fault(kind, charge.order_id)
            raise error()
        world.fault("gateway_lost_request", charge.order_id)
        await world.sleep(bank.draw() * 20 if bank.draw() < 0.5 else 600)
        raise ConnectionResetError

    async def _lands_later(self, charge: Charge, ill: str) -> Answered:
        bank, draw = self._bank, self._bank.draw
        kind, lands_in_s = {
            "in_flight": ("gateway_in_flight", 0.1 + draw() * 10),
            "very_late": ("gateway_charges_after_the_second_miss", 1_000 + draw() * 2_000),
            "late_landing": ("gateway_charges_later", 5 + draw() ** 2 * (LANDS_WITHIN_S - 5)),
        }[ill]
        self._world.fault(kind, charge.order_id)
        bank.arrive(charge, lands_in_s=lands_in_s)
        return (409, b"") if ill == "in_flight" else await self._lose_answer(charge)

    async def _get(self, order_id: str) -> Answered:
        bank, world = self._bank, self._world
        await world.sleep(0.02 + bank.draw() * 0.2)
        await self._connect("look_up_refused")
        if bank.look_up_down:
            world.fault("look_up_down", order_id)
            return 503, b""
        if not world.healed and bank.draw() < bank.ills.look_up_ill:
            kind = bank.random.choice(("look_up_500", "look_up_reset", "look_up_silence"))
            world.fault(kind, order_id)
            if kind == "look_up_500":
                return 500, b"oops"
            if kind == "look_up_reset":
                raise ConnectionResetError
            await world.sleep(600)
        found = bank.shown(order_id)
        return (404, b"") if found is None else (200, _written(found))

    async def _connect(self, kind: str) -> None:
        bank = self._bank
        if HERE.get() in bank.cut:
            self._world.fault("gateway_cut_off")
            await self._world.sleep(5)
            raise aiohttp.ConnectionTimeoutError("connect")
        if bank.down:
            self._world.fault(kind)
            raise ConnectionRefusedError

    async def _lose_answer(self, charge: Charge) -> Answered:
        kind, what = self._bank.random.choice(_LOST)
        self._world.fault(kind, charge.order_id)
        if what is None:
            await self._world.sleep(600)
            raise ConnectionResetError
        if isinstance(what, tuple):
            return what
        raise what()


def signature(body: bytes) -> str:
    """What the gateway signs its webhooks with."""
    return hashlib.sha256(b"the gateway's secret" + body).hexdigest()


def _written(done: Sale) -> bytes:
    return json.dumps(
        {"seen": done.seen, "id": done.transaction_id, "decline": done.decline_code}
    ).encode()


def _read(answer: Any) -> Observation:
    seen = Seen(answer["seen"])
    return Observation(seen, answer.get("id"), answer.get("decline"))
