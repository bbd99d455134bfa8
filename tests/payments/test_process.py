"""The payments role alone: web without a gateway, and the calls between our services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
import uvicorn

from almoner.app import create_payments
from almoner.bootstrap import Payments
from almoner.money import Money
from almoner.payments.gateway import Charge, Instrument
from almoner.payments.remote import RemoteCharging
from almoner.payments.send import SendRules
from support.donor import Donor
from support.installation import SERVICE_TOKEN, Installation, Installations

OURS = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
Served = Callable[[Installation], Any]


@pytest.fixture
async def split(
    installation: Installations, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[Installation]:
    """Web and payments as two services with HTTP between them."""
    port = unused_tcp_port_factory()
    almoner = await installation(payments_url=f"http://127.0.0.1:{port}")
    application = create_payments(Payments(almoner.settings))
    config = uvicorn.Config(application, port=port, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    yield almoner
    server.should_exit = True
    await serving


async def test_web_charges_through_the_payments_role(split: Installation) -> None:
    """The gift goes over HTTP to the role that holds the gateway, and is booked as ever."""
    answer = await Donor(split).gives()

    assert answer.status_code == 201, answer.text
    assert split.web.payments is None
    assert len(await split.charged()) == 1


async def test_a_decline_comes_back_through_the_payments_role(split: Installation) -> None:
    """The reason is the same as in one process."""
    answer = await Donor(split).gives(amount="2001.00")

    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_funds")


async def test_a_payments_role_that_is_not_there_charges_nothing(
    installation: Installations, unused_tcp_port: int
) -> None:
    """Refused is proof that no byte was sent: 402, not a doubt."""
    almoner = await installation(payments_url=f"http://127.0.0.1:{unused_tcp_port}")

    answer = await Donor(almoner).gives()

    assert (answer.status_code, answer.json()["code"]) == (402, "gateway_unreachable")
    assert await almoner.charged() == []


async def attempt_of(almoner: Installation) -> dict[str, Any]:
    """The only attempt there is."""
    row = await almoner.database.fetch_one("SELECT * FROM payment_attempt")
    assert row is not None
    return row


def process_body(attempt: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A call for an attempt."""
    return {
        "attempt_id": str(attempt["attempt_id"]),
        "amount_minor": attempt["amount_minor"],
        "currency": attempt["currency"],
        "payment_method_nonce": "fake-valid-nonce",
        **changed,
    }


async def test_processing_an_attempt_again_tells_what_was_observed(
    almoner: Installation, donor: Donor
) -> None:
    """Idempotent by attempt id: no second charge, the same transaction."""
    told = (await donor.gives()).json()
    attempt = await attempt_of(almoner)

    answer = await almoner.client.post("/payment/process", json=process_body(attempt), headers=OURS)

    assert answer.status_code == 200
    assert answer.json()["seen"] == "SUBMITTED"
    assert answer.json()["gateway_transaction_id"] == told["transaction_id"]
    assert len(await almoner.charged()) == 1


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"amount_minor": 1}, 422),
        ({"currency": "EUR"}, 422),
        ({"attempt_id": "nonsense"}, 422),
        ({"attempt_id": str(uuid4())}, 404),
        ({"card_number": "4111111111111111"}, 422),
    ],
)
async def test_only_the_stamped_attempt_is_processed(
    almoner: Installation, donor: Donor, changed: dict[str, Any], status: int
) -> None:
    """Another sum, another id or a field too many: refused before anything is sent."""
    await donor.gives(payment_method_nonce="fake-unreachable-nonce")
    attempt = await attempt_of(almoner)

    answer = await almoner.client.post(
        "/payment/process", json=process_body(attempt, **changed), headers=OURS
    )

    assert answer.status_code == status, answer.text
    assert await almoner.charged() == []


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {SERVICE_TOKEN}"}]
)
async def test_strangers_may_not_call_between_our_services(
    almoner: Installation, donor: Donor, headers: dict[str, str]
) -> None:
    """401 for both internal calls, whatever they say."""
    told = (await donor.gives()).json()
    attempt = await attempt_of(almoner)

    charge = await almoner.client.post(
        "/payment/process", json=process_body(attempt), headers=headers
    )
    report = await almoner.client.put(
        f"/donations/{told['donation_id']}", json={"status": "failure"}, headers=headers
    )

    assert (charge.status_code, report.status_code) == (401, 401)


async def in_doubt(donor: Donor) -> dict[str, Any]:
    """A gift whose answer was lost, as its donor was told of it."""
    answer = await donor.gives(payment_method_nonce="fake-lost-answer-nonce")
    assert answer.status_code == 202
    told: dict[str, Any] = answer.json()
    return told


async def test_a_reported_success_is_booked_once(almoner: Installation, donor: Donor) -> None:
    """The same report twice: one posting, one event."""
    told = await in_doubt(donor)
    attempt = await attempt_of(almoner)
    charge = await almoner.work.gateway.look_up(attempt["attempt_id"].hex)
    assert charge is not None
    seen = {
        "status": "success",
        "attempt_id": str(attempt["attempt_id"]),
        "transaction_id": charge.gateway_transaction_id,
    }

    answers = [
        await almoner.client.put(f"/donations/{told['donation_id']}", json=seen, headers=OURS)
        for _ in range(2)
    ]

    assert [a.status_code for a in answers] == [200, 200]
    assert [a.json()["status"] for a in answers] == ["success", "success"]
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert await almoner.value("SELECT count(*) FROM event WHERE kind = 'donation.paid'") == 1


async def test_a_success_cannot_be_reported_away(almoner: Installation, donor: Donor) -> None:
    """Paid is paid: a failure after it is refused, and so is another transaction."""
    told = (await donor.gives()).json()
    attempt = await attempt_of(almoner)
    path = f"/donations/{told['donation_id']}"
    other = {"status": "success", "attempt_id": str(attempt["attempt_id"]), "transaction_id": "x"}

    failure = await almoner.client.put(path, json={"status": "failure"}, headers=OURS)
    another = await almoner.client.put(path, json=other, headers=OURS)

    assert (failure.status_code, another.status_code) == (409, 409)
    assert failure.json()["code"] == "transition_not_allowed"


@pytest.mark.parametrize(
    ("seen", "field"),
    [
        ({"status": "success"}, "attempt_id"),
        ({"status": "success", "attempt_id": str(uuid4())}, "transaction_id"),
        ({"status": "success", "attempt_id": str(uuid4()), "transaction_id": "x"}, "attempt_id"),
        ({"status": "paid"}, "status"),
        ({}, "body"),
    ],
)
async def test_a_report_names_its_attempt(
    almoner: Installation, donor: Donor, seen: dict[str, Any], field: str
) -> None:
    """422 with the field that is missing or wrong; the donation stays as it was."""
    told = await in_doubt(donor)

    answer = await almoner.client.put(f"/donations/{told['donation_id']}", json=seen, headers=OURS)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert await almoner.value("SELECT state FROM payment_attempt") == "UNKNOWN"


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (200, b'{"seen": "SUBMITTED", "gateway_transaction_id": "t"}', "SUBMITTED"),
        (200, b"<html>", "UNKNOWN"),
        (200, b"", "UNKNOWN"),
        (401, b"{}", "NOT_SENT"),
        (404, b"{}", "NOT_SENT"),
        (422, b"{}", "NOT_SENT"),
        (500, b"{}", "UNKNOWN"),
        (502, b"<html>", "UNKNOWN"),
        (503, b"{}", "UNKNOWN"),
        (302, b"", "UNKNOWN"),
        (429, b"", "UNKNOWN"),
    ],
)
async def test_each_answer_of_the_payments_role_has_one_meaning(
    status: int, body: bytes, seen: str, unused_tcp_port: int
) -> None:
    """What it refuses it refuses before sending; what cannot be understood is a doubt."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", unused_tcp_port)
    remote = RemoteCharging(
        f"http://127.0.0.1:{unused_tcp_port}", "token", SendRules(deadline_ms=2_000)
    )
    await remote.open()

    observation = await remote.charge(
        "sandbox", Charge(uuid4(), Money(5000, "USD"), Instrument("fake-valid-nonce"))
    )

    await remote.close()
    server.close()
    assert observation.seen == seen


async def test_a_connection_that_breaks_is_a_doubt(unused_tcp_port: int) -> None:
    """The request was on its way: nothing is proved."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", unused_tcp_port)
    remote = RemoteCharging(
        f"http://127.0.0.1:{unused_tcp_port}", "token", SendRules(deadline_ms=2_000)
    )
    await remote.open()

    observation = await remote.charge(
        "sandbox", Charge(uuid4(), Money(5000, "USD"), Instrument("fake-valid-nonce"))
    )

    await remote.close()
    server.close()
    assert observation.seen == "UNKNOWN"
