"""BNDES open data, pre-shipment export credit: an exporter, a bank and a financial instrument.

The public release has semicolons and windows-1252; commas and UTF-8 are read too. Bank names are today's legal names
written back in time, so the tax number identifies a bank. `valor_desembolsado_em_reais` and `situacao_da_operacao` are
known only afterwards and are not read.
"""

import re
from pathlib import Path
from typing import Final

import pandas as pd

from matching.tables import Tables
from training.sources._deals import need_ids, tables
from training.sources._industry import cnae
from training.sources._release import Sieve, Summary, open_release
from training.sources._values import (
    brazilian_number,
    day_first,
    identifier,
    mapped,
    mapped_rows,
    nameless,
    plain,
    slug,
    undotted,
)

NAME: Final = "bndes"
ATTRIBUTION: Final = "BNDES, Dados Abertos: operações de exportação pré-embarque (Open Database License, ODbL)"
AMOUNT: Final = "valor_da_operacao_em_reais"
DAY: Final = "data_da_contratacao"
BANK: Final = "instituicao_financeira_credenciada"
CNPJ: Final = "cnpj_do_agente_financeiro"
NEEDED: Final = (
    "cliente", "uf", "municipio_codigo", DAY, AMOUNT, "instrumento_financeiro", "subsetor_cnae_codigo",
    "porte_do_cliente", BANK, CNPJ,
)  # fmt: skip
OPTIONAL: Final = (
    "natureza_do_cliente", "municipio", "fonte_de_recurso_desembolsos", "forma_de_apoio", "subsetor_cnae_nome",
    "subsetor_bndes",
)  # fmt: skip
SIZES: Final = {"GRANDE": "large", "MEDIA": "medium", "PEQUENA": "small", "MICRO": "micro"}


def read(file: Path) -> tuple[Tables, Summary]:
    """The release as tables, and what became of its rows. Raises `InputError`."""
    sieve = open_release(file, NEEDED, OPTIONAL)
    _sift(sieve)
    summary = sieve.summary(NAME)
    return tables(_deals(sieve.rows), _legs(sieve.rows), NAME, "BRL", ATTRIBUTION), summary


def _sift(sieve: Sieve) -> None:
    sieve.drop(mapped(sieve.rows["cliente"], nameless), "cliente is empty")
    sieve.drop(mapped(sieve.rows[BANK], nameless), f"{BANK} is empty")
    sieve.drop(~sieve.rows[CNPJ].str.contains("[1-9]"), f"{CNPJ} is empty")
    sieve.parse(CNPJ, _tax_number, "a tax number in full")
    sieve.drop(sieve.rows["instrumento_financeiro"].map(slug) == "", "instrumento_financeiro is empty")
    sieve.money(AMOUNT, brazilian_number)
    sieve.dates(DAY, day_first)
    sieve.drop(sieve.rows.duplicated(), "duplicate of an earlier row")
    sieve.codes("subsetor_cnae_codigo", cnae)


def _deals(rows: pd.DataFrame) -> pd.DataFrame:
    deals = pd.DataFrame(
        {
            "enterprise_id": mapped(rows["cliente"], identifier),
            "at": rows[DAY],
            "region": mapped_rows(_region, rows["uf"], rows["municipio_codigo"]),
            "industry": rows["subsetor_cnae_codigo"],
            "size": mapped(rows["porte_do_cliente"], lambda text: SIZES.get(plain(text).upper())),
            "ownership": mapped(rows["natureza_do_cliente"], lambda text: identifier(text.lower(), 64) or None),
            "amount": rows[AMOUNT],
            "purpose": "export",
        }
    )
    return deals.assign(need_id=need_ids(deals))


def _tax_number(text: str) -> str | None:
    """The fourteen digits of a bank's tax number, with the zeros at its front that a spreadsheet takes away.

    One that it shows as `3.31407E+13` is none: other banks have the same.
    """
    text = undotted(text)
    return None if re.search("[A-Za-z]", text) else re.sub(r"\D", "", text).zfill(14)


def _region(state: str, municipality: str) -> str | None:
    state = state.upper()
    if not re.fullmatch(r"[A-Z]{2}", state):
        return None
    municipality = undotted(municipality)
    return f"BR/{state}/{municipality}" if re.fullmatch(r"\d{6,7}", municipality) else f"BR/{state}"


def _legs(rows: pd.DataFrame) -> pd.DataFrame:
    instruments = mapped(rows["instrumento_financeiro"], lambda text: slug(text)[:64])
    banks = mapped(rows[BANK], lambda text: identifier(text, 100))
    return pd.DataFrame(
        {
            "product_id": rows[CNPJ] + ":" + instruments,
            "product_name": banks + ", " + rows["instrumento_financeiro"].str[:90],
            "kind": "credit",
            "type": instruments,
            "institution_id": rows[CNPJ],
            "institution_name": banks,
            "institution_kind": "bank",
            "institution_region": None,
            "stage": "granted",
            "amount": rows[AMOUNT],
        }
    )
