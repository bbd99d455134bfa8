"""HTTP of the payments role. Never public."""

from __future__ import annotations

from typing import Final

from litestar import Router, post
from msgspec import Struct

from almoner.payments.charge import Charging
from almoner.payments.gateway import Observation
from almoner.payments.process import ProcessRequest, process, read_request
from almoner.platform.credentials import ServiceCredential
from almoner.platform.db import Database
from almoner.platform.http import AnyRequest
from almoner.platform.openapi import Bodies


class PaymentsApi(Struct, frozen=True):
    """What the handlers ask."""

    database: Database
    charging: Charging
    service: ServiceCredential


BODIES: Final[Bodies] = {("/payment/process", "post"): ProcessRequest}
"""What is sent to the call that reads its body by hand."""


def routes(api: PaymentsApi) -> Router:
    """The routes of this feature."""

    @post("/process", summary="Charge one attempt (our own services)", status_code=200)
    async def process_payment(request: AnyRequest) -> Observation:
        """Charge an attempt that was stamped before, or tell what was observed of it.

        Idempotent by attempt id.
        """
        api.service.check(request.headers.get("authorization"))
        charge = read_request(await request.body())
        return await process(api.database, api.charging, charge)

    return Router(path="/payment", route_handlers=[process_payment], tags=["payments"])
