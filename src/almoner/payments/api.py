"""HTTP of the payments: charging for our own services, and what gateways tell us."""

from __future__ import annotations

import asyncio
from typing import Final

from litestar import Router, post
from litestar.params import FromPath
from msgspec import Struct

from almoner.payments.charge import Charging
from almoner.payments.gateway import Observation
from almoner.payments.process import ProcessRequest, process, read_request
from almoner.payments.webhooks.receive import BYTES_MAX, Webhooks
from almoner.platform.credentials import ServiceCredential
from almoner.platform.db import Database
from almoner.platform.errors import Problem
from almoner.platform.http import AnyRequest
from almoner.platform.openapi import Described, problem_answer

BODY_SECONDS_MAX: Final = 15


class PaymentsApi(Struct, frozen=True):
    """What the handlers ask."""

    database: Database
    charging: Charging
    service: ServiceCredential
    webhooks: Webhooks


DESCRIBED: Final = Described(
    bodies={
        ("/payment/process", "post"): ProcessRequest,
        ("/webhooks/{gateway}", "post"): {
            "schema": {"description": "As the gateway makes it; signed as a whole."}
        },
    }
)
"""What the framework cannot see."""


def routes(api: PaymentsApi) -> list[Router]:
    """The routes of this feature."""
    return [_process_routes(api), _webhook_routes(api.webhooks)]


def _process_routes(api: PaymentsApi) -> Router:
    """Between our own services. Never public."""

    @post(
        "/process",
        summary="Charge one attempt (our own services)",
        status_code=200,
        responses={
            400: problem_answer("The body cannot be read."),
            401: problem_answer("Not one of our own services."),
            404: problem_answer("No such attempt; nothing was sent."),
            413: problem_answer("The body is too large."),
            422: problem_answer("A field cannot be used, or the attempt is for another sum."),
            503: problem_answer("Nothing was sent; come again after Retry-After."),
        },
    )
    async def process_payment(request: AnyRequest) -> Observation:
        """Charge an attempt that was stamped before, or tell what was observed of it.

        Idempotent by attempt id.
        """
        api.service.check(request.headers.get("authorization"))
        charge = read_request(await request.body())
        return await process(api.database, api.charging, charge)

    return Router(path="/payment", route_handlers=[process_payment], tags=["payments"])


def _webhook_routes(webhooks: Webhooks) -> Router:
    """For gateways alone, who prove themselves by a signature."""

    @post(
        "/{gateway:str}",
        summary="Take a gateway's webhook",
        status_code=204,
        request_max_body_size=BYTES_MAX,
        responses={
            400: problem_answer("The signature is not the gateway's. Nothing was stored."),
            404: problem_answer("No such gateway is in use."),
            408: problem_answer("The body did not come in time."),
            413: problem_answer("The body is larger than 256 KiB."),
            503: problem_answer("It could not be stored; send it again."),
        },
    )
    async def take_webhook(request: AnyRequest, gateway: FromPath[str]) -> None:
        """Store a webhook whose signature is right, once; again is as good.

        It is worked off later and only makes us look at the gateway. Sent again after anything but
        a 2xx.
        """
        await webhooks.receive(gateway, await _read_body(request), request.headers)

    return Router(path="/webhooks", route_handlers=[take_webhook], tags=["payments"])


async def _read_body(request: AnyRequest) -> bytes:
    """The raw bytes, which are what is signed, if they come in time."""
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.body()
    except TimeoutError:
        raise Problem(
            408, "body_too_slow", "The body did not come", "Nothing was stored; send it again."
        ) from None
