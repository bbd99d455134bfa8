"""HTTP of the donations."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Response, Router, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter
from msgspec import Struct

from almoner.charities.choose import CharityChooser
from almoner.donations.answer import ACCEPTED, Answer
from almoner.donations.config import PublicConfig
from almoner.donations.described import SHOW
from almoner.donations.errors import (
    ChallengeNeeded,
    KeptElsewhere,
    NotFoundOrNotYours,
    TakingABreak,
)
from almoner.donations.finish import FinishLinks
from almoner.donations.follow import Follow, follow_handler
from almoner.donations.form import (
    AmountBounds,
    Form,
    check_charity,
    decode_body,
    meaning_of,
    read_form,
)
from almoner.donations.gift import Gift
from almoner.donations.give import Giving
from almoner.donations.guard import Caller, Guard
from almoner.donations.keep import Keeping
from almoner.donations.keys import FormTokens, RequestKey, read_key
from almoner.donations.report import read_report, report
from almoner.donations.schemas import GiftNotPaid, GiftPaid, GiftProcessing
from almoner.donations.settle import Settling
from almoner.donations.show import DonationView, check_token, show, show_kept
from almoner.payments.due.nudge import Nudges
from almoner.payments.gateway import Instrument
from almoner.payments.instruments import Instruments
from almoner.platform.clock import rfc3339
from almoner.platform.credentials import ServiceCredential
from almoner.platform.db import Database, DatabaseAway
from almoner.platform.errors import FieldError, Invalid, Problem, Unavailable
from almoner.platform.http import PROBLEM_MEDIA_TYPE, AnyRequest, ClientAddress
from almoner.platform.ids import IdDeriver, Tokens
from almoner.platform.limits import TooMany
from almoner.platform.metrics import GIFTS
from almoner.platform.openapi import problem_answer

BODY_BYTES_MAX: Final = 64 * 1024
BODY_SECONDS_MAX: Final = 15


class DonationsApi(Struct, frozen=True):
    """What the handlers ask."""

    giving: Giving
    chooser: CharityChooser
    instruments: Instruments
    bounds: AmountBounds
    form_tokens: FormTokens
    read_tokens: Tokens
    guard: Guard
    ids: IdDeriver
    client_address: ClientAddress
    database: Database
    keeping: Keeping
    links: FinishLinks
    settling: Settling
    service: ServiceCredential
    config: PublicConfig
    follow: Follow
    nudges: Nudges
    form_age_min_s: float


_GIVE_ANSWERS: Final = {
    201: ResponseSpec(GiftPaid, description="Paid.", generate_examples=False),
    202: ResponseSpec(
        GiftProcessing, description="Not known yet: ask the Location.", generate_examples=False
    ),
    400: problem_answer("No usable Idempotency-Key, or a body that cannot be read."),
    402: ResponseSpec(
        GiftNotPaid,
        description="Not charged, with the reason in donor words.",
        media_type=PROBLEM_MEDIA_TYPE,
        generate_examples=False,
    ),
    408: problem_answer("The body did not come in time."),
    409: problem_answer("The same key is being worked on, or it looks like a second gift."),
    413: problem_answer("The body is larger than 64 KiB."),
    415: problem_answer("The body is not JSON."),
    422: problem_answer("Fields that cannot be used, each named; or a key used for another gift."),
    428: problem_answer("A proof of work is needed: solve `challenge`, send the same key again."),
    429: problem_answer("Too many tries; Retry-After says when."),
    503: problem_answer("Nothing was changed; repeat it with the same key after Retry-After."),
}


class FormTokenView(Struct, frozen=True):
    """A ticket for one gift. A gift that comes before `age_min_seconds` is taken for a script's."""

    form_token: str
    expires_at: str
    age_min_seconds: float


class ChallengeView(Struct, frozen=True):
    """A puzzle (ALTCHA, version 2), and until when its solution is taken."""

    challenge: dict[str, Any]
    expires_at: str


def routes(api: DonationsApi) -> Router:
    """The routes of this feature."""

    @get("/config", summary="Public settings", sync_to_thread=False)
    def config() -> Response[PublicConfig]:
        """What the pages must know before a donor can give."""
        return Response(api.config, headers={"Cache-Control": "no-cache"})

    @get("/donation-form", summary="Take a form token", sync_to_thread=False)
    def donation_form() -> Response[FormTokenView]:
        """Take a ticket for one gift, valid for a day. It also stands in for an Idempotency-Key."""
        token, expires_ms = api.form_tokens.issue()
        return Response(
            FormTokenView(token, rfc3339(expires_ms), api.form_age_min_s),
            headers={"Cache-Control": "no-store"},
        )

    @get("/challenge", summary="Take a challenge")
    async def challenge(
        request: AnyRequest,
        charity_id: Annotated[
            int | None, QueryParameter(description="The charity to be given to.", ge=1)
        ] = None,
    ) -> Response[ChallengeView]:
        """Take a proof of work to do ahead, hard enough for this charity as it is now.

        Nobody has to: a gift that needs one is answered 428 with a challenge of its own.
        """
        puzzle = await api.guard.puzzle(api.client_address(request.scope), charity_id)
        return Response(
            ChallengeView(puzzle.challenge, rfc3339(puzzle.until_ms)),
            headers={"Cache-Control": "no-store"},
        )

    @post(
        "/donations",
        summary="Give",
        request_max_body_size=BODY_BYTES_MAX,
        responses=_GIVE_ANSWERS,
        status_code=201,
    )
    async def give(
        request: AnyRequest,
        idempotency_key: Annotated[
            str | None,
            HeaderParameter(
                name="Idempotency-Key",
                description="Names this gift: 20 to 255 visible ASCII characters, a UUIDv7 is "
                "best. Send the same one when you repeat the request.",
            ),
        ] = None,
    ) -> Response[bytes]:
        """Give to a charity.

        201 paid, 402 not charged, 202 not known yet: then ask the `Location`. Repeat a request with
        the same `Idempotency-Key` as often as you like; it charges once.
        """
        address = api.client_address(request.scope)
        try:
            return await _give(api, request, idempotency_key, address)
        except Problem as problem:
            problem.headers = {**await _standing(api, address, problem), **problem.headers}
            raise

    @get(
        "/donations/{donation_id:uuid}",
        summary="See a donation",
        operation_id=SHOW,
        responses={
            404: problem_answer("No such donation, or not your token."),
            503: problem_answer("Nobody can be asked now: neither found nor not found."),
        },
    )
    async def show_donation(
        donation_id: FromPath[UUID],
        authorization: Annotated[
            str | None,
            HeaderParameter(
                name="Authorization", description="`Bearer` and the donation's read_token."
            ),
        ] = None,
    ) -> Response[DonationView]:
        """The donation as it stands now, for whoever holds its read token."""
        check_token(api.read_tokens, donation_id, authorization)
        return Response(
            await _shown(api, donation_id), headers={"Cache-Control": "private, no-store"}
        )

    @put(
        "/donations/{donation_id:uuid}",
        summary="Report an outcome (our own services)",
        responses={
            400: problem_answer("The body cannot be read."),
            401: problem_answer("Not one of our own services."),
            404: problem_answer("No such donation."),
            409: problem_answer("The report does not fit the donation."),
            413: problem_answer("The body is too large."),
            422: problem_answer("A field cannot be used."),
        },
    )
    async def report_outcome(request: AnyRequest, donation_id: FromPath[UUID]) -> DonationView:
        """Report what the payments service saw. Idempotent; only allowed transitions."""
        api.service.check(request.headers.get("authorization"))
        seen = read_report(await request.body())
        return await report(api.database, api.settling, donation_id, seen)

    return Router(
        path="/",
        route_handlers=[
            config,
            donation_form,
            challenge,
            give,
            show_donation,
            follow_handler(lambda donation_id: _shown(api, donation_id), api.follow),
            report_outcome,
        ],
        tags=["donations"],
    )


async def _give(
    api: DonationsApi, request: AnyRequest, key_header: str | None, address: str
) -> Response[bytes]:
    _check_headers(request)
    body = decode_body(await _read_body(request))
    ours = api.service.is_shown(request.headers.get("authorization"))
    key = read_key(key_header, body.get("form_token"), api.form_tokens, ours=ours)
    try:
        key.demand_new()
        gift = await _gift(api, body)
        passed = await api.guard.admit(_caller(api, key, body, address, ours=ours), gift)
    except (Invalid, TooMany, ChallengeNeeded, TakingABreak):
        # Today's rules judge new gifts. One that was taken before is answered as it stands,
        # whatever has changed since: a closed charity, other bounds, an expired card.
        before = await api.giving.recall(key, meaning_of(body))
        if before is None:
            raise
        return _response(before, await _standing(api, address))
    answer = await api.giving.give(gift, key, passed.care)
    return _response(answer, passed.verdict.headers())


def _caller(
    api: DonationsApi, key: RequestKey, body: dict[str, Any], address: str, *, ours: bool
) -> Caller:
    return Caller(
        name=key.donation_id(api.ids).hex,
        address=address,
        form_issued_ms=key.form_issued_ms,
        solution=body.get("challenge_solution"),
        trapped=bool(body.get("website")),
        ours=ours,
    )


async def _standing(
    api: DonationsApi, address: str, problem: Problem | None = None
) -> dict[str, str]:
    """How the caller's limits stand; of one that we cannot serve now, only what they are."""
    if problem is not None and (problem.http_status >= 500 or "RateLimit" in problem.headers):
        return api.guard.policy()
    try:
        return await api.guard.standing(address)
    except Unavailable:
        return api.guard.policy()


async def _shown(api: DonationsApi, donation_id: UUID) -> DonationView:
    """The donation in the database, or in the journal.

    The database comes first: what this process keeps may have been given under the same key
    through another one, and nobody shall read "processing" who has read "paid". So one lost
    connection is no reason to tell what is kept; only an outage is, when nothing better is to be
    known. The read token was given out with an answer, so there was a donation: where it is in
    neither, another process may keep it, or it was lost with the data.
    """
    kept = api.keeping.find(donation_id)
    if api.keeping.away:
        if kept is None:
            raise DatabaseAway
        return show_kept(kept.facts)
    try:
        return await show(api.database, donation_id, api.links, api.nudges)
    except NotFoundOrNotYours:
        if kept is not None:
            return show_kept(kept.facts)
        if api.keeping.keeps:
            raise KeptElsewhere from None
        raise


def _check_headers(request: AnyRequest) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(
            415,
            "unsupported_media_type",
            "The body must be JSON",
            "Send the header Content-Type: application/json.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(
            415, "unsupported_media_type", "The body must be plain", "Send it without encoding."
        )
    if len(request.headers.getall("idempotency-key", [])) > 1:
        raise Problem(
            400,
            "idempotency_key_malformed",
            "There is more than one Idempotency-Key",
            "Send the header once.",
        )


async def _read_body(request: AnyRequest) -> bytes:
    """The body, if it comes in time."""
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.body()
    except TimeoutError:
        raise Problem(
            408, "body_too_slow", "The body did not come", "Nothing was done; send it again."
        ) from None


async def _gift(api: DonationsApi, body: dict[str, Any]) -> Gift:
    """The gift in a body. Raises Invalid with every wrong field, also those we must ask about."""
    form, errors = read_form(body, api.bounds)
    charity_id = form.charity_id if form else body.get("charity_id")
    charity = None
    if not any(error.field == "charity_id" for error in errors) and isinstance(charity_id, int):
        charity = await api.chooser.choose(charity_id)
        errors += check_charity(charity, form.money.currency if form else None)
    instrument = _instrument(api, form) if form else None
    if isinstance(instrument, FieldError):
        errors.append(instrument)
    if errors or form is None or charity is None or not isinstance(instrument, Instrument):
        raise Invalid(errors)
    return Gift(
        form.first_name,
        form.last_name,
        form.email,
        form.email_normalised,
        form.locale,
        charity,
        form.money,
        instrument,
        form.confirm_duplicate,
    )


def _instrument(api: DonationsApi, form: Form) -> Instrument | FieldError:
    return api.instruments.of_card(form.card) if form.card else api.instruments.of_nonce(form.nonce)


def _response(answer: Answer, headers: dict[str, str]) -> Response[bytes]:
    GIFTS.labels("replayed" if answer.replayed else _TOLD[answer.status]).inc()
    headers |= {"Location": f"/donations/{answer.donation_id}", "Cache-Control": "no-store"}
    if answer.status == ACCEPTED:
        headers["Retry-After"] = "2"
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(
        answer.body,
        status_code=answer.status,
        media_type="application/problem+json" if answer.status == 402 else "application/json",
        headers=headers,
    )


_TOLD: Final = {201: "paid", 202: "processing", 402: "not_paid"}
