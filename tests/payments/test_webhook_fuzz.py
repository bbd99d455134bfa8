"""Whatever is posted as a webhook: refused, or stored once, and never a fault of ours."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from almoner.payments.gateways.sandbox import sign
from support.installation import Installation

STORED = "SELECT count(*) FROM webhook"
KNOWN = "SELECT count(*) FROM webhook WHERE external_id = ANY (ARRAY[%s, %s])"
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
"""What a client library lets through in a header."""

bodies = st.one_of(
    st.binary(max_size=200),
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["ev_1", "ev_2", ""]) | st.text(max_size=300),
            "kind": st.text(max_size=150),
            "order_ids": st.lists(
                st.text(max_size=40) | st.uuids().map(lambda u: u.hex), max_size=4
            ),
            "happened_at": st.text(max_size=30),
        },
        optional={"more": st.integers() | st.text(max_size=9)},
    ).map(msgspec.json.encode),
    st.text(max_size=80).map(lambda text: f"bt_signature={text}&bt_payload={text}".encode()),
)
"""Noise, notices, odd notices, and the form in which another gateway would send."""
kinds = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
)
signatures = st.one_of(
    st.from_regex(r"t=[0-9]{10},v1=[0-9a-f]{64}", fullmatch=True),
    PRINTABLE,
    st.from_regex(r"t=[0-9]{1,16},v1=[0-9a-f]{62,66}", fullmatch=True),
    st.none(),
)


class Posted(msgspec.Struct, frozen=True):
    """One webhook, posted some times over. Signed by us if `ours`."""

    body: bytes
    signature: str | None
    ours: bool
    kind: str
    gateway: str
    more: dict[str, str]
    times: int


posted = st.builds(
    Posted,
    body=bodies,
    signature=signatures,
    ours=st.booleans(),
    kind=kinds,
    gateway=st.sampled_from(["sandbox"] * 6 + ["braintree", "SANDBOX", "%00"]),
    more=st.dictionaries(st.sampled_from(["X-Request-Id", "User-Agent", "Traceparent"]), PRINTABLE),
    times=st.integers(1, 3),
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(posted)
async def test_whatever_is_posted_is_refused_or_stored_once(
    almoner: Installation, one: Posted
) -> None:
    """204 for what the gateway signed and nothing else; each event one row however often it comes;
    what is not the gateway's leaves none; never a 5xx."""
    secret = almoner.work.gateway._webhook_secret
    signature = sign.sign(secret, one.body, 1) if one.ours else one.signature
    headers = {"Content-Type": one.kind, **one.more}
    if signature is not None:
        headers[sign.HEADER] = signature
    before = await almoner.value(STORED)

    statuses = {
        (
            await almoner.client.post(f"/webhooks/{one.gateway}", content=one.body, headers=headers)
        ).status_code
        for _ in range(one.times)
    }

    new = await almoner.value(STORED) - before
    if one.gateway != "sandbox":
        assert (statuses, new) == ({404}, 0)
    elif one.ours and is_notice(one.body):
        assert (statuses, new <= 1) == ({204}, True)
        assert await almoner.value(KNOWN, *names(one.body)) == 1
    else:
        assert (statuses, new) == ({400}, 0)


def is_notice(body: bytes) -> bool:
    """Whether the body says what a notice must, by other means than the reader's."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and bool(said.get("id")) and "order_ids" in said


def names(body: bytes) -> tuple[str, str]:
    """The names under which an event may be filed: its id, or a hash of its bytes."""
    event_id: str = json.loads(body)["id"]
    return event_id.replace("\x00", ""), hashlib.sha256(body).hexdigest()
