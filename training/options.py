"""The options that commands share and what they mean: a model, a date, a filter of products, a file of true chances."""

from datetime import date
from pathlib import Path
from typing import Annotated, Final

import pandas as pd
import typer
from pydantic import TypeAdapter, ValidationError

from matching.bundles import bundle, champion, manifests
from matching.domain import Day as TableDay
from matching.errors import Fault, InputError
from matching.ranker import Ranker

DAY: Final[TypeAdapter[date]] = TypeAdapter(TableDay)

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A folder of tables.")]
Models = Annotated[Path, typer.Option(metavar="MODELS", help="The folder of bundles.")]
Since = Annotated[str, typer.Option("--from", metavar="DATE", help="The first day of the test, YYYY-MM-DD.")]
End = Annotated[str | None, typer.Option(metavar="DATE", help="The first day after the test, YYYY-MM-DD.")]
Filter = Annotated[
    list[str] | None, typer.Option("--where", metavar="COLUMN=VALUE[,VALUE]", help="Keep only these products.")
]
Everyone = Annotated[bool, typer.Option("--all-industries", help="Not only manufacturing enterprises.")]
Seed = Annotated[int, typer.Option(min=0, max=10**9, help="The same seed gives the same bytes.")]
Truth = Annotated[Path | None, typer.Option(help="A simulated market's truth.parquet: gains are chances.")]
Report = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="The report as JSON.")]
Model = Annotated[str | None, typer.Option("--model", metavar="ID", help="By default the champion, else the latest.")]


def ranker_of(models: Path, model_id: str | None) -> Ranker:
    return Ranker.load(bundle_of(models, model_id))


def bundle_of(models: Path, model_id: str | None) -> Path:
    """The bundle that is named, else the champion, else the newest."""
    if model_id:
        return bundle(models, model_id)
    if (models / "champion").exists():
        return champion(models)
    found = sorted(manifests(models), key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(str(models), [Fault("--models", "holds at least one model")])
    return found[-1].parent


def truth_of(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(str(path), [Fault("--truth", "is a file that exists")])
    try:
        return pd.read_parquet(path, columns=["need_id", "product_id", "chance", "granted"])
    except ValueError as error:
        why = str(error).partition("\n")[0]
        raise InputError(str(path), [Fault("--truth", f"is a simulated market's truth.parquet: {why}")]) from None


def filters_of(filters: list[str] | None) -> dict[str, list[str]]:
    """By column all values it was given; a product is kept that has one of them in each."""
    found: dict[str, list[str]] = {}
    for text in filters or []:
        column, equals, values = text.partition("=")
        if not (column and equals and values):
            raise InputError("--where", [Fault("--where", f"is COLUMN=VALUE[,VALUE], not {text!r}")])
        found.setdefault(column, []).extend(value.strip() for value in values.split(","))
    return found


def date_of(option: str, text: str) -> date:
    """A day that tables may hold: past these years the time stamps that it is compared with end."""
    try:
        return DAY.validate_python(text)
    except ValidationError:
        rule = f"is a date (YYYY-MM-DD) of the years 1700 to 2200, not {text!r}"
        raise InputError(option, [Fault(option, rule)]) from None
