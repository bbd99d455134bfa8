"""Schemathesis: every call of the OpenAPI, right and wrong, one by one and one after the other,
against a real server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, Response
from schemathesis.openapi import from_url
from schemathesis.schemas import BaseSchema

from contract.judge import AnyCase, judge
from support.installation import SERVICE_TOKEN
from support.serving import Serving, serving

GIVE = "POST /donations"
SHOW = "GET /donations/{donation_id}"
CALLS = (
    "GET /challenge",
    "GET /charities",
    "GET /charities/{reference}",
    "GET /config",
    "GET /donation-form",
    SHOW,
    "GET /donations/{donation_id}/events",
    "GET /healthz",
    "GET /metrics",
    "GET /pictures/{file}",
    "GET /readyz",
    GIVE,
    "POST /payment/process",
    "POST /webhooks/{gateway}",
    "PUT /donations/{donation_id}",
)
NOTHING_TO_GET_WRONG = {
    "GET /challenge",
    "GET /config",
    "GET /donation-form",
    "GET /healthz",
    "GET /metrics",
    "GET /pictures/{file}",
    "GET /readyz",
    "POST /webhooks/{gateway}",
}
"""Calls without a parameter or a body that could be of the wrong kind."""

OURS = {"POST /payment/process", "PUT /donations/{donation_id}"}
NONCES = ("fake-valid-nonce", "fake-lost-answer-nonce", "fake-unreachable-nonce")
AMOUNTS = ("10.00", "2000.00", "2001.00", "5001.00")
WAIT_S = 20


def bounded(examples: int) -> settings:
    """So many examples, the same ones each time."""
    return settings(
        max_examples=examples,
        stateful_step_count=6,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a quick gateway that keeps nobody waiting."""
    data_dir = tmp_path_factory.mktemp("contract") / "data"
    with serving(
        data_dir,
        sandbox_latency_ms="5",
        donor_wait_ms="1000",
        web_processes="1",
        service_token=SERVICE_TOKEN,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def described(site: Serving) -> BaseSchema:
    """The description that the server gives of itself."""
    return from_url(f"{site.url}/openapi.json")


def operation_of(described: BaseSchema, label: str) -> Any:
    """A call by its method and path."""
    found = described.find_operation_by_label(label)
    assert found is not None, label
    return found


def test_every_call_is_tried(described: BaseSchema) -> None:
    """A new one has to be added here."""
    results: list[Any] = list(described.get_all_operations())

    assert sorted(result.ok().label for result in results) == sorted(CALLS)


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
@pytest.mark.parametrize("label", CALLS)
def test_whatever_is_asked_is_answered_as_described(
    described: BaseSchema, label: str, *, wrong: bool
) -> None:
    """Right or wrong: no fault of ours, no answer that the description does not name, nothing
    accepted that it forbids, every error a problem."""
    if wrong and label in NOTHING_TO_GET_WRONG:
        pytest.skip("nothing to get wrong")
    mode = GenerationMode.NEGATIVE if wrong else GenerationMode.POSITIVE
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"} if label in OURS else None
    operation = operation_of(described, label)

    @given(case=operation.as_strategy(generation_mode=mode, headers=headers))
    @bounded(25)
    def ask(case: AnyCase) -> None:
        judge(case, case.call(timeout=WAIT_S))

    ask()


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
def test_without_a_key_no_gift_is_taken(described: BaseSchema, *, wrong: bool) -> None:
    """Whatever the body says: 400, and how to get a key; or the body cannot even be read."""
    mode = GenerationMode.NEGATIVE if wrong else GenerationMode.POSITIVE
    strategy = operation_of(described, GIVE).as_strategy(generation_mode=mode)
    seen: Counter[str] = Counter()

    @given(case=strategy)
    @bounded(40)
    def ask(case: AnyCase) -> None:
        without_key(case)
        answer = case.call(timeout=WAIT_S)
        judge(case, answer)
        seen[answer.json()["code"]] += 1

    ask()

    assert set(seen) <= {"idempotency_key_missing", "malformed_json", "unsupported_media_type"}
    assert seen["idempotency_key_missing"] >= 5


def test_a_gift_that_is_sent_again_is_answered_with_the_same_bytes(described: BaseSchema) -> None:
    """Paid or declined, and told so as described; in doubt it is told as it stands."""
    operation = operation_of(described, GIVE)
    told: Counter[int] = Counter()

    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        nonce=st.sampled_from(NONCES),
        amount=st.sampled_from(AMOUNTS),
    )
    @bounded(40)
    def give_twice(case: AnyCase, nonce: str, amount: str) -> None:
        make_right(case, nonce, amount)
        first = case.call(timeout=WAIT_S)
        again = case.call(timeout=WAIT_S)
        judge(case, first)
        judge(case, again)
        told[first.status_code] += 1
        if first.status_code in (201, 402):
            assert again.content == first.content
            assert again.headers["idempotency-replayed"] == ["true"]

    give_twice()

    assert set(told) == {201, 202, 402}


def test_calls_one_after_the_other(described: BaseSchema) -> None:
    """Gifts are made, and seen by the links of their answers; anything else goes on meanwhile."""
    told: Counter[tuple[str, int]] = Counter()
    base: Any = described.as_state_machine()

    class Workflow(base):  # type: ignore[misc] # made when it runs
        """All gifts are right, everything else is what Schemathesis makes of it."""

        def before_call(self, case: AnyCase) -> None:
            if case.operation.label == GIVE:
                make_right(case, "fake-valid-nonce", "10.00")

        def get_call_kwargs(self, case: AnyCase) -> dict[str, Any]:
            return {"timeout": WAIT_S}

        def validate_response(self, response: Response, case: AnyCase, **_: Any) -> None:
            judge(case, response)
            told[case.operation.label, response.status_code] += 1

    Workflow.run(settings=bounded(25))

    assert told[GIVE, 201] >= 5
    assert told[SHOW, 200] >= 1


def without_key(case: AnyCase) -> None:
    """Nothing that could name the gift."""
    case.headers.pop("Idempotency-Key", None)
    if isinstance(case.body, dict):
        case.body.pop("form_token", None)


def make_right(case: AnyCase, nonce: str, amount: str) -> None:
    """A gift that the sandbox takes, with what Schemathesis made of everything else."""
    case.headers["Idempotency-Key"] = str(uuid4())
    case.body = {
        "first_name": "John",
        "last_name": "Doe",
        "email": f"{uuid4().hex[:12]}@example.com",
        "charity_id": 101,
        "amount": amount,
        "currency": "USD",
        "payment_method_nonce": nonce,
        "confirm_duplicate": True,
    }
