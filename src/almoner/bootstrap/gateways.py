"""Pick the gateway, how it is reached, and by which rules it is asked."""

from __future__ import annotations

from almoner.bootstrap.base import Opens
from almoner.payments.breaker import BreakerRules
from almoner.payments.charge import LocalCharging
from almoner.payments.gateway import Gateway, Notifies, Reverses
from almoner.payments.gateways.sandbox.faults import Fault, UnknownFault, read_faults
from almoner.payments.gateways.sandbox.gateway import SandboxGateway, SandboxRules
from almoner.payments.gateways.sandbox.sign import derived_secret
from almoner.payments.guard import GuardRules
from almoner.payments.look_up import LookingUp, LookUpRules
from almoner.payments.remote import RemoteCharging
from almoner.payments.returns.give_back import LocalReversing
from almoner.payments.send import SendRules
from almoner.payments.webhooks.receive import Webhooks
from almoner.platform.db import Database
from almoner.platform.settings import Settings, SettingsError

_PAUSE_MAX_MS = 20_000


def make_gateway(settings: Settings) -> SandboxGateway:
    """The gateway that the settings name. Raises SettingsError for faults that are none."""
    given = settings.sandbox
    own_database = bool(settings.servers.sandbox_database_url)
    return SandboxGateway(
        settings.sandbox_url,
        SandboxRules(
            made_from="" if own_database else settings.servers.database_url,
            latency_ms=given.sandbox_latency_ms,
            webhook_secret=webhook_secret(settings),
            tells_captures=bool(given.sandbox_webhook_url) and given.sandbox_webhook_captures,
            by_chance=tuple(chance_faults(settings)),
        ),
    )


def webhook_secret(settings: Settings) -> str:
    """What the sandbox signs with."""
    given = settings.sandbox.sandbox_webhook_secret
    return given or derived_secret(settings.secrets.secret_key)


def chance_faults(settings: Settings) -> list[Fault]:
    """The faults of `ALMONER_SANDBOX_FAULTS`. Raises SettingsError."""
    try:
        return read_faults(settings.sandbox.sandbox_faults)
    except UnknownFault as error:
        raise SettingsError(f"ALMONER_SANDBOX_FAULTS: {error}") from None


def make_charging(settings: Settings) -> tuple[Opens, LocalCharging | RemoteCharging]:
    """What has to be opened for charging, and how to charge."""
    if url := settings.gateway.payments_url:
        remote = RemoteCharging(url, settings.secrets.service_token, send_rules(settings))
        return remote, remote
    gateway = make_gateway(settings)
    return gateway, make_local_charging(settings, gateway)


def make_local_charging(settings: Settings, gateway: Gateway) -> LocalCharging:
    """Charging at this gateway, in this process."""
    gateways = {gateway.name: gateway}
    return LocalCharging(gateways, send_rules(settings), make_looking_up(settings, gateway))


def make_looking_up(settings: Settings, gateway: Gateway) -> LookingUp:
    """Look-ups at this gateway, with a budget of their own."""
    rules = settings.resolver
    return LookingUp(
        {gateway.name: gateway},
        LookUpRules(
            deadline_ms=settings.gateway.gateway_deadline_ms,
            per_second=rules.look_ups_per_second,
            guard=GuardRules(
                in_flight_max=rules.look_ups_in_flight_max,
                wait_ms=settings.gateway.gateway_deadline_ms,
                breaker=_breaker_rules(settings),
            ),
        ),
    )


def make_webhooks(database: Database, gateway: object) -> Webhooks:
    """What takes this gateway's webhooks, if it sends any."""
    name = getattr(gateway, "name", "")
    return Webhooks(database, {name: gateway} if isinstance(gateway, Notifies) else {})


def make_reversing(settings: Settings, gateway: Gateway) -> LocalReversing:
    """Giving money back at this gateway, in this process."""
    gateways = {gateway.name: gateway} if isinstance(gateway, Reverses) else {}
    return LocalReversing(gateways, deadline_ms=settings.gateway.gateway_deadline_ms)


def send_rules(settings: Settings) -> SendRules:
    """The rules by which a charge is sent."""
    given = settings.gateway
    return SendRules(
        deadline_ms=given.gateway_deadline_ms,
        retries_max=given.gateway_retries,
        retry_within_ms=settings.giving.donor_wait_ms,
        pause_ms=given.gateway_pause_ms,
        pause_max_ms=max(_PAUSE_MAX_MS, given.gateway_pause_ms),
        guard=GuardRules(
            in_flight_max=given.gateway_in_flight_max,
            wait_ms=given.gateway_place_wait_ms,
            breaker=_breaker_rules(settings),
        ),
    )


def _breaker_rules(settings: Settings) -> BreakerRules:
    given = settings.gateway
    return BreakerRules(
        calls_min=given.gateway_breaker_calls, open_s=given.gateway_breaker_open_ms / 1000
    )
