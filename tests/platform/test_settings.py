"""Settings: read from the environment, refused by name."""

from __future__ import annotations

import pytest

from almoner.bootstrap import Web
from almoner.platform.environment import with_database_suffix
from almoner.platform.settings import Settings, SettingsError


def test_without_anything_set_the_defaults_count() -> None:
    """One command, no configuration."""
    settings = Settings.from_environment({})

    assert settings.web.port == 8000
    assert settings.gateway.gateway == "sandbox"
    assert settings.currencies[0] == "USD"


def test_values_are_read_by_type() -> None:
    """Numbers, switches and lists."""
    settings = Settings.from_environment({"ALMONER_PORT": "9", "ALMONER_CURRENCIES": "EUR, JPY"})

    assert settings.web.port == 9
    assert settings.currencies == ["EUR", "JPY"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALMONER_PORT", "eighty"),
        ("ALMONER_PORT", "70000"),
        ("ALMONER_GATEWAY", "paypal"),
        ("ALMONER_DONOR_WAIT_MS", "0"),
        ("ALMONER_CURRENCIES", "USD,XXX"),
        ("ALMONER_CURRENCIES", ","),
        ("ALMONER_SECRET_KEY", "short"),
        ("ALMONER_LIMITS", "none"),
        ("ALMONER_TRUSTED_PROXIES", "zzz"),
        ("ALMONER_REDIS_URL", "http://x"),
        ("ALMONER_DATABASE_URL", "mysql://x/y"),
        ("ALMONER_DATABASE_URL", "foo"),
        ("ALMONER_DATABASE_URL", "postgresql://h:port/y?nonsense=1"),
        ("ALMONER_SANDBOX_DATABASE_URL", "foo"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(name: str, value: str) -> None:
    """The sentence names the variable."""
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({name: value})


def test_a_refusal_says_what_may_be_written() -> None:
    """The words of a closed list, or what the setting means."""
    with pytest.raises(SettingsError, match="auto, standard, sandbox"):
        Settings.from_environment({"ALMONER_LIMITS": "none"})
    with pytest.raises(SettingsError, match="Port to listen on"):
        Settings.from_environment({"ALMONER_PORT": "eighty"})


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "ALMONER_DATABASE_URL"),
        ({"ALMONER_DATABASE_URL": "postgresql://x/y"}, "ALMONER_SECRET_KEY"),
        (
            {"ALMONER_PAYMENTS_URL": "http://127.0.0.1:1", "ALMONER_DATABASE_URL": "postgresql:///y",
             "ALMONER_SECRET_KEY": "s" * 32},
            "ALMONER_SERVICE_TOKEN",
        ),
        (
            {"ALMONER_AMOUNT_MIN": "10", "ALMONER_AMOUNT_MAX": "5",
             "ALMONER_DATABASE_URL": "postgresql:///y", "ALMONER_SECRET_KEY": "s" * 32},
            "ALMONER_AMOUNT_MIN",
        ),
    ],
)  # fmt: skip
def test_a_role_says_what_it_cannot_start_without(environment: dict[str, str], name: str) -> None:
    """Before it listens."""
    with pytest.raises(SettingsError, match=name):
        Web(Settings.from_environment(environment))


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("postgresql://u@h/almoner", "postgresql://u@h/almoner_sandbox"),
        ("postgresql://u@/almoner?host=/run&port=1", "postgresql://u@/almoner_sandbox?host=/run&port=1"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_sandboxs_database_is_named_after_the_main_one(url: str, made: str) -> None:
    """Unless a setting says otherwise."""
    assert with_database_suffix(url, "_sandbox") == made
