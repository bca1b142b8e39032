"""US Treasury SSBCI transactions: a small firm and the type of state programme that supported it.

There is no lender and no borrower id: the five programme types are institutions and products, each row is an
enterprise of its own. The year is the only date, so a deal stands at its first day: a year sees earlier years alone.
For a cluster, which the release does not know, stands the kind of area that the enterprise lies in: within a
metropolitan area or not, and whether its tract is one of low and moderate income.
Premiums, guaranteed amounts, support, the programme's name, concurrent or later financing and jobs follow from the
programme chosen, or are known only afterwards, and are not read.
"""

from pathlib import Path
from typing import Final

import pandas as pd

from matching.domain import MAX_MONEY
from matching.tables import Tables
from training.sources._deals import tables
from training.sources._industry import naics
from training.sources._release import Sieve, Summary, open_release
from training.sources._values import mapped_rows, number, slug, us_zip_region, whole, year

NAME: Final = "ssbci"
ATTRIBUTION: Final = "U.S. Department of the Treasury, SSBCI transactions dataset (public domain)"
NEEDED: Final = (
    "state_id", "program_type", "loan_investment_amount", "revenue", "full_time_employees", "naics_code",
    "year_incorporated", "year_reported", "zip_code",
)  # fmt: skip
OPTIONAL: Final = ("metro_type", "LMI_type")
LABELS: Final = {
    "capital_access": "Capital access",
    "guarantee": "Loan guarantee",
    "participation": "Loan participation",
    "collateral_support": "Collateral support",
    "venture_capital": "Venture capital",
}
TYPES: Final = {
    "cap": "capital_access",
    "capital_access": "capital_access",
    "capital_access_program": "capital_access",
    "guarantee": "guarantee",
    "loan_guarantee": "guarantee",
    "participation": "participation",
    "loan_participation": "participation",
    "collateral_support": "collateral_support",
    "venture_capital": "venture_capital",
}
PLACES: Final = {"metro": "metro", "non_metro": "rural"}
TRACTS: Final = {"lmi": "low_income", "non_lmi": "other"}
FOUNDED_FROM: Final = 1850


def read(file: Path) -> tuple[Tables, Summary]:
    """The release as tables, and what became of its rows. Raises `InputError`."""
    sieve = open_release(file, NEEDED, OPTIONAL)
    _sift(sieve)
    summary = sieve.summary(NAME)
    return tables(_deals(sieve.rows), _legs(sieve.rows), NAME, "USD", ATTRIBUTION), summary


def _sift(sieve: Sieve) -> None:
    sieve.parse("program_type", lambda text: TYPES.get(slug(text)), "a known programme type")
    sieve.money("loan_investment_amount", number)
    sieve.dates("year_reported", year, "a year")
    sieve.codes("naics_code", naics)


def _deals(rows: pd.DataFrame) -> pd.DataFrame:
    at = rows["year_reported"]
    running = rows.groupby("year_reported").cumcount() + 1
    ids = "ssbci-" + at.dt.strftime("%Y") + "-" + running.astype(str).str.zfill(6)
    return pd.DataFrame(
        {
            "need_id": ids,
            "enterprise_id": ids,
            "at": at,
            "region": mapped_rows(_region, rows["state_id"], rows["zip_code"]),
            "industry": rows["naics_code"],
            "founded": _founded(rows["year_incorporated"], at),
            "cluster": mapped_rows(_area, rows["metro_type"], rows["LMI_type"]),
            "employees": whole(rows["full_time_employees"], 0, 10**7),
            "revenue": whole(rows["revenue"], 1, MAX_MONEY),
            "amount": rows["loan_investment_amount"],
        }
    )


def _region(participant: str, zip_code: str) -> str | None:
    """A participant may be a part of a state: `ND-M` lies in `ND`. The first letters of a name are no state."""
    return us_zip_region("" if participant[2:3].islower() else participant[:2], zip_code)


def _area(metro: str, lmi: str) -> str | None:
    """Both in one code; None where either is not known."""
    place, tract = PLACES.get(slug(metro)), TRACTS.get(slug(lmi))
    return f"{place}_{tract}" if place and tract else None


def _founded(years: pd.Series, reported: pd.Series) -> pd.Series:
    """The first day of the year; missing before 1850 (1801 stands for unknown) and after the year of the deal."""
    values = whole(years, FOUNDED_FROM, 2100)
    values = values.where(values <= reported.dt.year)
    return pd.to_datetime(values.astype("string"), format="%Y").astype("datetime64[ns]")


def _legs(rows: pd.DataFrame) -> pd.DataFrame:
    types = rows["program_type"]
    return pd.DataFrame(
        {
            "product_id": types,
            "product_name": types.map(LABELS),
            "kind": "credit",
            "type": types,
            "institution_id": types,
            "institution_name": types.map(LABELS),
            "institution_kind": "guarantor",
            "institution_region": None,
            "stage": "granted",
            "amount": rows["loan_investment_amount"],
        }
    )
