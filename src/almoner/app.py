"""The web application: mounts each feature's routes, the errors, and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler

import almoner
from almoner.bootstrap import Base, Payments, Web
from almoner.charities import api as charities_api
from almoner.charities.hot import Application, HotList
from almoner.donations import api as donations_api
from almoner.donations import described
from almoner.payments import api as payments_api
from almoner.platform import probes
from almoner.platform.http import EXCEPTION_HANDLERS
from almoner.platform.metrics import measured
from almoner.platform.openapi import openapi_handler
from almoner.web.head import HeadAsGet
from almoner.web.open_requests import OpenRequests
from almoner.web.spa import DIST, read_files, spa_handler

DESCRIBED: Final = described.DESCRIBED | charities_api.DESCRIBED | payments_api.DESCRIBED


def create_web(web: Web) -> Application:
    """The public application, with the charity list's short way in front."""
    bounded = OpenRequests(
        create_routes(web),
        requests=web.requests,
        gifts=web.gift_requests,
        webhooks=web.webhook_requests,
    )
    return HeadAsGet(HotList(bounded, web.catalogue))


def create_routes(web: Web) -> Litestar:
    """Everything the public may call. Its OpenAPI is the wire contract."""
    handlers: list[ControllerRouterHandler] = [
        donations_api.routes(web.donations),
        *charities_api.routes(web.catalogue, web.pictures),
        probes.routes(web.probes),
        spa_handler(read_files(DIST)),
    ]
    if web.payments is not None:
        handlers += payments_api.routes(web.payments)
    return _create(web, handlers)


def create_payments(payments: Payments) -> Litestar:
    """The payments role: charges for our own services, takes webhooks, and nothing else."""
    return _create(
        payments, [*payments_api.routes(payments.payments), probes.routes(payments.probes)]
    )


def _create(parts: Base, handlers: Sequence[ControllerRouterHandler]) -> Litestar:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            await parts.open()
            await parts.start(probes.SchemaWatch(parts.probes))
            yield
        finally:
            await parts.close()

    return Litestar(
        route_handlers=[*handlers, openapi_handler(DESCRIBED)],
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[measured],
        openapi_config=OpenAPIConfig(
            title="Almoner",
            version=almoner.__version__,
            description="Give to charities, and be told the truth about the money.",
        ),
        response_headers=[ResponseHeader(name="X-Content-Type-Options", value="nosniff")],
        logging_config=None,
    )
