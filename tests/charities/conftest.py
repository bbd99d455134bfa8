"""Charities on a real database, and files of registers made on the spot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import redis.asyncio
from litestar import Litestar

from almoner.charities import api
from almoner.charities.answers import CatalogueReader
from almoner.charities.hot import HotList
from almoner.charities.import_register import (
    BadRow,
    ImportSummary,
    import_register,
    recognise,
)
from almoner.charities.pictures import Pictures
from almoner.platform.cache import open_cache
from almoner.platform.db import Database
from almoner.platform.http import EXCEPTION_HANDLERS

Importer = Callable[..., object]
IRS_HEADER = (
    "EIN,NAME,ICO,STREET,CITY,STATE,ZIP,GROUP,SUBSECTION,AFFILIATION,CLASSIFICATION,RULING,"
    "DEDUCTIBILITY,FOUNDATION,ACTIVITY,ORGANIZATION,STATUS,TAX_PERIOD,ASSET_CD,INCOME_CD,"
    "FILING_REQ_CD,PF_FILING_REQ_CD,ACCT_PD,ASSET_AMT,INCOME_AMT,REVENUE_AMT,NTEE_CD,SORT_NAME"
)
UK_HEADER = (
    "org_id,reg_number,name,postcode,active,date_registered,activities,objects,source,income,"
    "spending,fye,Batch ID,web,company_number,UKCAT,ICNPTSO"
)


def irs_row(**given: str) -> str:
    """A row of the IRS file with these columns, the others as in an ordinary one."""
    ordinary = dict.fromkeys(IRS_HEADER.split(","), "")
    ordinary |= {
        "EIN": "010466768",
        "NAME": "RIVER SCHOOL",
        "ICO": "% JOHN Q PRIVATE",
        "STREET": "1 HOME ST",
        "CITY": "WASHINGTON",
        "STATE": "DC",
        "ZIP": "20006-2619",
        "SUBSECTION": "03",
        "DEDUCTIBILITY": "1",
        "STATUS": "01",
        "ASSET_AMT": "",
        "INCOME_AMT": "-12",
        "NTEE_CD": "B20",
        "SORT_NAME": "JANE PRIVATE MBR",
    }
    fields = {**ordinary, **given}.values()
    return ",".join(f'"{field}"' if "," in field else field for field in fields)


def uk_row(**given: str) -> str:
    """A row of the UK file with these columns, the others as in an ordinary one."""
    ordinary = dict.fromkeys(UK_HEADER.split(","), "")
    ordinary |= {
        "org_id": "GB-CHC-1000340",
        "reg_number": "1000340",
        "name": "RIVER TRUST",
        "postcode": "N7 7JW",
        "active": "True",
        "date_registered": "1990-09-13 00:00:00",
        "activities": "Looks after a river.",
        "income": "100.0",
        "web": "www.river.org",
        "company_number": "2324869.0",
        "ICNPTSO": "E11",
    }
    return ",".join(
        '"' + field.replace('"', '""') + '"' for field in {**ordinary, **given}.values()
    )


@pytest.fixture
def irs_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes an IRS file, with CRLF as published."""

    def write(*rows: str, name: str = "eo.csv") -> Path:
        path = tmp_path / name
        path.write_bytes("\r\n".join([IRS_HEADER, *rows, ""]).encode())
        return path

    return write


@pytest.fixture
def uk_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a UK register."""

    def write(*rows: str, name: str = "uk.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([UK_HEADER, *rows, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An opened, migrated, empty database."""
    database = Database(database_url, size=4)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """An empty cache."""
    cache = open_cache(redis_url)
    yield cache
    await cache.aclose()


@pytest.fixture
def imports(database: Database) -> Callable[..., object]:
    """Imports files; bad rows go into the list `bad` when one is given."""

    async def run(*paths: Path, bad: list[BadRow] | None = None) -> ImportSummary:
        report = (lambda _: None) if bad is None else bad.append
        return await import_register(
            database, [recognise(path) for path in paths], report_bad=report
        )

    return run


SECRET_KEY = "a secret key for the tests of charities"


def make_reader(database: Database, cache: redis.asyncio.Redis | None = None) -> CatalogueReader:
    """A reader as a web process has it."""
    return CatalogueReader(database, cache, secret_key=SECRET_KEY, currencies=["USD", "EUR", "CNY"])


def make_client(reader: CatalogueReader, database: Database) -> httpx.AsyncClient:
    """A client of an application that has nothing but charities, the short way included."""
    app = Litestar(
        api.routes(reader, Pictures(database)),
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    transport = httpx.ASGITransport(app=HotList(app, reader))
    return httpx.AsyncClient(transport=transport, base_url="http://almoner.test")


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who reads the catalogue, without any cache between processes."""
    reader = make_reader(database)
    async with make_client(reader, database) as client:
        yield client
    await reader.close()
