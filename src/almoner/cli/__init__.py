"""The commands of `almoner`."""

from __future__ import annotations

import typer

from almoner.cli.bench import app as bench
from almoner.cli.charities import app as charities
from almoner.cli.check import check
from almoner.cli.journal import app as journal
from almoner.cli.migrate import migrate
from almoner.cli.payments import payments
from almoner.cli.review import app as review
from almoner.cli.sandbox import app as sandbox
from almoner.cli.serve import serve
from almoner.cli.web import web
from almoner.cli.webhooks import app as webhooks
from almoner.cli.worker import worker

app = typer.Typer(
    name="almoner",
    help="A donation platform that a charity runs itself.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.command()(serve)
app.command()(web)
app.command()(worker)
app.command()(payments)
app.command()(migrate)
app.add_typer(charities, name="charities")
app.command()(check)
app.add_typer(review, name="review")
app.add_typer(journal, name="journal")
app.add_typer(sandbox, name="sandbox")
app.add_typer(webhooks, name="webhooks")
app.add_typer(bench, name="bench")
