"""Settings of how much a web process does at once. See `settings.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Capacity(Struct, frozen=True):
    """How much each web process does at once. What comes on top is told 503 `overloaded`."""

    requests_max: Annotated[
        int,
        Meta(
            description="Requests open at once, beside gifts and webhooks.",
            ge=1,
            le=100_000,
        ),
    ] = 2_000
    webhooks_max: Annotated[int, Meta(description="Webhooks open at once.", ge=1, le=100_000)] = 200
    gifts_max: Annotated[
        int,
        Meta(
            description="Gifts carried out at once; one counts until its outcome is written.", ge=1
        ),
    ] = 4_000
    gifts_waiting_max: Annotated[
        int, Meta(description="Gifts that wait until another one is done.", ge=0)
    ] = 2_000
    gifts_wait_ms: Annotated[
        int, Meta(description="How long such a gift waits.", ge=0, le=60_000)
    ] = 2_000
    streams_max: Annotated[
        int,
        Meta(
            description="Pages that follow their gift by a stream; others ask now and then.",
            ge=0,
        ),
    ] = 1_000
    giving_connections: Annotated[
        int,
        Meta(
            description="Database connections for gifts, to know charities and attempts by.",
            ge=1,
            le=100,
        ),
    ] = 3
    status_connections: Annotated[
        int,
        Meta(description="Database connections for donors who look at their gift.", ge=1, le=100),
    ] = 2
    reads_connections: Annotated[
        int, Meta(description="Database connections for the charity list and search.", ge=1, le=100)
    ] = 4
    webhooks_connections: Annotated[
        int, Meta(description="Database connections for what gateways tell us.", ge=1, le=100)
    ] = 2
    staff_connections: Annotated[
        int, Meta(description="Database connections for probes and for staff.", ge=1, le=100)
    ] = 2
    waiting_max: Annotated[
        int, Meta(description="Requests that wait for each kind of connection.", ge=0)
    ] = 500
    wait_ms: Annotated[
        int,
        Meta(
            description="How long a request waits for a connection that others use.",
            ge=0,
            le=60_000,
        ),
    ] = 1_000
    statement_ms: Annotated[
        int,
        Meta(description="How long one statement of a web process may take.", ge=100, le=600_000),
    ] = 5_000
