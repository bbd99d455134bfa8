"""The sandbox's webhooks: what we signed is read, everything else is forged."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.payments.gateway import Forged, Notice, Seen
from almoner.payments.gateways.sandbox.sign import HEADER, derived_secret, read_notice, sign

SECRET = derived_secret("a secret key for the tests of almoner")
BODY = msgspec.json.encode(
    {
        "id": "ev_1",
        "kind": "charge.settled",
        "order_ids": ["a", "b"],
        "happened_at": "2026-01-01T00:00:00.000Z",
    }
)


@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.upper()])
def test_what_we_signed_is_read(name: str) -> None:
    """Names of headers have no case."""
    notice = read_notice(SECRET, BODY, {name: sign(SECRET, BODY, 1_767_225_600)})

    assert notice == Notice("ev_1", "charge.settled", ("a", "b"), Seen.SETTLED)


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (BODY, ""),
        (BODY, "t=1,v1="),
        (BODY, "v1=" + "0" * 64),
        (BODY, "t=1,v1=" + "0" * 64),
        (BODY, sign("another secret", BODY, 1)),
        (BODY + b" ", sign(SECRET, BODY, 1)),
        (BODY, sign(SECRET, BODY, 1).replace("t=1", "t=2")),
        (BODY, sign(SECRET, BODY, 1).replace("t=1", "t=١")),
        (b"{}", sign(SECRET, b"{}", 1)),
        (b"\xff", sign(SECRET, b"\xff", 1)),
        (b'{"id": "", "kind": "x", "order_ids": [], "happened_at": ""}', None),
    ],
)
def test_everything_else_is_forged(body: bytes, header: str | None) -> None:
    """No signature, another's, of other bytes, of another time; or signed and no notice."""
    with pytest.raises(Forged):
        read_notice(SECRET, body, {HEADER: sign(SECRET, body, 1) if header is None else header})


@given(st.binary(), st.dictionaries(st.text(), st.text()), st.text())
def test_no_bytes_do_anything_else(body: bytes, headers: dict[str, str], value: str) -> None:
    """Whatever is posted, it is Forged and no other exception."""
    with pytest.raises(Forged):
        read_notice(SECRET, body, headers | {HEADER: value})


@given(st.binary())
def test_no_signed_bytes_do_anything_else(body: bytes) -> None:
    """Also behind the signature nothing but Forged comes of bytes that are no notice."""
    with pytest.raises(Forged):
        read_notice(SECRET, body, {HEADER: sign(SECRET, body, 1)})
