"""The wire contract: OpenAPI that is valid and true, public settings, probes, pages."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import validate

from almoner.money import EXPONENTS
from support.donor import Donor
from support.installation import Installation


async def openapi(almoner: Installation) -> dict[str, Any]:
    """The description that the server gives of itself."""
    answer = await almoner.client.get("/openapi.json")
    assert answer.status_code == 200
    described: dict[str, Any] = answer.json()
    return described


async def test_the_openapi_is_valid_and_names_every_call(almoner: Installation) -> None:
    """Every call of the contract, with its methods."""
    described = await openapi(almoner)

    validate(described)
    calls = {(path, method) for path, ways in described["paths"].items() for method in ways}
    assert calls >= {
        ("/charities", "get"),
        ("/charities/{reference}", "get"),
        ("/challenge", "get"),
        ("/config", "get"),
        ("/donation-form", "get"),
        ("/donations", "post"),
        ("/donations/{donation_id}", "get"),
        ("/donations/{donation_id}", "put"),
        ("/healthz", "get"),
        ("/metrics", "get"),
        ("/payment/process", "post"),
        ("/readyz", "get"),
    }


async def test_the_openapi_tells_every_answer_to_a_gift(almoner: Installation) -> None:
    """Each status of the contract has a schema, problems have their own media type."""
    described = await openapi(almoner)

    give = described["paths"]["/donations"]["post"]
    assert set(give["responses"]) == {
        "201", "202", "400", "402", "408", "409", "413", "415", "422", "428", "429", "503",
        "default",
    }  # fmt: skip
    for status, answer in give["responses"].items():
        media_type = "application/json" if status < "300" else "application/problem+json"
        assert set(answer["content"]) == {media_type}, status
    body = give["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False
    assert {"first_name", "email", "amount", "payment_card"} <= set(body["properties"])
    assert any(p["name"] == "Idempotency-Key" for p in give["parameters"])


async def test_every_call_says_what_it_reads_and_that_errors_are_problems(
    almoner: Installation,
) -> None:
    """No error object of the framework's own is described, and no body is left out."""
    described = await openapi(almoner)

    for path, ways in described["paths"].items():
        for method, operation in ways.items():
            assert ("requestBody" in operation) == (method in {"post", "put"}), path
            for status, answer in operation["responses"].items():
                if status == "default" or status >= "400":
                    assert set(answer["content"]) == {"application/problem+json"}, path


async def test_what_is_answered_is_what_is_described(almoner: Installation, donor: Donor) -> None:
    """The members of each kind of answer are exactly those of its schema."""
    schemas = (await openapi(almoner))["components"]["schemas"]
    paid = (await donor.gives()).json()
    declined = (await donor.gives(amount="2000.00")).json()
    lost = (await donor.gives(payment_method_nonce="fake-lost-answer-nonce")).json()

    for told, name in ((paid, "GiftPaid"), (declined, "GiftNotPaid"), (lost, "GiftProcessing")):
        assert set(told) == set(schemas[name]["properties"]) == set(schemas[name]["required"])


async def test_the_public_settings_hold_what_the_page_needs(almoner: Installation) -> None:
    """Currencies with their bounds, causes in both languages, the test card; nothing secret."""
    answer = await almoner.client.get("/config")

    found = answer.json()
    assert found["sandbox"] is True
    assert found["gateway"] == "sandbox"
    assert found["default_currency"] == "USD"
    assert {c["code"]: c["exponent"] for c in found["currencies"]}.items() <= EXPONENTS.items()
    yen = next(c for c in found["currencies"] if c["code"] == "JPY")
    assert (yen["min"], yen["max"]) == ("100", "5000000")
    assert found["test_card"]["number"] == "4111 1111 1111 1111"
    assert all(set(c["title"]) == {"en", "zh-CN"} for c in found["categories"])
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_the_probes_answer(almoner: Installation, path: str) -> None:
    """Alive, and ready with database and cache."""
    answer = await almoner.client.get(path)

    assert answer.status_code == 200
    assert answer.json()["status"] in {"alive", "ready"}


async def test_an_old_schema_is_not_ready(almoner: Installation) -> None:
    """503 says which command to run."""
    async with almoner.database.connection() as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '0001'")

    answer = await almoner.client.get("/readyz")

    assert answer.status_code == 503
    assert "almoner migrate" in answer.json()["detail"]
    async with almoner.database.connection() as connection:
        await connection.execute(
            "UPDATE alembic_version SET version_num = %s", (almoner.web.probes.schema_revision,)
        )


async def test_metrics_count_gifts_and_are_not_public(almoner: Installation, donor: Donor) -> None:
    """Loopback reads them; what comes through a proxy does not."""
    await donor.gives()

    inside = await almoner.client.get("/metrics")
    outside = await almoner.client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})

    assert inside.status_code == 200
    assert 'almoner_gifts_total{told="paid"}' in inside.text
    assert 'route="/donations"' in inside.text
    assert outside.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", "/donations/not-a-uuid", 404),
        ("DELETE", "/donations", 405),
        ("POST", "/charities", 405),
        ("GET", "/assets/missing.js", 404),
        ("GET", "/charities/no-such-charity", 404),
        ("GET", "/charities?limit=0", 422),
        ("GET", "/charities?cursor=broken", 422),
    ],
)
async def test_every_error_is_a_problem(
    almoner: Installation, method: str, path: str, status: int
) -> None:
    """RFC 9457 with a stable code, everywhere."""
    answer = await almoner.client.request(method, path, headers={"Accept": "application/json"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:almoner:problem:{problem['code']}"
    assert problem["status"] == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/charities", "/config", "/openapi.json"])
async def test_head_is_get_without_a_body(almoner: Installation, path: str) -> None:
    """Load balancers probe with HEAD."""
    got = await almoner.client.get(path)
    head = await almoner.client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("/challenge?charity_id=zz", "Write a whole number."),
        ("/challenge?charity_id=0", "Write a whole number of at least 1."),
    ],
)
async def test_a_question_that_is_no_number_is_told_in_words(
    almoner: Installation, question: str, message: str
) -> None:
    """Not in those of the program."""
    answer = await almoner.client.get(question)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "charity_id", "code": "invalid", "message": message}
    ]
