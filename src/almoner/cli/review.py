"""`almoner review`: what two people decide about charges that nobody else can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.clock import rfc3339
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging

if TYPE_CHECKING:
    from pathlib import Path

    from almoner.bootstrap import Reviews
    from almoner.payments.reviews.cases import Case

REFUSED = 1
COULD_NOT_LOOK = 3

T = TypeVar("T")

app = typer.Typer(
    help="Decide about charges in review. One person proposes, another approves.",
    no_args_is_help=True,
)

AttemptArgument = Annotated[UUID, typer.Argument(help="The attempt's id, as `list` shows it.")]
ByOption = Annotated[str, typer.Option("--by", help="Your name. It is kept.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class DecisionWord(StrEnum):
    """What can be proposed."""

    CHARGED = "charged"
    NOT_CHARGED = "not-charged"
    REFUND = "refund"


@app.command("list")
def list_cases(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Show what people should look at: charges in review, late money, second captures.

    Exit codes: 0 shown, 3 the database could not be asked.
    """
    from almoner.payments.reviews.cases import cases

    found = _with(data_dir, lambda reviews: cases(reviews.database))
    if as_json:
        _print_json({"cases": [_view(case) for case in found]})
        return
    console = Console(highlight=False, soft_wrap=True)
    for case in found:
        _print_line(console, case)
    console.print(f"{len(found)} to look at.")


@app.command()
def show(
    attempt: AttemptArgument, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """Show all that is known of one attempt: what was asked, seen, proposed and promised.

    Exit codes: 0 shown, 1 there is no such attempt, 3 the database could not be asked.
    """
    from almoner.payments.reviews.cases import case_of

    case = _with(data_dir, lambda reviews: case_of(reviews.database, attempt))
    if as_json:
        _print_json(_view(case))
        return
    console = Console(highlight=False, soft_wrap=True)
    _print_line(console, case)
    for o in case.operations:
        words = (o.gateway_transaction_id, o.gateway_code)
        console.print(
            f"  {rfc3339(o.finished_ms)}  {o.kind:<10} -> {o.outcome:<17} "
            + " ".join(word for word in words if word),
            markup=False,
        )


@app.command()
def propose(
    attempt: AttemptArgument,
    decision: Annotated[DecisionWord, typer.Option("--as", help="What you found out.")],
    by: ByOption,
    because: Annotated[str, typer.Option(help="How you know. It is kept.")],
    transaction: Annotated[str | None, typer.Option(help="The gateway's transaction.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose that a charge in review was charged or not, or that a second capture is given back.

    Nothing changes until another person approves it. Exit codes: 0 proposed, 1 it cannot be
    proposed (a sentence says why), 3 the database could not be asked.
    """
    from almoner.payments.reviews.propose import propose as make

    word: Any = decision.value.replace("-", "_")
    proposal = _with(
        data_dir,
        lambda reviews: make(reviews.database, attempt, word, transaction, by=by, because=because),
    )
    if as_json:
        _print_json(proposal)
    else:
        typer.echo(f"Proposed. Another person approves it: almoner review approve {attempt}")


@app.command()
def approve(
    attempt: AttemptArgument, by: ByOption, data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Approve what another person proposed, and carry it out.

    "Charged" is approved only if the gateway, which is asked now, says so too, and the transaction
    pays nothing else. It is settled at once, with ledger, event and answer. A refund is promised,
    and the worker asks the gateway for it until it is done. Exit codes: 0 carried out, 1 it cannot
    be approved (a sentence says why), 3 the database could not be asked.
    """
    from almoner.payments.reviews.answer import approve as carry_out

    done = _with(
        data_dir,
        lambda reviews: carry_out(
            reviews.database, reviews.looking, reviews.follow, attempt, by=by
        ),
    )
    if as_json:
        _print_json({"attempt_id": done.attempt_id, "state": done.state, "version": done.version})
    else:
        typer.echo(f"Approved. The attempt is {done.state}.")


@app.command()
def withdraw(
    attempt: AttemptArgument, by: ByOption, data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Take back what is proposed about an attempt. Anybody may.

    Exit codes: 0 withdrawn, 1 there is nothing to withdraw, 3 the database could not be asked.
    """
    from almoner.payments.reviews.answer import withdraw_proposal

    proposal = _with(data_dir, lambda reviews: withdraw_proposal(reviews.database, attempt, by=by))
    if as_json:
        _print_json({"proposal_id": proposal.proposal_id, "verdict": "withdrawn"})
    else:
        typer.echo("Withdrawn.")


def _with(data_dir: Path | None, ask: Callable[[Reviews], Awaitable[T]]) -> T:
    """What `ask` answers, with everything open; ends the command with a sentence otherwise."""
    from almoner.payments.reviews.proposal import ReviewRefused

    configure_logging("error", "auto")
    try:
        with installation(settings_for(data_dir)) as settings:
            from almoner.bootstrap import Reviews

            return asyncio.run(_asked(Reviews(settings), ask))
    except ReviewRefused as refused:
        typer.echo(str(refused), err=True)
        raise typer.Exit(REFUSED) from None
    except Unavailable as error:
        typer.echo(f"The database could not be asked: {error}", err=True)
        raise typer.Exit(COULD_NOT_LOOK) from None


async def _asked(reviews: Reviews, ask: Callable[[Reviews], Awaitable[T]]) -> T:
    try:
        await reviews.open()
        return await ask(reviews)
    finally:
        await reviews.close()


def _view(case: Case) -> dict[str, Any]:
    attempt = case.attempt
    return {
        "attempt_id": attempt.attempt_id,
        "donation_id": attempt.payable_id,
        "state": attempt.state,
        "amount": attempt.money.decimal_text(),
        "currency": attempt.money.currency,
        "gateway": attempt.gateway,
        "transaction_id": attempt.gateway_transaction_id,
        "dispatched_at": rfc3339(attempt.dispatched_ms),
        "second_transactions": case.second_transactions,
        "proposals": case.proposals,
        "returns": [
            {
                "transaction_id": back.gateway_transaction_id,
                "reason": back.reason,
                "tries": back.tries,
                "done": back.done_ms is not None,
            }
            for back in case.returns
        ],
        "operations": case.operations,
    }


def _print_line(console: Console, case: Case) -> None:
    attempt = case.attempt
    console.print(
        f"{attempt.attempt_id}  {attempt.state:<14} {attempt.money.decimal_text():>12} "
        f"{attempt.money.currency}  {attempt.gateway}  {rfc3339(attempt.dispatched_ms)}",
        markup=False,
    )
    for transaction in case.second_transactions:
        console.print(f"  a second transaction was captured: {transaction}", markup=False)
    for back in case.returns:
        word = "given back" if back.done_ms is not None else f"to be given back, {back.tries} tries"
        console.print(f"  {back.gateway_transaction_id}: {word} ({back.reason})", markup=False)
    for proposal in case.proposals:
        verdict = f"{proposal.verdict} by {proposal.given_by}" if proposal.verdict else "open"
        console.print(
            f"  {proposal.proposed_by} proposes {proposal.decision}: {proposal.because} "
            f"({verdict})",
            markup=False,
        )


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
