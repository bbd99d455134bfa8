"""What gateways tell us: stored once, answered at once, and believed in nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almoner.app import create_payments
from almoner.bootstrap import Payments
from almoner.operations.card_numbers import find_card_numbers
from almoner.operations.view import View
from almoner.payments.card import hide_card_numbers
from almoner.payments.gateway import Forged, Notice, order_id_of
from almoner.payments.gateways.sandbox import sign
from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase
from support.proxy import Wire
from support.tamper import tamper

LOST = "fake-lost-answer-nonce"
DECLINED = "fake-processor-declined-visa-nonce"
STATE = "SELECT state FROM payment_attempt"
STORED = "SELECT count(*) FROM webhook"
SECRET: Final = "a secret that only the fuzzed gateway knows"


def secret_of(almoner: Installation) -> str:
    """The secret that the sandbox signs with."""
    return almoner.work.gateway._webhook_secret


async def tell(
    almoner: Installation,
    *order_ids: str,
    kind: str = "charge.something",
    event_id: str | None = None,
    client: httpx.AsyncClient | None = None,
) -> httpx.Response:
    """Post a webhook as the sandbox would."""
    body = msgspec.json.encode(
        {
            "id": event_id or f"ev_{uuid4().hex}",
            "kind": kind,
            "order_ids": order_ids,
            "happened_at": "2026-11-22T10:00:00Z",
        }
    )
    headers = {sign.HEADER: sign.sign(secret_of(almoner), body, 1_767_225_600)}
    return await (client or almoner.client).post("/webhooks/sandbox", content=body, headers=headers)


async def order_id(almoner: Installation) -> str:
    """The order id of the only attempt."""
    found: str = (await almoner.value("SELECT attempt_id FROM payment_attempt")).hex
    return found


async def work_off(almoner: Installation) -> None:
    """Work off the webhooks, and look at what they made due."""
    while await almoner.work.webhooks.sweep():
        pass
    while await almoner.work.resolver.sweep():
        pass
    await almoner.decide_late()


async def test_a_webhook_makes_a_charge_in_doubt_be_looked_up_at_once(
    almoner: Installation, donor: Donor
) -> None:
    """The next look by schedule is minutes away; the webhook makes it now."""
    answer = await donor.gives(payment_method_nonce=LOST)
    assert await almoner.work.resolver.sweep() == 0

    told = await tell(almoner, await order_id(almoner))
    await work_off(almoner)

    assert (told.status_code, told.content) == (204, b"")
    assert (await donor.sees(answer))["status"] == "success"
    assert await almoner.value("SELECT processed_at IS NOT NULL FROM webhook")


async def test_a_webhook_alone_never_sets_a_state(almoner: Installation, donor: Donor) -> None:
    """It says "captured", "disputed", "voided"; the gateway, when asked, says that nothing is."""
    await donor.gives(payment_method_nonce=DECLINED)
    for kind in ("charge.captured", "charge.settled", "dispute.opened", "charge.voided"):
        await tell(almoner, await order_id(almoner), kind=kind)

    await work_off(almoner)

    assert await almoner.value(STATE) == "DECLINED"
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 0


async def test_the_same_event_is_stored_once(almoner: Installation, donor: Donor) -> None:
    """Ten deliveries at once and one more later: always 204, one row, one look."""
    await donor.gives(payment_method_nonce=LOST)
    order = await order_id(almoner)

    told = await asyncio.gather(*(tell(almoner, order, event_id="ev_1") for _ in range(10)))
    await work_off(almoner)
    told.append(await tell(almoner, order, event_id="ev_1"))

    assert {answer.status_code for answer in told} == {204}
    assert await almoner.value(STORED) == 1
    assert await almoner.value("SELECT tries FROM webhook") == 1


async def test_webhooks_late_twice_and_out_of_order_change_nothing_more(
    almoner: Installation, donor: Donor
) -> None:
    """Settled before captured, captured after all, and a week later once more."""
    await donor.gives()
    order = await order_id(almoner)
    before = await almoner.value("SELECT version FROM payment_attempt")

    for kind in ("charge.settled", "charge.captured", "charge.captured"):
        await tell(almoner, order, kind=kind)
        await work_off(almoner)

    assert await almoner.value(STATE) == "SUBMITTED"
    assert await almoner.value("SELECT version FROM payment_attempt") == before
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2


async def test_a_webhook_finds_late_money(almoner: Installation, donor: Donor) -> None:
    """A decline that is captured after all: seen at once, and given back."""
    answer = await donor.gives(payment_method_nonce=DECLINED)
    tamper(
        almoner.settings.sandbox_url,
        "UPDATE sandbox_charge SET captured = true, state = 'submitted'",
    )

    await tell(almoner, await order_id(almoner), kind="charge.captured")
    await work_off(almoner)

    assert answer.status_code == 402
    assert await almoner.value(STATE) == "VOIDED"
    assert [held for _, _, held in await almoner.charged()] == [False]


@pytest.mark.parametrize(
    ("at_gateway", "state", "status"),
    [
        ("settled", "SUBMITTED", "success"),
        ("settlement_failed", "SETTLEMENT_FAILED", "failure"),
        ("voided", "VOIDED", "failure"),
        ("disputed", "DISPUTED", "disputed"),
    ],
)
async def test_what_happens_to_a_capture_later_is_seen(
    almoner: Installation, donor: Donor, at_gateway: str, state: str, status: str
) -> None:
    """The webhook names no state, the look-up does. Settlement itself comes by its report."""
    answer = await donor.gives()
    tamper(almoner.settings.sandbox_url, f"UPDATE sandbox_charge SET state = '{at_gateway}'")

    await tell(almoner, await order_id(almoner))
    await work_off(almoner)

    assert await almoner.value(STATE) == state
    assert (await donor.sees(answer))["status"] == status


async def test_a_webhook_about_a_charge_under_way_waits_for_its_answer(
    installation: Installations,
) -> None:
    """The webhook overtakes the answer of the sale: nobody takes the attempt out of its hands."""
    almoner = await installation(sandbox_latency_ms=700)
    gift = asyncio.create_task(Donor(almoner).gives())
    await almoner.until_charged()

    await tell(almoner, await order_id(almoner), kind="charge.captured")
    await work_off(almoner)
    answer = await gift
    tamper(almoner.settings.servers.database_url, "UPDATE webhook SET next_try_at = now()")
    await work_off(almoner)

    assert answer.status_code == 201
    operations = "SELECT string_agg(kind, ' ') FROM gateway_operation"
    assert await almoner.value(operations) == "sale"
    assert await almoner.value("SELECT processed_at IS NOT NULL FROM webhook")


async def test_orders_that_we_do_not_know_are_kept_and_counted(almoner: Installation) -> None:
    """No error, nothing parked: somebody may ask later what they were."""
    await tell(almoner, uuid4().hex, "not-an-order-of-ours")

    await work_off(almoner)

    assert await almoner.value("SELECT unknown_orders FROM webhook") == 2
    assert await almoner.value("SELECT processed_at IS NOT NULL FROM webhook")


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (b"{}", "t=1,v1=" + "0" * 64),
        (b"", ""),
        (b"\xff\x00", "t=1767225600,v1=nonsense"),
    ],
)
async def test_a_forged_webhook_is_refused_and_not_stored(
    almoner: Installation, body: bytes, header: str
) -> None:
    """400 `webhook_forged`, and no row."""
    answer = await almoner.client.post(
        "/webhooks/sandbox", content=body, headers={sign.HEADER: header}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_forged")
    assert await almoner.value(STORED) == 0


async def test_one_changed_byte_is_a_forgery(almoner: Installation) -> None:
    """The signature is over the raw bytes, also over a space that means nothing."""
    body = b'{"id":"ev_1","kind":"k","order_ids":[],"happened_at":""}'
    header = {sign.HEADER: sign.sign(secret_of(almoner), body, 1)}
    changed = await almoner.client.post("/webhooks/sandbox", content=body + b" ", headers=header)
    right = await almoner.client.post("/webhooks/sandbox", content=body, headers=header)

    assert (changed.status_code, right.status_code) == (400, 204)


async def test_what_is_too_large_or_for_nobody_is_refused(almoner: Installation) -> None:
    """More than 256 KiB: 413. A gateway that is not in use: 404."""
    large = await almoner.client.post("/webhooks/sandbox", content=b"x" * (256 * 1024 + 1))
    nobody = await almoner.client.post("/webhooks/elsewhere", content=b"{}")

    assert (large.status_code, nobody.status_code) == (413, 404)
    assert await almoner.value(STORED) == 0


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire


async def test_while_the_database_is_away_the_gateway_is_asked_to_send_again(
    wire: Wire, installation: Installations
) -> None:
    """503 with Retry-After, nothing stored; sent again, it is."""
    almoner = await installation(database_url=wire.url)
    await tell(almoner, event_id="ev_0")
    wire.cut()
    away = await tell(almoner, event_id="ev_1")
    wire.mend()
    again = await until_told(almoner, "ev_1")

    assert (away.status_code, again.status_code) == (503, 204)
    assert away.headers["Retry-After"]
    assert await almoner.value(STORED) == 2


async def until_told(almoner: Installation, event_id: str) -> httpx.Response:
    """Send again, as a gateway does, until it is taken."""
    while True:
        answer = await tell(almoner, event_id=event_id)
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(0.2)


async def test_the_payments_role_takes_webhooks_too(almoner: Installation) -> None:
    """Where it runs alone, it is the one that knows the gateway's secret."""
    payments = Payments(almoner.settings)
    transport = httpx.ASGITransport(app=create_payments(payments))  # type: ignore[arg-type]
    await payments.open()
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://payments") as client:
            answer = await tell(almoner, uuid4().hex, client=client)
    finally:
        await payments.close()

    assert answer.status_code == 204
    assert await almoner.value(STORED) == 1


async def test_a_webhook_that_keeps_failing_is_parked_and_holds_up_no_other(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tries further and further apart, then a person's turn; the next one is worked off."""
    await donor.gives(payment_method_nonce=LOST)
    await tell(almoner, "bad")
    work = almoner.work.webhooks
    original = work._work_off

    async def fails_for_bad(webhook: Any) -> None:
        if webhook.order_ids == ["bad"]:
            raise RuntimeError("a fault of ours")
        await original(webhook)

    monkeypatch.setattr(work, "_work_off", fails_for_bad)
    for _ in range(10):
        tamper(almoner.settings.servers.database_url, "UPDATE webhook SET next_try_at = now()")
        await work.sweep()
    assert await almoner.value("SELECT parked_at IS NOT NULL FROM webhook")

    await tell(almoner, await order_id(almoner))
    await work_off(almoner)

    assert await almoner.value(STATE) == "SUBMITTED"
    assert await almoner.value("SELECT count(*) FROM webhook WHERE processed_at IS NULL") == 1


async def test_two_workers_share_the_webhooks(almoner: Installation) -> None:
    """Each is claimed by one."""
    await asyncio.gather(*(tell(almoner, uuid4().hex) for _ in range(30)))

    await asyncio.gather(*(almoner.work.webhooks.sweep(limit=5) for _ in range(8)))

    assert await almoner.value("SELECT max(tries) FROM webhook") == 1
    assert await almoner.value("SELECT count(*) FROM webhook WHERE processed_at IS NULL") == 0


async def test_old_webhooks_are_forgotten_and_unfinished_ones_are_not(
    almoner: Installation,
) -> None:
    """After thirty days, and only what was worked off."""
    for event in ("old", "new"):
        await tell(almoner, uuid4().hex, event_id=event)
    await work_off(almoner)
    await tell(almoner, uuid4().hex, event_id="unfinished")
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE webhook SET received_at = now() - interval '31 days' WHERE external_id <> 'new'",
    )

    assert await almoner.work.webhooks.forget_old() == 1

    left = "SELECT string_agg(external_id, ' ' ORDER BY external_id) FROM webhook"
    assert await almoner.value(left) == "new unfinished"


async def test_a_card_number_in_a_webhook_is_not_kept(almoner: Installation) -> None:
    """No gateway sends one; if it did, it would not reach the table."""
    body = msgspec.json.encode(
        {"id": "ev", "kind": "k", "order_ids": [], "happened_at": "4111 1111 1111 1111"}
    )
    await almoner.client.post(
        "/webhooks/sandbox",
        content=body,
        headers={sign.HEADER: sign.sign(secret_of(almoner), body, 1)},
    )

    payload = bytes(await almoner.value("SELECT payload FROM webhook"))
    assert b"[removed]" in payload
    assert b"1111" not in payload


async def test_odd_but_signed_ids_are_known_by_their_bytes(almoner: Installation) -> None:
    """An id that no text column can hold, or that is endless, makes no error and is stored once."""
    for event_id in ("\x00", "x" * 5_000, "two words", "\u2028"):
        for _ in range(2):
            assert (await tell(almoner, "\x00", event_id=event_id)).status_code == 204

    assert await almoner.value(STORED) == 4


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    body=st.binary(max_size=300)
    | st.text(max_size=100).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    ).map(msgspec.json.encode),
    header=st.text(max_size=120) | st.from_regex(r"t=[0-9]{1,20},v1=[0-9a-f]{60,66}"),
    signed=st.booleans(),
)
def test_any_bytes_are_a_notice_or_a_forgery(body: bytes, header: str, *, signed: bool) -> None:
    """Never another exception, whatever comes; and what we did not sign is never a notice."""
    given_header = sign.sign(SECRET, body, 7) if signed else header
    headers: Mapping[str, str] = {sign.HEADER.lower(): given_header, "x-other": header}

    try:
        read = sign.read_notice(SECRET, body, headers)
    except Forged:
        return
    assert isinstance(read, Notice)
    assert signed


@pytest.mark.parametrize(
    "digits",
    [
        "4111111111111111",
        "ev_4111111111111111",
        "x4111-1111-1111-1111",
        "4111111111111111-12-30",
        "ref:378282246310005/7",
        "019a4111111111111111",
    ],
)
@pytest.mark.parametrize("field", ["id", "kind", "order_ids", "more"])
@pytest.mark.parametrize("escaped", [False, True])
async def test_a_card_number_is_kept_in_no_field_of_a_webhook(
    almoner: Installation, donor: Donor, digits: str, field: str, *, escaped: bool
) -> None:
    """Wherever it stands, however JSON writes it: stored without it, once however often it comes,
    and the charge that is named beside it is looked at all the same."""
    await donor.gives(payment_method_nonce=LOST)
    order = await order_id(almoner)
    said: dict[str, Any] = {"id": "ev_1", "kind": "charge.x", "order_ids": [order]}
    said |= {"happened_at": "2026-11-22T10:00:00Z"}
    said[field] = [order, digits] if field == "order_ids" else digits
    body = msgspec.json.encode(said)
    if escaped:
        written = digits.replace("11", r"\u00311").replace("82", r"\u00382")
        body = body.replace(digits.encode(), written.encode())
    headers = {sign.HEADER: sign.sign(secret_of(almoner), body, 1_767_225_600)}

    for _ in range(2):
        told = await almoner.client.post("/webhooks/sandbox", content=body, headers=headers)
        assert told.status_code == 204
    (row,) = await almoner.database.fetch_all("SELECT * FROM webhook")
    await work_off(almoner)

    assert row["order_ids"] == [order]
    assert order.encode() in row["payload"]
    kept = f"{row['external_id']} {row['kind']} ".encode() + row["payload"]
    plain = kept.replace(order.encode(), b"").replace(rb"\u003", b"").replace(b"-", b"")
    assert b"11111111" not in plain
    assert b"378282" not in plain
    assert await find_card_numbers(View(almoner.database)) == []
    assert await almoner.value(STATE) == "SUBMITTED"


def test_ids_are_not_taken_for_card_numbers() -> None:
    """Order ids as we make them, whatever digits chance puts into them, and other gateways'."""
    ids = [order_id_of(UUID(f"019a4111-1111-7111-8111-{n:012d}")) for n in range(2_000)]
    ids += ["019a4111-1111-4111-8111-111111111111", "9f2k7q1z", "ev_1", "1790000000"]

    assert [name for name in ids if hide_card_numbers(name.encode()) != name.encode()] == []
