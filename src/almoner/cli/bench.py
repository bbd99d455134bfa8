"""`almoner bench`: how fast, beside what, and whether nothing was lost."""
import typer

app = typer.Typer()
