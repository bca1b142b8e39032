"""The settings and the only reader of the environment: each field is one variable, `MATCHING_` and its name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.faults import faults_of
from matching.errors import Fault, InputError

PREFIX = "MATCHING_"


class Settings(BaseModel):
    """How the service is set up; frozen, and the same for its whole life."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str = Field(
        default="sqlite:///var/service.db", min_length=1, description="The store: a SQLite file or a PostgreSQL server"
    )
    models: Path = Field(default=Path("var/models"), description="The folder of bundles; its champion is served")
    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one")
    max_body: int = Field(default=256 * 1024, ge=1024, le=2**30, description="The largest request body, in bytes")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much is logged")

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


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _check_url(text: str) -> None:
    """The text itself stays out of the message: a URL may hold a password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise _refused_url("is like sqlite:///var/service.db or postgresql+psycopg://user:password@host/name") from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise _refused_url("names a file: SQLite in memory keeps nothing")


def _refused_url(rule: str) -> InputError:
    return InputError("environment", [Fault(_variable("database_url"), rule)])
