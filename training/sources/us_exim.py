"""US EXIM authorizations: an exporter, a lender and a programme.

A product is lender, programme, policy type and term. Later rows of one deal with the same product are renewals: the
earliest stays. `Country`, `Disbursed/Shipped Amount`, `Deal Cancelled` and `Expiration Date` are consequences of the
deal or known only afterwards and are not read.
An exporter's size is told by the amount that stands as a small business's, as of the deal. Amounts of businesses owned
by women and by minorities are not read: nobody is ranked by them.
"""

import re
from pathlib import Path
from typing import Final

import pandas as pd

from matching.tables import Tables
from training.sources._deals import tables
from training.sources._industry import naics_or_sic
from training.sources._release import Sieve, Summary, open_release
from training.sources._values import (
    identifier,
    mapped,
    mapped_rows,
    month_first,
    nameless,
    number,
    plain,
    slug,
    us_region,
)

NAME: Final = "us-exim"
ATTRIBUTION: Final = "Export-Import Bank of the United States, authorizations data (public domain)"
CODE: Final = "Primary Export Product NAICS/SIC code"
AMOUNT: Final = "Approved/Declined Amount"
PRODUCT: Final = ["Primary Lender", "Program", "Policy Type", "Term"]
NEEDED: Final = (
    "Unique Identifier", "Deal Number", "Decision", "Decision Date", *PRODUCT, CODE, "Primary Exporter", AMOUNT,
)  # fmt: skip
SMALL: Final = "Small Business Authorized Amount"
OPTIONAL: Final = ("Primary Exporter City", "Primary Exporter State Code", SMALL)
STAGES: Final = {"approved": "granted", "declined": "declined"}
WHOLE: Final = 0.99  # the two amounts are rounded apart
_FORMS: Final = re.compile(
    r"(?: (?:NA|NAT(?:IONAL)? ASS(?:OCIATIO)?N|INC(?:ORPORATED)?|CORP(?:ORATION)?|CO|COMPANY|LL?C|LL?P|LTD|LIMITED|PLC"
    r"|FSB|SSB|ISAOA|ATIMA|THE|AND))+$"
)
_SPELLED: Final = re.compile(r"\b(\w) (?=\w\b)")


def read(file: Path) -> tuple[Tables, Summary]:
    """The release as tables, and what became of its rows. Raises `InputError`."""
    sieve = open_release(file, NEEDED, OPTIONAL)
    _sift(sieve)
    summary = sieve.summary(NAME)
    deals = _deals(sieve.rows)
    return tables(deals, _legs(sieve.rows), NAME, "USD", ATTRIBUTION), summary


def lender(text: str) -> str:
    """A lender's name in capitals, less accents, punctuation, places in brackets and legal forms; empty for none."""
    name = re.sub(r"\([^)]*\)", " ", plain(text).upper().replace("&", " AND "))
    name = re.sub(r"[^A-Z0-9]+", " ", re.sub(r"[.']", "", name)).strip()
    name = _SPELLED.sub(r"\1", name)
    name = _FORMS.sub("", name.removeprefix("THE "))[:72].strip()
    return "" if nameless(name) else name


def _sift(sieve: Sieve) -> None:
    rows = sieve.rows
    sieve.rows = rows.assign(
        **{
            "Unique Identifier": mapped(rows["Unique Identifier"], identifier),
            "Primary Exporter": mapped(rows["Primary Exporter"], identifier),
            "Primary Lender": mapped(rows["Primary Lender"], lender),
            "Decision": rows["Decision"].str.lower().map(STAGES),
        }
    )
    sieve.drop(sieve.rows["Unique Identifier"] == "", "Unique Identifier is empty")
    sieve.drop(mapped(sieve.rows["Primary Exporter"], nameless), "Primary Exporter is empty")
    sieve.drop(sieve.rows["Primary Lender"] == "", "Primary Lender is empty")
    sieve.drop(mapped(sieve.rows["Program"], slug) == "", "Program is empty")
    sieve.drop(sieve.rows["Decision"].isna(), "Decision is neither approved nor declined")
    sieve.money(AMOUNT, number)
    sieve.dates("Decision Date", month_first)
    _drop_renewals(sieve)
    sieve.codes(CODE, naics_or_sic)


def _drop_renewals(sieve: Sieve) -> None:
    sieve.drop(sieve.rows.duplicated("Unique Identifier"), "Unique Identifier is repeated")
    rows = sieve.rows
    deal = rows["Deal Number"].where(rows["Deal Number"] != "", rows["Unique Identifier"])
    again = rows.assign(deal=deal).duplicated(["deal", "Decision", *PRODUCT])
    sieve.drop(again, "renewal of an earlier deal")


def _deals(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "need_id": rows["Unique Identifier"],
            "enterprise_id": rows["Primary Exporter"],
            "at": rows["Decision Date"],
            "region": mapped_rows(us_region, rows["Primary Exporter State Code"], rows["Primary Exporter City"]),
            "industry": rows[CODE],
            "size": mapped_rows(_size, rows[SMALL], rows[AMOUNT]),
            "amount": rows[AMOUNT],
            "purpose": "export",
        }
    )


def _size(small: str, amount: int) -> str | None:
    """Small by the US standard where the whole amount stands as a small business's; large stands for any other.

    A part of it is that of small suppliers, whoever exports.
    """
    part = number(small)
    return None if part is None else "small" if part >= WHOLE * amount else "large"


def _legs(rows: pd.DataFrame) -> pd.DataFrame:
    lenders, types = rows["Primary Lender"], mapped(rows["Program"], slug).str[:20]
    policies = mapped(rows["Policy Type"], lambda text: identifier(text, 16))
    terms = mapped(rows["Term"], slug).str[:16]
    names = lenders + ", " + rows["Program"].str[:30] + " " + policies + " " + rows["Term"].str[:30]
    return pd.DataFrame(
        {
            "product_id": lenders + ":" + types + ":" + policies + ":" + terms,
            "product_name": names.str.replace(r"\s+", " ", regex=True).str.strip(),
            "kind": "credit",
            "type": types,
            "institution_id": lenders,
            "institution_name": lenders,
            "institution_kind": "bank",
            "institution_region": None,
            "stage": rows["Decision"],
            "amount": rows[AMOUNT],
        }
    )
