"""Answers as ready bytes: memory, then Valkey, then PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import redis.asyncio

from almoner.charities import queries
from almoner.charities.cursors import Cursors
from almoner.charities.errors import NoSuchCharity
from almoner.charities.known import LastKnown
from almoner.charities.list import list_charities
from almoner.charities.schemas import CharityPage, PageQuery
from almoner.charities.search import search_charities
from almoner.charities.shared_copies import KEPT_S, SEARCH_KEPT_S, SharedCopies
from almoner.charities.show import item_of
from almoner.charities.slugs import is_slug
from almoner.platform.db import Database, DatabaseAway
from almoner.platform.errors import FieldError, Invalid, Unavailable

CACHE_CONTROL: Final = b"public, max-age=30, stale-while-revalidate=300, stale-if-error=86400"
PAGES_KEPT_MAX: Final = 1_024
ITEMS_KEPT_MAX: Final = 5_000
"""Some 60 MB a process at worst: pages of a hundred, descriptions as long as they may be."""

QUERY_STRINGS_KEPT_MAX: Final = 4_096
QUERY_STRING_LENGTH_MAX: Final = 2_000
DATABASE_PATIENCE_S: Final = 1.0

Headers = list[tuple[bytes, bytes]]


class Answer:
    """A JSON answer with its headers made once, however often it is sent."""

    __slots__ = ("body", "etag", "headers", "not_modified_headers", "stale")

    def __init__(self, body: bytes, *, stale: bool = False) -> None:
        """With `stale`, the body says so itself and caches on the way do not keep it."""
        self.body = _marked_stale(body) if stale else body
        self.stale = stale
        digest = hashlib.blake2b(self.body, digest_size=12).hexdigest()
        self.etag = f'"{digest}"'.encode()
        common: Headers = [
            (b"etag", self.etag),
            (b"cache-control", b"public, max-age=1" if stale else CACHE_CONTROL),
        ]
        if stale:
            common.append((b"warning", b'110 - "Response is Stale"'))
        self.not_modified_headers = common
        self.headers: Headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
            *common,
        ]

    def matches(self, if_none_match: bytes) -> bool:
        """Whether the client has this very answer (RFC 9110, 13.1.2: weak comparison)."""
        tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
        return self.etag in tags or tags == [b"*"]

    def as_stale(self) -> Answer:
        """The same answer, marked as the last known copy."""
        return self if self.stale else Answer(self.body, stale=True)


class CatalogueReader:
    """Everything the public reads of the catalogue."""

    def __init__(
        self,
        database: Database,
        cache: redis.asyncio.Redis | None,
        *,
        secret_key: str,
        currencies: list[str],
    ) -> None:
        self._database = database
        self._copies = SharedCopies(cache)
        self._cursors = Cursors(secret_key)
        self._currencies = currencies
        self._pages = LastKnown(self._load_page, size=PAGES_KEPT_MAX)
        self._items = LastKnown(self._load_item, size=ITEMS_KEPT_MAX)
        self._asked: OrderedDict[bytes, PageQuery] = OrderedDict()

    def ready_page(self, query_string: bytes) -> Answer | None:
        """The fresh answer to a query string seen before, or None. Never waits."""
        query = self._asked.get(query_string)
        return None if query is None else self._pages.ready(query)

    async def page(self, query_string: bytes) -> Answer:
        """A page of the list. Raises Invalid, DatabaseAway, SearchTooBroad."""
        query = self._asked.get(query_string)
        if query is None:
            query = _parsed(query_string)
        answer, stale = await self._pages.get(query)
        self._remember(query_string, query)
        return answer.as_stale() if stale else answer

    async def item(self, reference: str, lang: str) -> Answer:
        """One charity by number or slug. Raises NoSuchCharity, DatabaseAway."""
        answer, stale = await self._items.get((reference, lang))
        if answer is None:
            if stale:
                raise DatabaseAway
            raise NoSuchCharity
        return answer.as_stale() if stale else answer

    async def close(self) -> None:
        """Give up questions under way."""
        await self._pages.close()
        await self._items.close()

    def _remember(self, query_string: bytes, query: PageQuery) -> None:
        if len(query_string) > QUERY_STRING_LENGTH_MAX:
            return
        self._asked[query_string] = query
        while len(self._asked) > QUERY_STRINGS_KEPT_MAX:
            self._asked.popitem(last=False)

    async def _load_page(self, query: PageQuery) -> Answer:
        position = self._cursors.read(query.filters, query.cursor) if query.cursor else None

        async def read() -> bytes:
            verb = search_charities if query.filters.q else list_charities
            rows, after = await verb(self._database, query.filters, position, query.limit)
            items = [item_of(row, query.lang, self._currencies, summary=True) for row in rows]
            cursor = None if after is None else self._cursors.write(query.filters, after)
            return msgspec.json.encode(CharityPage(items, cursor))

        question = "page " + msgspec.json.encode(query).decode()
        kept_s = SEARCH_KEPT_S if query.filters.q else KEPT_S
        answer = await self._through_copies(question, read, kept_s)
        return answer if answer is not None else Answer(b'{"items":[],"next":null}')

    async def _load_item(self, asked: tuple[str, str]) -> Answer | None:
        reference, lang = asked
        number = int(reference) if reference.isascii() and reference.isdigit() else None
        if len(reference) > 18 if number is not None else not is_slug(reference):
            return None

        async def read() -> bytes | None:
            slug = reference if number is None else None
            row = await queries.find(self._database, number, slug)
            if row is None:
                return None
            return msgspec.json.encode(item_of(row, lang, self._currencies, summary=False))

        return await self._through_copies(f"item {lang} {reference}", read, KEPT_S)

    async def _through_copies(
        self, question: str, read: Callable[[], Awaitable[bytes | None]], kept_s: int
    ) -> Answer | None:
        """The shared copy if it is fresh, else the database, else the shared copy as it is."""
        copy = await self._copies.get(question)
        if copy.body is not None and copy.fresh:
            return Answer(copy.body)
        try:
            body = await _soon(read(), DATABASE_PATIENCE_S if copy.body is not None else None)
        except (Unavailable, TimeoutError):
            if copy.body is None:
                raise
            return Answer(copy.body, stale=True)
        if body is None:
            return None
        await self._copies.put(question, body, copy, kept_s=kept_s)
        return Answer(body)


async def _soon(work: Awaitable[bytes | None], patience_s: float | None) -> bytes | None:
    async with asyncio.timeout(patience_s):
        return await work


def _parsed(query_string: bytes) -> PageQuery:
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=32)
    except ValueError:
        message = "The part of the address after the question mark cannot be read."
        raise Invalid([FieldError("query", "malformed", message)]) from None
    return PageQuery.parse(dict(pairs))


def _marked_stale(body: bytes) -> bytes:
    """The object with one more member, spliced in: it was written by us and ends in a brace."""
    return body[:-1] + b',"stale":true}'
