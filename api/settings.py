"""The settings and the only reader of the environment: each field is one variable, `MATCHING_` and its name."""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from matching.errors import Fault, InputError
from matching.faults import faults_of

PREFIX = "MATCHING_"
COUNTS = "PROMETHEUS_MULTIPROC_DIR"  # of the library that counts, which looks at it when it is imported


class Settings(BaseModel):
    """How the service is set up; frozen, and the same for its whole life."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str = Field(
        default="sqlite:///var/service.db", min_length=1, description="The store: a SQLite file or a PostgreSQL server"
    )
    models: Path = Field(default=Path("var/models"), description="The folder of bundles; its champion is served")
    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one")
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer, each with a model of its own")
    threads: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Rankings at a time in each of them, more wait their turn; several share one interpreter, and are "
        "slower together than one after the other",
    )
    max_body: int = Field(default=256 * 1024, ge=1024, le=2**30, description="The largest request body, in bytes")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much is logged")
    keys: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether recommendations and what is read need an API key; `auto`: once one exists, unless the "
        "market is simulated. Needs, outcomes, cases, events and months always need one",
    )
    screen: Literal["optional", "required"] = Field(
        default="optional",
        description="Whether a need is listed only with a screen that found all five standards of the white list met",
    )
    accept_days: float = Field(default=1, gt=0, le=365, description="Days that an institution has to accept a case")
    contact_days: float = Field(default=3, gt=0, le=365, description="Days from there to the first contact")
    decide_days: float = Field(default=30, gt=0, le=365, description="Days to an application, and to a decision")
    draw_days: float = Field(default=90, gt=0, le=3650, description="Days from a grant to its drawdown")
    grace_days: float = Field(
        default=1, ge=0, le=365, description="Days that an overdue case stays before the next institution gets it"
    )
    sweep_minutes: float = Field(
        default=10,
        ge=0,
        le=1440,
        description="Minutes between looks at the clocks; 0: none but `python -m api sweep`",
    )
    retain_days: int = Field(
        default=0, ge=0, le=36500, description="Days that a recommendation without case or outcome is kept; 0 keeps all"
    )
    session_hours: float = Field(default=10, gt=0, le=720, description="Hours until who signed in must sign in again")
    lock_failures: int = Field(default=5, ge=1, le=100, description="Wrong passwords in a row that lock an account")
    lock_minutes: float = Field(default=15, gt=0, le=1440, description="Minutes that it is locked for")
    address_failures: int = Field(
        default=60,
        ge=0,
        le=10_000,
        description="Failures to sign in from one address, within as many minutes, after which it has to wait; "
        "each process counts its own; 0: no limit",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings as the variables say; an empty one counts as unset. Raises `InputError` naming each bad one."""
        given = {field: environment[name] for field, name in variables().items() if environment.get(name)}
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            faults = faults_of(error.errors(), "settings")
            raise InputError("environment", [Fault(_variable(f.field), f.rule) for f in faults]) from None
        _check_url(settings.database_url)
        return settings


def variables() -> dict[str, str]:
    """Every setting's field and the environment variable that sets it."""
    return {field: _variable(field) for field in Settings.model_fields}


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A line for each variable that looks like a setting and is none, as where one is misspelt.

    No error: what runs a container may set such variables by itself, after the service's name.
    """
    known = variables().values()
    names = sorted(name for name, value in environment.items() if name.startswith(PREFIX) and value)
    return [f"{name} is no setting and changes nothing{_meant(name)}" for name in names if name not in known]


@contextmanager
def counting_together(workers: int, environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Processes that are started within count in one folder, gone at the end; a single one counts for itself.

    Whatever else set the variable is not heeded: in a folder of an earlier run its counts would go on.
    """
    environment.pop(COUNTS, None)
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="matching-counts-", ignore_cleanup_errors=True) as folder:
        environment[COUNTS] = folder
        try:
            yield
        finally:
            del environment[COUNTS]


def counts_folder(environment: Mapping[str, str] = os.environ) -> str | None:
    """Where this process and others count together, if there are others."""
    return environment.get(COUNTS)


def _meant(name: str) -> str:
    """The setting of the closest name, where one is close."""
    close = get_close_matches(name, variables().values(), n=1, cutoff=0.85)
    return f": is {close[0]} meant?" if close else ""


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _check_url(text: str) -> None:
    """The text itself stays out of the message: a URL may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # a port that is no number is no error of SQLAlchemy's own
        raise _refused_url("is like sqlite:///var/service.db or postgresql+psycopg://user:password@host/name") from None
    if url.get_backend_name() != "sqlite" and text.count("@") > 1:  # what is unreachable is told with the host
        raise _refused_url("writes %40 for each @ but the one before the host, which else begins within the password")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise _refused_url("names a file: SQLite in memory keeps nothing")


def _refused_url(rule: str) -> InputError:
    return InputError("environment", [Fault(_variable("database_url"), rule)])
