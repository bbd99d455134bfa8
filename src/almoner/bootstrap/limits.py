"""The limits in force, and where the levels of the charities are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

from msgspec import structs

from almoner.donations.level_store import SharedLevels
from almoner.donations.levels import LevelRules
from almoner.donations.limits import SANDBOX, STANDARD, GiveLimits
from almoner.platform.cache import open_cache
from almoner.platform.settings import Settings, SettingsError


def limits_of(settings: Settings) -> GiveLimits:
    """The limits that the settings name."""
    if _wide(settings):
        return SANDBOX
    levels = LevelRules(settings.abuse.declines_percent, settings.abuse.declines_of)
    return structs.replace(STANDARD, levels=levels)


@asynccontextmanager
async def shared_levels(settings: Settings) -> AsyncIterator[SharedLevels]:
    """What all processes know of the charities. Raises SettingsError without a cache."""
    if not settings.servers.redis_url:
        raise SettingsError("ALMONER_REDIS_URL is not set: nothing is shared between processes.")
    cache = open_cache(settings.servers.redis_url)
    try:
        yield SharedLevels(cache, limits_of(settings).levels)
    finally:
        await cache.aclose()


def _wide(settings: Settings) -> bool:
    if settings.web.limits != "auto":
        return settings.web.limits == "sandbox"
    try:
        loopback = ip_address(settings.web.host).is_loopback
    except ValueError:
        loopback = settings.web.host == "localhost"
    return loopback and settings.gateway.gateway == "sandbox"
