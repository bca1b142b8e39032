"""`python -m api user …` and `key …`: who may come in. What is secret is printed once and kept hashed."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Literal

import typer

from api.desk import identity, keys
from api.desk.identity import Role, Scope
from api.service import utc_now
from api.settings import Settings
from api.store.database import Store

user = typer.Typer(no_args_is_help=True, help="Accounts of officers, the commission and administrators.")
key = typer.Typer(no_args_is_help=True, help="API keys of platforms.")
Person = Literal["officer", "commission", "administrator"]  # a platform has a key instead
Name = Annotated[str, typer.Argument(help="The name to sign in with.")]
Institution = Annotated[str | None, typer.Option(help="The institution's id.")]
Ask = Annotated[bool, typer.Option("--ask", help="Ask for the password instead of making one up.")]
PASSWORD_BYTES = 12


@user.command("add")
def add_user(
    name: Name,
    role: Annotated[Person, typer.Option(help="What the account is for; officers need --institution.")],
    institution: Institution = None,
    ask: Ask = False,
) -> None:
    """Make an account and print its password, this once."""
    password = _password(ask)
    with open_store() as store:
        identity.add_account(store, utc_now(), name, Role(role), password, institution)
    typer.echo(f"Account {name} is there." if ask else f"Account {name}, password (shown this once): {password}")


@user.command("password")
def change_password(name: Name, ask: Ask = False) -> None:
    """Give an account another password; its lock and its sessions end."""
    password = _password(ask)
    with open_store() as store:
        identity.change_password(store, name, password)
    typer.echo(f"Changed for {name}." if ask else f"Account {name}, password (shown this once): {password}")


@user.command("disable")
def disable_user(name: Name) -> None:
    """Shut an account for good; its sessions end at once, what it did stays."""
    with open_store() as store:
        identity.disable_account(store, utc_now(), name)
    typer.echo(f"Account {name} is disabled.")


@key.command("add")
def add_key(
    label: Annotated[str, typer.Argument(help="Whose key it is, for events and lists.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is good for; may be given several times.")],
    institution: Institution = None,
) -> None:
    """Make an API key and print it, this once; with --institution it sees that one's cases alone."""
    with open_store() as store:
        text = keys.add_key(store, utc_now(), label, scope, institution)
    typer.echo(f"Key of {label} (shown this once): {text}")


@key.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="The key's id: its middle part, or the whole key.")]) -> None:
    """Make a key good for nothing from now on."""
    found = key_id.split("_")[1] if key_id.startswith(f"{keys.PREFIX}_") else key_id
    with open_store() as store:
        keys.revoke_key(store, utc_now(), found)
    typer.echo(f"Key {found} is revoked.")


@key.command("list")
def list_keys() -> None:
    """Print all keys' ids, labels, institutions and scopes, and which are revoked."""
    with open_store() as store, store.reading() as session:
        for one in keys.keys(session, identity.OPERATOR):
            state = f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else "good"
            bound = f" of {one.institution_id}" if one.institution_id else ""
            typer.echo(f"{one.key_id}  {one.label}{bound}  {', '.join(one.scopes)}  {state}")


@contextmanager
def open_store() -> Iterator[Store]:
    """The store that the environment names, brought up to date; closed at the end."""
    with closing(Store(Settings.from_environment().database_url)) as store:
        store.migrate()
        yield store


def _password(ask: bool) -> str:
    if ask:
        text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return text
    return secrets.token_urlsafe(PASSWORD_BYTES)
