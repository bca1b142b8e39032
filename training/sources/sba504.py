"""US SBA 504 loans (FOIA release): a development company's debenture and, from 2002 on, a bank's first-lien loan.

Both legs of a deal are outcomes of one need. `LoanStatus` and the charge-off columns are known only afterwards and
are not read.
"""

from pathlib import Path
from typing import Final

import pandas as pd

from matching.domain import MAX_MONEY
from matching.tables import Tables
from training.sources._deals import need_ids, tables
from training.sources._industry import naics
from training.sources._release import Sieve, Summary, open_release
from training.sources._values import (
    capitals,
    identifier,
    mapped,
    mapped_rows,
    month_first,
    nameless,
    number,
    us_region,
    us_zip_region,
    whole,
)

NAME: Final = "sba504"
ATTRIBUTION: Final = "U.S. Small Business Administration, 504 loan data (FOIA release, public domain)"
NEEDED: Final = (
    "BorrName", "BorrState", "BorrZip", "CDC_Name", "ThirdPartyLender_Name", "ThirdPartyDollars", "GrossApproval",
    "ApprovalDate", "TermInMonths", "NaicsCode",
)  # fmt: skip
OPTIONAL: Final = (
    "CDC_City", "CDC_State", "CDC_Zip", "ThirdPartyLender_City", "ThirdPartyLender_State", "BusinessType",
)  # fmt: skip


def read(file: Path) -> tuple[Tables, Summary]:
    """The release as tables, and what became of its rows. Raises `InputError`."""
    sieve = open_release(file, NEEDED, OPTIONAL)
    _sift(sieve)
    summary = sieve.summary(NAME)
    rows = sieve.rows
    legs = pd.concat([_cdc_legs(rows), _bank_legs(rows)]).assign(stage="granted")
    return tables(_deals(rows), legs, NAME, "USD", ATTRIBUTION), summary


def _sift(sieve: Sieve) -> None:
    for column in ("CDC_Name", "ThirdPartyLender_Name"):
        sieve.rows[column] = mapped(sieve.rows[column], _institution_name)
    sieve.drop(mapped(sieve.rows["BorrName"], nameless), "BorrName is empty")
    nobody = (sieve.rows["CDC_Name"] == "") & (sieve.rows["ThirdPartyLender_Name"] == "")
    sieve.drop(nobody, "no institution is named")
    sieve.money("GrossApproval", number)
    sieve.dates("ApprovalDate", month_first)
    sieve.codes("NaicsCode", naics)


def _institution_name(text: str) -> str:
    name = capitals(text, 120)
    return "" if nameless(name) else name


def _deals(rows: pd.DataFrame) -> pd.DataFrame:
    deals = pd.DataFrame(
        {
            "enterprise_id": mapped(rows["BorrName"], identifier),
            "at": rows["ApprovalDate"],
            "region": mapped_rows(us_zip_region, rows["BorrState"], rows["BorrZip"]),
            "industry": rows["NaicsCode"],
            "ownership": mapped(rows["BusinessType"], lambda text: identifier(text.lower(), 64) or None),
            "amount": rows["GrossApproval"],
            "term_months": whole(rows["TermInMonths"], 1, 600),
            "purpose": "fixed_asset",
        }
    )
    return deals.assign(need_id=need_ids(deals))


def _cdc_legs(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["CDC_Name"] != ""]
    regions = mapped_rows(_cdc_region, rows["CDC_State"], rows["CDC_Zip"], rows["CDC_City"])
    legs = _legs("cdc", rows["CDC_Name"], regions)
    return legs.assign(amount=rows["GrossApproval"], kind="bond", type="debenture", institution_kind="underwriter")


def _bank_legs(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["ThirdPartyLender_Name"] != ""]
    regions = mapped_rows(us_region, rows["ThirdPartyLender_State"], rows["ThirdPartyLender_City"])
    legs = _legs("bank", rows["ThirdPartyLender_Name"], regions)
    amount = whole(rows["ThirdPartyDollars"], 1, MAX_MONEY)
    return legs.assign(amount=amount, kind="credit", type="fixed_asset", institution_kind="bank")


def _legs(family: str, names: pd.Series, regions: pd.Series) -> pd.DataFrame:
    """An institution has one product: both bear one id."""
    ids = family + ":" + names
    return pd.DataFrame(
        {
            "product_id": ids,
            "product_name": names,
            "institution_id": ids,
            "institution_name": names,
            "institution_region": regions,
        }
    )


def _cdc_region(state: str, zip_code: str, city: str) -> str | None:
    return us_zip_region(state, zip_code) if zip_code else us_region(state, city)
