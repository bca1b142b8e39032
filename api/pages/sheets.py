"""A CSV that a spreadsheet opens: UTF-8 with its mark, times as the service's clock has them, and no formula."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from fastapi import Response
from fastapi.responses import StreamingResponse

from api.pages.languages import Language, local, marked

IN_MEMORY: Final = 1_000_000  # characters; more goes to disk
# A credit code of 18 digits loses its last three, 007 its zeros, 12E5 becomes 1200000 and 3-4 the third of April or the
# fourth of March.
READ: Final = re.compile(r"(?![1-9]\d{0,14}$)\d[\d.,:/+\-eE% ]*")
FORMULAS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")  # spreadsheets take the wide ones too

OF_NEED: Final[Mapping[str, str]] = {
    "need_id": marked("Need number"),
    "enterprise_id": marked("Enterprise number"),
    "enterprise_name": marked("Enterprise"),
    "region": marked("Region"),
    "size": marked("Size class"),
    "amount": marked("Amount needed"),
    "term_months": marked("Term, months"),
    "purpose": marked("Purpose"),
}


@dataclass(frozen=True)
class Columns:
    """A sheet's columns: each field's heading, which fields are codes, and which texts people or systems gave."""

    headings: Mapping[str, str]
    coded: tuple[str, ...]
    given: tuple[str, ...]

    def heads(self, language: Language, currency: str) -> list[str]:
        """The headings, of the amount with its currency."""
        told = {name: language.say(text) for name, text in self.headings.items()}
        return [language.counted(text, currency) if name == "amount" else text for name, text in told.items()]

    def cells(self, item: Any, language: Language, told: Mapping[str, Any]) -> list[Any]:
        """An item's line, in the order of the columns: what is `told` of it, else its fields; None where not known."""
        codes = {name: language.label(code) for name in self.coded if (code := getattr(item, name))}
        texts = {name: _verbatim(text) for name in self.given if (text := getattr(item, name))}
        found = {**codes, **texts, **told}
        return [found[name] if name in found else getattr(item, name) for name in self.headings]


def sheet(name: str, rows: Iterator[Iterable[Any]]) -> Response:
    """A file of that name with a line for each row; the first row is the columns' names."""
    lines = _written_down(chain(["\ufeff"], map(_line, rows)))
    whole = chain([next(lines)], lines)  # now, before anything is answered: what fails is told as on any page
    return StreamingResponse(
        whole, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def moment(at: datetime) -> str:
    """A time as a spreadsheet knows it."""
    return f"{local(at):%Y-%m-%d %H:%M}"


def _verbatim(text: str) -> str:
    """A text that a spreadsheet would take for a number or a day is made a text, as one that it takes for a formula."""
    return f"'{text}" if READ.fullmatch(text) else text


def _written_down(lines: Iterator[str]) -> Iterator[str]:
    """The lines, all of them made before the first is sent: who reads slowly holds no connection of the store."""
    with SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="") as written:
        written.writelines(lines)
        written.seek(0)
        yield from written


def _line(cells: Iterable[Any]) -> str:
    written = StringIO()
    csv.writer(written).writerow(map(_harmless, cells))
    return written.getvalue()


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is made a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value
