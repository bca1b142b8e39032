"""The command line: `python -m api` serves; the other commands prepare and keep what it serves from."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.people import key, open_store, user
from api.settings import Settings, counting_together, unknown
from matching.errors import MatchingError

if TYPE_CHECKING:
    from api.service import Service

app = typer.Typer(
    help="The matching service; its settings are environment variables (see the README).", add_completion=False
)
app.add_typer(user, name="user")
app.add_typer(key, name="key")
Host = Annotated[str | None, typer.Option(help="Listen on this address instead of MATCHING_HOST.")]
Port = Annotated[int | None, typer.Option(help="Listen on this port instead of MATCHING_PORT.", min=0, max=65535)]


@app.callback(invoke_without_command=True)
def default(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Without a command: serve."""
    for line in unknown():
        typer.echo(f"warning: environment: {line}", err=True)
    if context.invoked_subcommand is None:
        serve(host, port)
    elif (host, port) != (None, None):
        raise typer.BadParameter("stand after serve: before a command they would be lost", param_hint="--host, --port")


@app.command()
def serve(host: Host = None, port: Port = None) -> None:
    """Bring the store up to date and serve until interrupted."""
    from api import listening  # here, so that the other commands do without the web

    settings = Settings.from_environment()
    with open_store():  # once, before processes that would each fail, and be started again, without end
        pass
    with counting_together(settings.workers):
        listening.serve(
            "api.app:from_environment",
            workers=settings.workers,
            host=host or settings.host,
            port=settings.port if port is None else port,
            log_level=settings.log_level,
        )


@app.command()
def migrate() -> None:
    """Bring the store's schema up to date; serve does so by itself."""
    with open_store():
        typer.echo("The store is up to date.")


@app.command()
def load(data: Annotated[Path, typer.Argument(help="A folder of tables.")]) -> None:
    """Add enterprises, institutions, products and needs to the store, or bring them up to date."""
    from api.loading import load as load_folder  # here, so that the other commands do without pandas
    from api.service import utc_now

    with open_store() as store:
        loaded = load_folder(store, data, utc_now())
    rows = ", ".join(f"{n:,} {name}" for name, n in loaded.rows.items())
    typer.echo(f"Loaded {rows}." if loaded.new else "These tables are in the store already.")


@app.command()
def sweep() -> None:
    """Look at the clocks: overdue cases go on, what is kept no longer is forgotten; serve does so by itself."""
    from api.desk.cases import sweep as look  # here, so that the other commands do without the model's libraries

    with _service() as service:
        done = look(service, service.now())
    typer.echo(
        f"{len(done.expired)} cases expired, {len(done.opened)} handed on, {done.forgotten} recommendations forgotten."
    )


@app.command("try")
def try_command() -> None:
    """On the simulated market alone: make accounts and a key, print them once, and fill the desk with made-up work."""
    from rich.console import Console
    from rich.progress import Progress

    from api.trying import try_out

    with _service() as service, Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("made-up work at the desk", total=None)
        made = try_out(service, lambda done, of: bars.update(task, completed=done, total=of))
    if made is None:
        typer.echo("The desk is filled already; `python -m api user password NAME` gives an account another password.")
        return
    typer.echo(f"The desk holds {made.cases} cases. To sign in (shown this once, kept hashed):")
    for role, name, password in made.accounts:
        of = f"  of {made.institution}" if role == "officer" else ""
        typer.echo(f"  {name:<14} {password}{of}")
    typer.echo(f"An API key for all requests (shown this once, kept hashed):\n  {made.key}")


@contextmanager
def _service() -> Iterator["Service"]:
    from api.service import Service, utc_now
    from api.serving import Serving

    settings = Settings.from_environment()
    with open_store() as store, closing(Service(settings, store, Serving(store, settings.models), utc_now)) as service:
        yield service


def main() -> None:
    """Run the command line; a mistake is one line on standard error and exit code 1."""
    try:
        app(prog_name="python -m api")
    except (MatchingError, OSError) as error:  # OSError: a file or folder that cannot be read or written
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
