"""The commands of `almoner`."""

from __future__ import annotations

import typer

from almoner.cli.backup import backup
from almoner.cli.bench import app as bench
from almoner.cli.charities import app as charities
from almoner.cli.check import check
from almoner.cli.events import app as events
from almoner.cli.journal import app as journal
from almoner.cli.ledger import app as ledger
from almoner.cli.limits import app as limits
from almoner.cli.match import match
from almoner.cli.migrate import migrate
from almoner.cli.payments import payments
from almoner.cli.rebuild import rebuild_from_gateway
from almoner.cli.restore import restore
from almoner.cli.review import app as review
from almoner.cli.sandbox import app as sandbox
from almoner.cli.serve import serve
from almoner.cli.settlement import app as settlement
from almoner.cli.status import status
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
app.command()(match)
app.add_typer(ledger, name="ledger")
app.add_typer(settlement, name="settlement")
app.add_typer(events, name="events")
app.command()(status)
app.command()(backup)
app.command()(restore)
app.command()(rebuild_from_gateway)
app.add_typer(review, name="review")
app.add_typer(journal, name="journal")
app.add_typer(sandbox, name="sandbox")
app.add_typer(webhooks, name="webhooks")
app.add_typer(limits, name="limits")
app.add_typer(bench, name="bench")
