"""Donors: they click twice, reload, edit, give up, come back, and remember all they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from almoner.charities.choose import ChosenCharity
from almoner.donations.gift import Gift
from almoner.donations.keys import RequestKey
from almoner.money import Money
from almoner.payments.gateway import Instrument
from simulation.internet import Away, Handler, Internet, Reply, giving, looking
from simulation.places import Place

if TYPE_CHECKING:
    from simulation.node import WebNode
    from simulation.world import World

CHARITIES: Final = tuple(
    ChosenCharity(number, f"charity-{number}", f"Charity {number}", None, "active", None, None)
    for number in (101, 102)
)
_AMOUNTS: Final = (500, 2_500, 5_000)
_TRIES_MAX: Final = 7
_LOOKS_MAX: Final = 6


class Form(Struct, frozen=True):
    """An open form: its key, and what is filled in. `number` counts the forms of a run."""

    number: int
    key: str
    gift: Gift

    @property
    def look(self) -> tuple[object, ...]:
        """What makes two gifts look alike."""
        gift = self.gift
        return gift.email_normalised, gift.charity.charity_id, gift.money


class Telling(Struct, frozen=True):
    """Something a donor was told of a form: when it was asked and heard, and what."""

    form: Form
    asked_at: float
    heard_at: float
    reply: Reply

    @property
    def transaction_id(self) -> str | None:
        """The charge it names."""
        if self.reply.view is not None:
            return self.reply.view.transaction_id
        if self.reply.status != 201:
            return None
        told: str | None = msgspec.json.decode(self.reply.body)["transaction_id"]
        return told

    @property
    def word(self) -> str:
        """`paid`, `not_paid`, `processing`, or `nothing` for every answer that claims nothing."""
        reply = self.reply
        if reply.view is not None:
            return _WORD_OF_STATUS[reply.view.status]
        return {201: "paid", 402: "not_paid", 202: "processing"}.get(reply.status, "nothing")


_WORD_OF_STATUS: Final = {
    "success": "paid",
    "disputed": "paid",
    "failure": "not_paid",
    "processing": "processing",
    "pending": "processing",
}


class Crowd:
    """All donors of a run, and what they heard."""

    def __init__(self, world: World, internet: Internet, nodes: list[WebNode]) -> None:
        self.world = world
        self.internet = internet
        self.nodes = nodes
        self.random: Random = world.random("donors")
        self.heard: list[Telling] = []
        self.forms: list[Form] = []
        self.posts: list[tuple[int, Form]] = []
        """The form of each request that a node was sent, by the request's number."""
        self._place = Place("donors")
        self._people = self.random.randint(2, 5)
        self._nonces = 0

    def arrive(self, count: int, within_s: float) -> list[asyncio.Task[None]]:
        """Let so many donors come, each in their own time and manner."""
        loop = self.world.loop
        return [
            loop.start(self._place, self._come(self.random.random() * within_s))
            for _ in range(count)
        ]

    async def _come(self, in_s: float) -> None:
        await self.world.sleep(in_s)
        manner = self.random.choices(_MANNERS, _WEIGHTS)[0]
        await manner(self, self.open_form())

    def open_form(self) -> Form:
        """A new form of one of a few people, so that they meet their own earlier gifts."""
        random = self.random
        person = random.randrange(self._people)
        email = f"donor{person}@example.org"
        gift = Gift(
            "Do",
            f"Nor {person}",
            email,
            email,
            "en",
            random.choice(CHARITIES),
            Money(random.choice(_AMOUNTS), "USD"),
            self.nonce(),
        )
        return self.another(gift)

    def another(self, gift: Gift) -> Form:
        """A form with a key of its own."""
        number = len(self.forms) + 1
        at = self.world.now_ms
        bits = (at << 80) | (0x7 << 76) | (0b10 << 62) | self.random.getrandbits(60)
        form = Form(number, str(UUID(int=bits)), structs.replace(gift, instrument=self.nonce()))
        self.forms.append(form)
        return form

    def nonce(self) -> Instrument:
        """What a page makes of a card each time it is loaded."""
        self._nonces += 1
        return Instrument(f"nonce-{self._nonces}")

    def reloaded(self, form: Form) -> Form:
        """The same form after a reload: another nonce."""
        return structs.replace(form, gift=structs.replace(form.gift, instrument=self.nonce()))

    # What a browser does.

    async def post(self, form: Form) -> Reply | None:
        """Send a form once; None when no answer came."""
        limited = self.random.random() < 0.05
        return await self._ask(
            form, giving(form.gift, RequestKey("key", form.key), limited=limited), posts=True
        )

    async def look(self, form: Form, donation_id: str) -> Reply | None:
        """Look at a donation once."""
        return await self._ask(form, looking(UUID(donation_id)))

    async def _ask(self, form: Form, handler: Handler, *, posts: bool = False) -> Reply | None:
        asked_at = self.world.loop.time()
        node = self.random.choice(self.nodes)
        if posts:
            handler = self._numbered(form, handler)
        try:
            reply = await self.internet.ask(node, handler)
        except Away:
            return None
        heard_at = self.world.loop.time()
        self.heard.append(Telling(form, asked_at, heard_at, reply))
        self.world.note("told", form.number, reply.status, reply.code)
        return reply

    def _numbered(self, form: Form, handler: Handler) -> Handler:
        async def handle(node: WebNode) -> Reply:
            from simulation.places import REQUEST

            self.posts.append((REQUEST.get(), form))
            return await handler(node)

        return handle

    async def until_told(self, form: Form, *, tries: int = _TRIES_MAX) -> Reply | None:
        """What the page does: the same gift with the same key until the answer is definite."""
        pause_s = 1.0
        reply = None
        for _ in range(tries):
            reply = await self.post(form)
            if reply is not None and reply.status in {201, 402, 422}:
                await self._maybe_look(form, reply)
                return reply
            if reply is not None and reply.code == "possible_duplicate":
                return reply
            if reply is not None and reply.status == 202:
                await self._watch(form, reply.donation_id)
                return reply
            await self.world.sleep(pause_s * (0.5 + self.random.random()))
            pause_s *= 2
            if self.random.random() < 0.3:
                form = self.reloaded(form)
        return reply

    async def _maybe_look(self, form: Form, reply: Reply) -> None:
        """Some look at their gift's page at once."""
        if reply.donation_id and self.random.random() < 0.4:
            await self.world.sleep(self.random.random() * 3)
            await self.look(form, reply.donation_id)

    async def _watch(self, form: Form, donation_id: str) -> None:
        pause_s = 2.0
        for _ in range(_LOOKS_MAX):
            await self.world.sleep(pause_s)
            reply = await self.look(form, donation_id)
            if reply and reply.view and reply.view.status not in {"processing", "pending"}:
                await self._maybe_look(form, reply)
                return
            pause_s *= 2

    # After everything was mended.

    async def come_back(self) -> None:
        """Those without a definite answer ask again, most of them with the same key."""
        for form in list(self.forms):
            told = [t for t in self.heard if t.form.number == form.number]
            if any(t.word in {"paid", "not_paid"} for t in told) or self.random.random() < 0.3:
                continue
            await self.until_told(form)

    async def look_once_more(self) -> None:
        """At the very end everybody looks at every gift they know of, and repeats its request."""
        for form in list(self.forms):
            ids = {
                t.reply.donation_id
                for t in self.heard
                if t.form.number == form.number and t.word != "nothing"
            }
            for donation_id in sorted(ids):
                await self.look(form, donation_id)
            if ids:
                await self.post(form)


# Manners. Each is given an open form.


async def _plain(crowd: Crowd, form: Form) -> None:
    reply = await crowd.until_told(form)
    if reply is not None and reply.status == 402 and crowd.random.random() < 0.7:
        await crowd.until_told(crowd.another(form.gift))


async def _double_click(crowd: Crowd, form: Form) -> None:
    await asyncio.gather(*(crowd.post(form) for _ in range(crowd.random.randint(2, 4))))
    await crowd.until_told(form)


async def _reload(crowd: Crowd, form: Form) -> None:
    await _give_up_after(crowd, crowd.post(form), crowd.random.random() * 15)
    await crowd.until_told(crowd.reloaded(form))


async def _edit_under_the_same_key(crowd: Crowd, form: Form) -> None:
    await _give_up_after(crowd, crowd.post(form), crowd.random.random() * 15)
    edited = structs.replace(form.gift, money=Money(7_700, "USD"), instrument=crowd.nonce())
    await crowd.until_told(structs.replace(form, gift=edited))
    await crowd.until_told(form)


async def _edit(crowd: Crowd, form: Form) -> None:
    await _give_up_after(crowd, crowd.until_told(form, tries=2), crowd.random.random() * 20)
    await crowd.until_told(crowd.another(structs.replace(form.gift, money=Money(9_900, "USD"))))


async def _come_with_another_key(crowd: Crowd, form: Form) -> None:
    await _give_up_after(crowd, crowd.until_told(form, tries=3), crowd.random.random() * 40)
    other = crowd.another(form.gift)
    reply = await crowd.until_told(other)
    if reply is not None and reply.code == "possible_duplicate" and crowd.random.random() < 0.3:
        yes = structs.replace(other.gift, confirm_duplicate=True)
        await crowd.until_told(structs.replace(other, gift=yes))
    if crowd.random.random() < 0.5:
        await crowd.until_told(form)


async def _two_tabs(crowd: Crowd, form: Form) -> None:
    await asyncio.gather(crowd.until_told(form), crowd.until_told(crowd.another(form.gift)))


async def _walk_away(crowd: Crowd, form: Form) -> None:
    await _give_up_after(crowd, crowd.until_told(form), crowd.random.random() ** 2 * 30)


async def _give_up_after(
    crowd: Crowd, doing: Coroutine[Any, Any, Reply | None], seconds: float
) -> None:
    task = asyncio.get_running_loop().create_task(doing)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        crowd.world.note("gives_up")
        task.cancel()


Manner = Callable[[Crowd, Form], Coroutine[Any, Any, None]]
_MANNERS: Final[list[Manner]] = [
    _plain,
    _double_click,
    _reload,
    _edit_under_the_same_key,
    _edit,
    _come_with_another_key,
    _two_tabs,
    _walk_away,
]
_WEIGHTS: Final = (5, 2, 2, 1, 1, 3, 2, 1)
