"""Donors: a closed-loop load generator for `POST /donations` that reads every answer.

Runs as a process of its own: `python -m almoner.bench.generator ORDER`, with an `Order` as JSON;
prints one `Tally` as JSON. Each connection sends its next gift when the last one was answered.
A gift that is under way when the time is up is still waited for, so that nothing is told unheard.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from array import array
from typing import Any, Final
from uuid import UUID

import httptools
import msgspec
import uvloop
from msgspec import Struct

_NAMES: Final = (
    ("Ann", "Larsson"),
    ("José", "García Márquez"),
    ("Wei", "Zhang"),
    ("Oluwaseun", "Adeyemi"),
    ("Mary Jane", "O'Neill"),
    ("芳", "王"),
    ("Zoë", "van den Berg"),
    ("Li", "Ng"),
)
AMOUNT_MINOR_MAX: Final = 199_900
"""Below the amounts that the sandbox declines."""

_PAUSE_AFTER_REFUSAL_S: Final = 0.02
_PAUSE_AFTER_LOSS_S: Final = 0.1
_SAMPLES: Final = 3


class Order(Struct, frozen=True):
    """What to do. Times are seconds of CLOCK_MONOTONIC, which all processes share."""

    host: str
    port: int
    connections: int
    measure_from: float
    measure_until: float
    answer_wait_s: float
    charity_ids: list[int]
    ids_path: str


class Tally(Struct):
    """What came of it.

    `told` counts answers by status over the whole run, as do `wrong` (answers that do not fit what
    was asked) and `unanswered`; the rest is for the measured time alone.
    """

    told: dict[str, int] = {}
    paid_measured: int = 0
    latency_us: list[int] = []
    wrong: int = 0
    unanswered: int = 0
    samples: list[str] = []
    cpu_s: float = 0.0


class Paid(Struct):
    """What must be in a 201."""

    donation_id: UUID
    status: str
    amount: str
    currency: str
    charity_id: int


class Crowd:
    """All donors, what they give and what they were told."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.tally = Tally()
        self.latency_us = array("I")
        self.ids = bytearray()
        self.busy = 0
        self.loop = asyncio.get_running_loop()
        self._random = random.Random()  # noqa: S311 - load, not secrets
        self._run = f"{self._random.getrandbits(40):010x}"
        self._number = 0
        self._read = msgspec.json.Decoder(Paid).decode
        head = f"POST /donations HTTP/1.1\r\nHost: {order.host}:{order.port}\r\n"
        self._head = head.encode() + b"Content-Type: application/json\r\nIdempotency-Key: "

    def next_gift(self) -> tuple[bytes, tuple[str, int]]:
        """A request of its own key and mail address, with the amount and charity it is for."""
        self._number = number = self._number + 1
        chance = self._random
        first, last = _NAMES[number & 7]
        minor = chance.randint(100, AMOUNT_MINOR_MAX)
        amount = f"{minor // 100}.{minor % 100:02d}"
        charity_id = chance.choice(self.order.charity_ids)
        body = (
            f'{{"first_name":"{first}","last_name":"{last}",'
            f'"email":"{self._run}.{number}@example.com","charity_id":{charity_id},'
            f'"amount":"{amount}","currency":"USD","payment_method_nonce":"fake-valid-nonce"}}'
        ).encode()
        request = b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
            self._head,
            uuid7_text(chance.getrandbits(74)),
            len(body),
            body,
        )
        return request, (amount, charity_id)

    def hear(self, status: int, body: bytes, asked: tuple[str, int], took_s: float) -> None:
        """Count one answer."""
        told = self.tally.told
        told[str(status)] = told.get(str(status), 0) + 1
        if status != 201:
            if len(self.tally.samples) < _SAMPLES and status != 202:
                self.tally.samples.append(body[:300].decode(errors="replace"))
            return
        try:
            paid = self._read(body)
        except msgspec.MsgspecError:
            self.tally.wrong += 1
            return
        self.ids += paid.donation_id.bytes
        if (paid.status, paid.amount, paid.charity_id) != ("success", *asked):
            self.tally.wrong += 1
        if self.order.measure_from <= time.monotonic() < self.order.measure_until:
            self.tally.paid_measured += 1
            self.latency_us.append(int(took_s * 1e6))


class Donor(asyncio.Protocol):
    """One kept-alive connection, on which one gift is under way at a time."""

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._parser: Any = None
        self._body = b""
        self._asked = ("", 0)
        self._sent_at = 0.0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to give."""
        self.transport = transport  # type: ignore[assignment] # TCP gives a full transport
        self._parser = httptools.HttpResponseParser(self)
        self._crowd.busy += 1
        self._give()

    def _give(self) -> None:
        if time.monotonic() >= self._crowd.order.measure_until:
            self.transport.close()
            return
        request, self._asked = self._crowd.next_gift()
        self._body = b""
        self._waiting = True
        self._sent_at = time.monotonic()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what cannot be parsed ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += body

    def on_message_complete(self) -> None:
        """One answer is whole: count it, then give again."""
        self._waiting = False
        status = self._parser.get_status_code()
        self._crowd.hear(status, self._body, self._asked, time.monotonic() - self._sent_at)
        if not self._parser.should_keep_alive():
            self.transport.close()
        elif status == 201:
            self._give()
        else:
            self._crowd.loop.call_later(_PAUSE_AFTER_REFUSAL_S, self._give)

    def connection_lost(self, error: Exception | None) -> None:
        """A gift that was under way stays unanswered; another donor takes the place."""
        del error
        crowd = self._crowd
        crowd.busy -= 1
        if self._waiting:
            crowd.tally.unanswered += 1
        if time.monotonic() < crowd.order.measure_until:
            crowd.loop.call_later(_PAUSE_AFTER_LOSS_S, _join, crowd)


def uuid7_text(chance: int) -> bytes:
    """A UUIDv7 of now as text (RFC 9562), from 74 random bits."""
    value = (
        (time.time_ns() // 1_000_000) << 80
        | 7 << 76
        | (chance >> 62) << 64
        | 0b10 << 62
        | chance & ((1 << 62) - 1)
    )
    h = b"%032x" % value
    return b"%b-%b-%b-%b-%b" % (h[:8], h[8:12], h[12:16], h[16:20], h[20:])


_joining: Final[set[asyncio.Task[None]]] = set()


def _join(crowd: Crowd) -> None:
    task = crowd.loop.create_task(_connect(crowd))
    _joining.add(task)
    task.add_done_callback(_joining.discard)


async def _connect(crowd: Crowd) -> None:
    try:
        await crowd.loop.create_connection(lambda: Donor(crowd), crowd.order.host, crowd.order.port)
    except OSError:
        if time.monotonic() < crowd.order.measure_until:
            crowd.loop.call_later(_PAUSE_AFTER_LOSS_S, _join, crowd)


async def give_all(order: Order) -> Tally:
    """Give until the time is up, and wait a while for what is still unanswered then."""
    crowd = Crowd(order)
    for _ in range(order.connections):
        _join(crowd)
    await _until(order.measure_from)
    cpu_before_s = time.process_time()
    await _until(order.measure_until)
    crowd.tally.cpu_s = round(time.process_time() - cpu_before_s, 2)
    patience_ends = order.measure_until + order.answer_wait_s
    while crowd.busy and time.monotonic() < patience_ends:  # noqa: ASYNC110 - once, at the end
        await asyncio.sleep(0.02)
    crowd.tally.unanswered += crowd.busy
    crowd.tally.latency_us = crowd.latency_us.tolist()
    with open(order.ids_path, "wb") as file:  # noqa: ASYNC230, PTH123 - nothing else goes on now
        file.write(crowd.ids)
    return crowd.tally


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))


def main() -> None:
    """Carry out the order of the command line."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    gc.freeze()
    gc.disable()
    tally = uvloop.run(give_all(order))
    sys.stdout.buffer.write(msgspec.json.encode(tally))


if __name__ == "__main__":
    main()
