"""Settings, read once at start from the environment (`ALMONER_*`).

One class per subject, one sentence per field. `docs/reference/settings.md` is made from this
file; a test keeps the two equal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from almoner.money import EXPONENTS
from almoner.platform.environment import (
    SettingsError,
    is_database_url,
    read_subject,
    variable_name,
    with_database_suffix,
)
from almoner.platform.settings_books import Books, Relay
from almoner.platform.settings_capacity import Capacity
from almoner.platform.settings_monitoring import Monitoring

__all__ = ["SUBJECTS", "Settings", "SettingsError"]

_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def _doc(text: str, **limits: Any) -> Meta:
    return Meta(description=text, **limits)


class Servers(Struct, frozen=True):
    """Where the database and the cache are. Left empty, `almoner serve` starts its own."""

    database_url: Annotated[
        str, _doc("PostgreSQL to use, as a libpq URL. Several hosts may be listed.")
    ] = ""
    redis_url: Annotated[str, _doc("Valkey or Redis to use, `redis://` or `unix://`.")] = ""
    sandbox_database_url: Annotated[
        str,
        _doc(
            "Database in which the sandbox gateway keeps its own record of charges. Left empty, "
            "it is made beside the main one, with `_sandbox` behind its name."
        ),
    ] = ""
    data_dir: Annotated[
        str, _doc("Folder of everything `almoner serve` keeps: its database, its secret key.")
    ] = ".almoner"


class Web(Struct, frozen=True):
    """How the web processes listen and whom they believe."""

    host: Annotated[str, _doc("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _doc("Port to listen on; 0 takes a free one.", ge=0, le=65535)] = 8000
    web_processes: Annotated[
        int, _doc("Number of web processes that `serve` starts.", ge=1, le=64)
    ] = 2
    trusted_proxies: Annotated[
        str,
        _doc(
            "Addresses or networks, separated by commas, of proxies that are believed when they "
            "say where a request came from; nobody is when empty."
        ),
    ] = ""
    proxy_header: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        _doc(
            "The one header that those proxies write: `X-Forwarded-For`, or `Forwarded` of RFC "
            "7239. The other one is never read, because a proxy passes it on as a client sent it."
        ),
    ] = "x-forwarded-for"
    limits: Annotated[
        Literal["auto", "standard", "sandbox"],
        _doc(
            "Request limits: `standard` for the public, `sandbox` for trials (wide, still "
            "counted), `auto` takes `sandbox` only on loopback with the sandbox gateway."
        ),
    ] = "auto"
    metrics_token: Annotated[
        str, _doc("Bearer token that opens `/metrics`; without one only loopback may read it.")
    ] = ""


class Secrets(Struct, frozen=True):
    """What nobody else may know. Never logged, never passed as an argument."""

    secret_key: Annotated[
        str,
        _doc(
            "At least 32 characters. Read tokens, form tickets and all ids derive from it, so it "
            "must stay the same for the life of an installation and on every node."
        ),
    ] = ""
    service_token: Annotated[
        str, _doc("Credential between our own services (web and payments).")
    ] = ""


class Giving(Struct, frozen=True):
    """What a gift may be, and how long a donor waits."""

    currencies: Annotated[
        str, _doc("ISO 4217 codes that are taken, separated by commas; the first is the default.")
    ] = "USD,EUR,GBP,CNY,JPY,CAD,AUD,HKD"
    amount_min: Annotated[
        str,
        _doc("Smallest gift in major units; a hundredfold of it in a currency without decimals."),
    ] = "1"
    amount_max: Annotated[str, _doc("Largest gift, counted like the smallest.")] = "50000"
    donor_wait_ms: Annotated[
        int, _doc("How long a donor's request waits before it is answered 202.", ge=100, le=60_000)
    ] = 12_000
    database_wait_ms: Annotated[
        int,
        _doc("How long a request waits for a database that is away.", ge=100, le=60_000),
    ] = 5_000


class Gateway(Struct, frozen=True):
    """Who moves the money."""

    gateway: Annotated[Literal["sandbox"], _doc("The gateway that charges.")] = "sandbox"
    gateway_deadline_ms: Annotated[
        int,
        _doc("Our own deadline around one call to the gateway.", ge=100, le=300_000),
    ] = 65_000
    gateway_in_flight_max: Annotated[
        int,
        _doc("Charges of one process at once; more wait for a place.", ge=1, le=100_000),
    ] = 1_024
    gateway_place_wait_ms: Annotated[
        int,
        _doc("How long a charge waits for a place before it is given up unsent.", ge=0, le=60_000),
    ] = 1_000
    gateway_retries: Annotated[
        int,
        _doc("How often a charge that was provably not sent is sent again.", ge=0, le=2),
    ] = 2
    gateway_pause_ms: Annotated[
        int,
        _doc("Least pause before a charge is sent again; it grows at random.", ge=1, le=20_000),
    ] = 500
    gateway_breaker_calls: Annotated[
        int,
        _doc(
            "Calls within 30 s before the breaker may open, which is when half of them failed.",
            ge=2,
            le=100_000,
        ),
    ] = 20
    gateway_breaker_open_ms: Annotated[
        int,
        _doc("How long the breaker stays open at first; longer each time.", ge=10, le=600_000),
    ] = 5_000
    payments_url: Annotated[
        str,
        _doc("Where `almoner payments` runs; empty means in this process."),
    ] = ""


class Sandbox(Struct, frozen=True):
    """How the sandbox gateway behaves. It moves no money."""

    sandbox_latency_ms: Annotated[
        int, _doc("How long the sandbox gateway takes to answer.", ge=0, le=60_000)
    ] = 300
    sandbox_faults: Annotated[
        str,
        _doc(
            "Faults by chance, each with its probability, then a seed for the dice: "
            "`lost_reset:0.02,slow:0.1;seed=7`."
        ),
    ] = ""
    sandbox_webhook_url: Annotated[
        str,
        _doc(
            "Where the sandbox sends its webhooks. `almoner serve` fills in its own address; "
            "left empty elsewhere, none are sent."
        ),
    ] = ""
    sandbox_webhook_captures: Annotated[
        bool,
        _doc(
            "Send a webhook for every captured charge; else only for those whose answer may not "
            "have arrived."
        ),
    ] = False
    sandbox_webhook_secret: Annotated[
        str,
        _doc(
            "What the sandbox signs its webhooks with. Left empty, it follows from "
            "`ALMONER_SECRET_KEY`."
        ),
    ] = ""


class Abuse(Struct, frozen=True):
    """When somebody seems to try stolen cards on a charity's form, and what is asked then."""

    declines_percent: Annotated[
        int,
        _doc(
            "Declined gifts of a charity, in percent of those of ten minutes, from which on a "
            "proof of work is asked; usual are about 10.",
            ge=20,
            le=95,
        ),
    ] = 40
    declines_of: Annotated[
        int, _doc("How many gifts of those ten minutes there must be before that counts.", ge=2)
    ] = 20
    challenge_work: Annotated[
        int,
        _doc(
            "Most hashes of the ordinary proof of work; a telephone does some hundred thousand a "
            "second. Harder ones take ten and thirty times as many.",
            ge=16,
            le=10_000_000,
        ),
    ] = 50_000


class Resolver(Struct, frozen=True):
    """How the worker finds out what became of charges without an answer."""

    resolver_pause_ms: Annotated[
        int, _doc("Pause between two sweeps for charges in doubt.", ge=50, le=60_000)
    ] = 1_000
    resolver_first_miss_s: Annotated[
        int, _doc("Age of a charge before a first missed look-up counts.", ge=1)
    ] = 120
    resolver_second_miss_s: Annotated[
        int, _doc("Age of a charge before a second missed look-up proves it absent.", ge=1)
    ] = 900
    look_ups_in_flight_max: Annotated[
        int, _doc("Look-ups of one process at once.", ge=1, le=1_000)
    ] = 16
    look_ups_per_second: Annotated[
        int, _doc("Look-ups of one process in a second.", ge=1, le=10_000)
    ] = 50


class Journal(Struct, frozen=True):
    """Where gifts are kept while the database is away, and for how long."""

    journal_dir: Annotated[
        str,
        _doc(
            "Folder of the journal, on a disk that outlives the process. `almoner serve` takes "
            "`journal` in its data directory; a bare `almoner web` without one refuses gifts while "
            "the database is away."
        ),
    ] = ""
    journal_bytes_max: Annotated[
        int,
        _doc("Size of all segments in the folder together, in bytes.", ge=65_536, le=1 << 34),
    ] = 64 * 1024 * 1024
    journal_copies: Annotated[
        int,
        _doc(
            "How many copies an acknowledgement needs: 1 is the file, 2 is the file and Valkey.",
            ge=1,
            le=2,
        ),
    ] = 1
    journal_nonce_minutes: Annotated[
        int,
        _doc(
            "Age at which payment details are not charged any more and the donor is asked again.",
            ge=1,
            le=1_440,
        ),
    ] = 150
    journal_age_minutes_max: Annotated[
        int,
        _doc("Nothing more is kept once the oldest kept gift is older.", ge=1, le=10_080),
    ] = 150


class Logging(Struct, frozen=True):
    """What is written down, and how."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _doc("Least level that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        _doc("`auto` is `console` on a terminal and `json` elsewhere."),
    ] = "auto"


SUBJECTS: tuple[type[Struct], ...] = (
    Servers,
    Web,
    Secrets,
    Giving,
    Gateway,
    Sandbox,
    Abuse,
    Resolver,
    Relay,
    Books,
    Capacity,
    Monitoring,
    Journal,
    Logging,
)


class Settings(Struct, frozen=True):
    """All settings, by subject."""

    servers: Servers = Servers()
    web: Web = Web()
    secrets: Secrets = Secrets()
    giving: Giving = Giving()
    gateway: Gateway = Gateway()
    sandbox: Sandbox = Sandbox()
    abuse: Abuse = Abuse()
    resolver: Resolver = Resolver()
    relay: Relay = Relay()
    books: Books = Books()
    capacity: Capacity = Capacity()
    monitoring: Monitoring = Monitoring()
    journal: Journal = Journal()
    logging: Logging = Logging()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `ALMONER_*`. Raises SettingsError naming the variable that cannot be used."""
        environ = os.environ if environ is None else environ
        subjects: dict[str, Any] = {
            field.name: read_subject(field.type, environ) for field in msgspec.structs.fields(cls)
        }
        settings = cls(**subjects)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise SettingsError for values that are each well-formed and together wrong."""
        for code in self.currencies:
            if code not in EXPONENTS:
                known = ", ".join(EXPONENTS)
                raise SettingsError(f"ALMONER_CURRENCIES: {code!r} is not one of {known}.")
        if not self.currencies:
            raise SettingsError("ALMONER_CURRENCIES: name at least one currency, such as USD.")
        self._check_addresses()
        if self.secrets.secret_key and len(self.secrets.secret_key) < 32:
            raise SettingsError("ALMONER_SECRET_KEY: use at least 32 characters.")

    def _check_addresses(self) -> None:
        for field in ("database_url", "sandbox_database_url"):
            url = getattr(self.servers, field)
            if url and not is_database_url(url):
                raise SettingsError(
                    f"{variable_name(field)}: write a libpq URL, postgresql://user@host/name."
                )
        if self.servers.redis_url and not self.servers.redis_url.startswith(_REDIS_SCHEMES):
            raise SettingsError("ALMONER_REDIS_URL: write redis://host:port/0 or unix:///path.")
        for part in self.web.trusted_proxies.split(","):
            try:
                ip_network(part.strip() or "127.0.0.1")
            except ValueError:
                raise SettingsError(
                    "ALMONER_TRUSTED_PROXIES: write addresses or networks, such as 10.0.0.0/8, "
                    "separated by commas."
                ) from None

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox keeps its record: as set, or else beside the main database."""
        given = self.servers
        return given.sandbox_database_url or with_database_suffix(given.database_url, "_sandbox")

    @property
    def currencies(self) -> list[str]:
        """The codes taken, the default first."""
        return [code.strip() for code in self.giving.currencies.split(",") if code.strip()]
