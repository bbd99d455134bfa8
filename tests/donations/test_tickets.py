"""Form tickets and keys: one form makes one gift, and nobody repeats another's request."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from almoner.platform.ids import time_of
from support.donor import Donor, gift
from support.forms import at, solve, ticket
from support.installation import SERVICE_TOKEN, Installation, Installations

PAID = 201
OURS = {"Authorization": f"Bearer {SERVICE_TOKEN}"}


async def gives(
    almoner: Installation,
    body: dict[str, Any],
    key: str | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Send a body as it is, with a key if there is one."""
    sent = {**({"Idempotency-Key": key} if key else {}), **(headers or {})}
    return await almoner.client.post("/donations", json=body, headers=sent)


async def test_a_ticket_names_the_gift_and_sorts_by_time(almoner: Installation) -> None:
    """It is a UUIDv7 with our signature, good for a day, and the donation's id has its time."""
    form = (await almoner.client.get("/donation-form")).json()

    answer = await gives(almoner, gift(form_token=form["form_token"]), str(uuid4()))

    issued = UUID(form["form_token"].partition(".")[0])
    assert answer.status_code == PAID, answer.text
    assert time_of(UUID(answer.json()["donation_id"])) == time_of(issued)
    assert set(form) == {"form_token", "expires_at", "age_min_seconds"}


async def test_one_ticket_makes_one_gift_whatever_the_key(almoner: Installation) -> None:
    """Another key and the same content is the same gift; other content is refused."""
    body = gift(form_token=ticket())
    first = await gives(almoner, body, str(uuid4()))

    again = await gives(almoner, body, str(uuid4()))
    without = await gives(almoner, body)
    other = await gives(almoner, {**body, "amount": "51.00"}, str(uuid4()))

    assert first.status_code == PAID, first.text
    assert (again.content, without.content) == (first.content, first.content)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert len(await almoner.charged()) == 1


async def test_a_key_without_its_ticket_tells_nothing_of_the_gift(almoner: Installation) -> None:
    """Whoever learns the key alone cannot have the answer repeated; it would be another gift."""
    key, token = str(uuid4()), ticket()
    body = gift(form_token=token)
    first = await gives(almoner, body, key)

    with_another_ticket = await gives(almoner, {**body, "form_token": ticket()}, key)
    with_none = await gives(almoner, {k: v for k, v in body.items() if k != "form_token"}, key)

    assert first.status_code == PAID
    for answer in (with_another_ticket, with_none):
        assert (answer.status_code, answer.json()["code"]) == (409, "possible_duplicate")
        assert "read_token" not in answer.json()


async def test_our_own_services_keys_are_apart_from_everybody_elses(almoner: Installation) -> None:
    """The same key with and without the credential is two gifts; neither repeats the other."""
    key, body = str(uuid4()), gift()
    token = ticket()
    ours = await gives(almoner, body, key, OURS)

    others = await gives(almoner, {**body, "amount": "60.00"}, key)
    again = await gives(almoner, body, key, OURS)
    ours_by_form = await gives(almoner, gift(form_token=token), None, OURS)
    others_by_form = await gives(almoner, gift(form_token=token))

    assert [ours.status_code, others.status_code] == [PAID, PAID]
    assert again.content == ours.content
    assert [ours_by_form.status_code, others_by_form.status_code] == [PAID, PAID]
    assert len(await almoner.charged()) == 4


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer wrong", 401), ("bearer", 401), ("Basic am9objpzZWNyZXQ=", PAID), ("", PAID)],
)
async def test_a_wrong_credential_is_refused_and_another_scheme_is_not_ours(
    almoner: Installation, authorization: str, status: int
) -> None:
    """A proxy's own password in front of a trial site does not stop a gift."""
    answer = await gives(almoner, gift(), str(uuid4()), {"Authorization": authorization})

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "..", "", None, 5])
async def test_a_ticket_of_somebody_elses_making_is_refused(
    almoner: Installation, token: object
) -> None:
    """422 names the field, or 400 where there is nothing that could name the gift."""
    answer = await almoner.client.post("/donations", json={**gift(), "form_token": token})

    assert answer.status_code == (422 if token and isinstance(token, str) else 400)
    assert await almoner.value("SELECT count(*) FROM idempotency_record") == 0


async def test_an_old_form_makes_no_new_gift_and_still_tells_of_its_own(
    almoner: Installation,
) -> None:
    """After a day 422 `expired`; what was given through it is told for ever."""
    used, unused = gift(form_token=ticket(age_s=86_000)), gift(form_token=ticket(age_s=86_500))
    first = await gives(almoner, used)

    with at(3600):
        again = await gives(almoner, used)
    late = await gives(almoner, unused, str(uuid4()))

    assert (first.status_code, again.content) == (PAID, first.content)
    assert late.status_code == 422
    assert [(e["field"], e["code"]) for e in late.json()["errors"]] == [("form_token", "expired")]
    assert len(await almoner.charged()) == 1


async def test_a_form_that_is_filled_in_faster_than_by_hand_is_asked_for_work(
    installation: Installations,
) -> None:
    """Not refused, and not told why: 428 with a challenge; solved, it goes through."""
    almoner = await installation(limits="standard", challenge_work=64)
    form = (await almoner.client.get("/donation-form")).json()
    body = gift(form_token=form["form_token"])

    asked = await gives(almoner, body)
    solved = await gives(almoner, {**body, "challenge_solution": solve(asked.json()["challenge"])})

    assert form["age_min_seconds"] == 3
    assert (asked.status_code, asked.json()["code"]) == (428, "challenge_needed")
    assert asked.headers["content-type"] == "application/problem+json"
    assert solved.status_code == PAID, solved.text
    assert len(await almoner.charged()) == 1


async def test_a_form_filled_in_by_hand_is_asked_for_nothing(installation: Installations) -> None:
    """Four seconds are enough."""
    almoner = await installation(limits="standard")

    answer = await gives(almoner, gift(form_token=ticket(age_s=4)))

    assert answer.status_code == PAID


@pytest.mark.parametrize("limits", ["standard", "sandbox"])
async def test_who_fills_in_what_no_person_sees_is_asked_for_work(
    installation: Installations, limits: str
) -> None:
    """Also with a key alone; the trap is no part of the content."""
    almoner = await installation(limits=limits, challenge_work=64)
    key, body = str(uuid4()), gift(form_token=None)

    asked = await gives(almoner, {**body, "website": "https://spam.example"}, key)
    empty = await gives(almoner, {**body, "website": ""}, key)
    again = await gives(almoner, {**body, "website": "https://spam.example"}, key)

    assert (asked.status_code, asked.json()["code"]) == (428, "challenge_needed")
    assert empty.status_code == PAID
    assert again.content == empty.content


async def test_what_only_refuses_is_not_kept(installation: Installations) -> None:
    """400, 401, 403, 415, 422, 428 and 429 leave no trace of the key: it is as good as new."""
    almoner = await installation(limits="standard", challenge_work=64)
    key, body = str(uuid4()), gift()
    for _ in range(3):
        await gives(almoner, gift(), str(uuid4()))
    refused = [
        await gives(almoner, body),
        await gives(almoner, body, key, {"Authorization": "Bearer wrong"}),
        await gives(almoner, body, key, {"Content-Type": "text/plain"}),
        await gives(almoner, {**body, "amount": "0"}, key),
        await gives(almoner, {**body, "website": "x"}, key),
        await gives(almoner, body, key),
    ]
    assert almoner.web.cache is not None
    await almoner.web.cache.flushdb()

    answer = await gives(almoner, body, key)

    assert [r.status_code for r in refused] == [400, 401, 415, 422, 428, 429]
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (PAID, False)
    assert await almoner.value("SELECT count(*) FROM idempotency_record") == 4


async def test_a_stored_answer_lives_thirty_days_and_its_gift_for_ever(
    almoner: Installation, donor: Donor
) -> None:
    """Then the key is answered by the state of its donation: the same facts, and no new charge."""
    sent = {
        "paid": {"amount": "50.00"},
        "declined": {"amount": "2000.00"},
        "unsent": {"amount": "30.00", "payment_method_nonce": "fake-unreachable-nonce"},
    }
    old, young = {}, {}
    for name, fields in sent.items():
        old[name] = await donor.gives(key=f"a-key-of-the-{name}-gift", email="old@x.org", **fields)
        young[name] = await donor.gives(email=f"{name}@x.org", **fields)
    await age(almoner, "old@x.org", days=31)

    while await almoner.work.expiry.step():
        pass

    emptied = "SELECT count(*) FROM idempotency_record WHERE response_body = ''"
    assert await almoner.value(emptied) == 3
    for name, fields in sent.items():
        again = await donor.gives(key=f"a-key-of-the-{name}-gift", email="old@x.org", **fields)
        assert again.status_code == old[name].status_code
        assert again.json() == old[name].json()
        assert again.headers["Idempotency-Replayed"] == "true"
    reused = await donor.gives(key="a-key-of-the-paid-gift", email="new@x.org")
    assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")
    assert len(await almoner.charged()) == 4


async def test_answers_expire_page_by_page_whatever_the_time_in_their_keys(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than fit into one page, with ids that sort by time and ids that do not."""
    monkeypatch.setattr("almoner.donations.expire._PAGE", 2)
    for number in range(5):
        key = str(uuid4()) if number % 2 else ticket().partition(".")[0]
        await donor.gives(key=key, email="old@x.org", confirm_duplicate=True)
    await age(almoner, "old@x.org", days=31)

    steps = 0
    while await almoner.work.expiry.step():
        steps += 1

    assert steps == 3
    left = "SELECT count(*) FROM idempotency_record WHERE response_body <> ''"
    assert await almoner.value(left) == 0


async def age(almoner: Installation, email: str, *, days: int) -> None:
    """Make the gifts of an address older."""
    async with almoner.database.connection() as connection:
        await connection.execute(
            "UPDATE idempotency_record AS r SET created_at = r.created_at - make_interval(days =>"
            " %s) FROM donation AS d WHERE d.donation_id = r.donation_id AND d.email = %s",
            (days, email),
        )
