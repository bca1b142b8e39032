"""The command line: `python -m api` serves; `migrate` and `load` prepare what it serves from."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings
from api.store.database import Store
from matching.errors import MatchingError

app = typer.Typer(
    help="The matching service; its settings are environment variables (see the README).", add_completion=False
)
Host = Annotated[str | None, typer.Option(help="Listen on this address instead of MATCHING_HOST.")]
Port = Annotated[int | None, typer.Option(help="Listen on this port instead of MATCHING_PORT.", min=0, max=65535)]


@app.callback(invoke_without_command=True)
def default(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Without a command: serve."""
    if context.invoked_subcommand is None:
        serve(host, port)


@app.command()
def serve(host: Host = None, port: Port = None) -> None:
    """Bring the store up to date and serve until interrupted."""
    import uvicorn  # here, so that the other commands do without the web

    from api.app import create_app

    settings = Settings.from_environment()
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s: %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    uvicorn.run(
        create_app(settings),
        host=host or settings.host,
        port=settings.port if port is None else port,
        log_level=settings.log_level,
    )


@app.command()
def migrate() -> None:
    """Bring the store's schema up to date; serve does so by itself."""
    _store()
    typer.echo("The store is up to date.")


@app.command()
def load(data: Annotated[Path, typer.Argument(help="A folder of tables.")]) -> None:
    """Add enterprises, institutions, products and needs to the store, or bring them up to date."""
    from api.loading import load as load_folder  # here, so that the other commands do without pandas
    from api.service import utc_now

    loaded = load_folder(_store(), data, utc_now())
    rows = ", ".join(f"{n:,} {name}" for name, n in loaded.rows.items())
    typer.echo(f"Loaded {rows}." if loaded.new else "These tables are in the store already.")


def _store() -> Store:
    store = Store(Settings.from_environment().database_url)
    store.migrate()
    return store


def main() -> None:
    """Run the command line; a mistake is one line on standard error and exit code 1."""
    try:
        app(prog_name="python -m api")
    except MatchingError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
