"""The four readers: what a row becomes, which rows are left out, and that nothing later can reach an earlier row."""

import re
from datetime import date
from random import Random

import pandas as pd
import pytest

from matching.errors import InputError
from tests.releases import AFTERWARDS, AMOUNTS, DATES, release, row
from training.sources import SOURCES, read
from training.sources._deals import need_ids
from training.sources.bndes import BANK
from training.sources.us_exim import SMALL

SOURCE_NAMES = list(SOURCES)


def imported(folder, source, *rows):
    return read(source, release(folder, list(rows)))


def values(frame, *columns):
    """One dict of plain values a row; None for missing."""
    rows = frame[list(columns)].astype(object).to_dict("records")
    return [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def only(frame):
    """The single row's facts that are not missing."""
    [facts] = values(frame, *frame.columns)
    return {key: value for key, value in facts.items() if value is not None}


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """What each source's crowd becomes; imported once for the tests that only look."""
    return {source: imported(tmp_path_factory.mktemp(source), source, *crowd(source)) for source in SOURCES}


def dated(source, day):
    if source == "ssbci":
        return str(day.year)
    return day.strftime("%d/%m/%Y") if source == "bndes" else day.isoformat()


def crowd(source, count=60):
    """Rows of many days in no order, in which few borrowers, institutions and places meet again and again."""
    draw = Random(3)
    return [_any_row(source, draw, k) for k in range(count)]


def _any_row(source, draw, k):
    day = date(draw.randint(2010, 2013), draw.randint(1, 12), draw.randint(1, 3))
    place, who = draw.choice(["CA", "NV", ""]), draw.randint(1, 6)
    choices = {
        "sba504": {"BorrName": f"B{who}", "BorrState": place, "ThirdPartyLender_Name": draw.choice(["", "A", "B"])}
        | {"CDC_Name": f"C{who % 3}", "CDC_State": place, "NaicsCode": draw.choice(["", "333512", "423310"])},
        "us-exim": {
            "Primary Exporter": f"X{who}",
            "Primary Lender": draw.choice(["A", "B N.A."]),
            "Deal Number": f"D{who}",
        }
        | {"Unique Identifier": f"U{k}", "Primary Exporter State Code": place},
        "bndes": {
            "cliente": f"C{who}",
            "cnpj_do_agente_financeiro": f"{who % 3}1",
            "porte_do_cliente": "GRANDE" * (who % 2),
        }
        | {"instituicao_financeira_credenciada": draw.choice(["A", "B", "SEM NOME"])},
        "ssbci": {"state_id": place, "program_type": draw.choice(["CAP", "Venture Capital"]), "zip_code": f"9000{who}"},
    }
    amount = {AMOUNTS[source]: draw.choice(["0", "100", "200"]), DATES[source]: dated(source, day) if k % 20 else ""}
    return row(source, **(choices[source] | amount))


def assert_same_until(full, cut, until):
    """The full tables before `until` are the cut ones; institutions, which bear no date, begin with the cut ones."""
    for name, frame in full.before(until):
        expected = getattr(cut, name)
        frame = frame.head(len(expected)) if name == "institutions" else frame
        pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_a_file_cut_at_a_date_gives_the_tables_known_before_that_date(tmp_path, crowds, source):
    early = [cells for cells in crowd(source) if not {"2012", "2013"} & set(re.findall(r"\d{4}", cells[DATES[source]]))]
    full, cut = crowds[source][0], imported(tmp_path, source, *early)[0]
    assert 0 < len(cut.needs) < len(full.needs)
    assert_same_until(full, cut, date(2012, 1, 1))


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_columns_known_only_afterwards_change_nothing(tmp_path, crowds, source):
    altered = [cells | dict.fromkeys(AFTERWARDS[source], f"later {k}") for k, cells in enumerate(crowd(source))]
    before, after = crowds[source], imported(tmp_path, source, *altered)
    assert before[1] == after[1]
    for name, frame in before[0]:
        pd.testing.assert_frame_equal(frame, getattr(after[0], name))


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_every_row_read_is_kept_or_dropped_for_one_reason_and_rows_kept_are_the_needs(crowds, source):
    tables, summary = crowds[source]
    assert summary.read == 60 == summary.kept + sum(summary.dropped.values())
    assert summary.kept == len(tables.needs)
    assert {f"{AMOUNTS[source]} is not above zero", f"{DATES[source]} is empty"} <= set(summary.dropped)


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_tables_name_their_source_currency_and_credit_line(crowds, source):
    tables, summary = crowds[source]
    assert (tables.source, summary.source, tables.simulated) == (source, source, False)
    assert tables.currency == ("BRL" if source == "bndes" else "USD")
    assert ("ODbL" if source == "bndes" else "public domain") in tables.attribution


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("sba504", ["BorrName", "CDC_Name", "ThirdPartyLender_Name", "ThirdPartyLender_City", "BusinessType"]),
        ("us-exim", ["Primary Exporter", "Primary Lender", "Primary Exporter City", "Program", "Policy Type", "Term"]),
        ("bndes", ["cliente", "instituicao_financeira_credenciada", "instrumento_financeiro", "natureza_do_cliente"]),
    ],
)
def test_texts_longer_than_an_id_or_a_name_are_cut(tmp_path, source, columns):
    tables, _ = imported(tmp_path, source, row(source, **dict.fromkeys(columns, "Acme / Söhne " * 50)))
    assert tables.enterprises["enterprise_id"].tolist() == [("Acme Söhne " * 50)[:128].strip()]


def test_needs_of_enterprises_whose_ids_begin_alike_are_numbered_together():
    firms = ["A" * 100 + "one", "A" * 100 + "two", "B", "B"]
    found = need_ids(pd.DataFrame({"enterprise_id": firms, "at": pd.Timestamp(2024, 5, 1)}))
    assert found.tolist() == [f"{'A' * 100}.20240501.1", f"{'A' * 100}.20240501.2", "B.20240501.1", "B.20240501.2"]


def test_sba504_gives_one_need_and_an_outcome_for_each_leg(tmp_path):
    tables, _ = imported(tmp_path, "sba504", row("sba504"))
    day = pd.Timestamp(2003, 5, 6)
    assert only(tables.needs) == {
        "need_id": "B1.20030506.1",
        "enterprise_id": "B1",
        "posted_at": day,
        "amount": 200_000,
        "term_months": 240,
        "purpose": "fixed_asset",
    }
    assert only(tables.enterprises) == {
        "enterprise_id": "B1",
        "as_of": day,
        "region": "US/CA/900/90001",
        "latitude": 33.9731,
        "longitude": -118.2479,
        "industry": "C/333/333512",
        "ownership": "corporation",
    }
    assert values(tables.outcomes, "product_id", "stage", "at", "amount") == [
        {"product_id": "cdc:VALLEY DEVELOPMENT CORP", "stage": "granted", "at": day, "amount": 200_000},
        {"product_id": "bank:FIRST BANK", "stage": "granted", "at": day, "amount": 300_000},
    ]


def test_sba504_products_are_institutions_dated_by_their_first_deal(tmp_path):
    later = row("sba504", BorrName="B2", ApprovalDate="12/31/2004", CDC_Zip="94000", ThirdPartyLender_City="Reno")
    tables, _ = imported(tmp_path, "sba504", later, row("sba504"))
    assert values(tables.products, "product_id", "institution_id", "valid_from", "kind", "type") == [
        {
            "product_id": f"{family}:{name}",
            "institution_id": f"{family}:{name}",
            "valid_from": pd.Timestamp(2003, 5, 6),
            "kind": kind,
            "type": type_,
        }
        for family, name, kind, type_ in (
            ("cdc", "VALLEY DEVELOPMENT CORP", "bond", "debenture"),
            ("bank", "FIRST BANK", "credit", "fixed_asset"),
        )
    ]
    assert values(tables.institutions, "kind", "region") == [
        {"kind": "underwriter", "region": "US/CA/936/93650"},
        {"kind": "bank", "region": "US/CA/LOS ANGELES"},
    ]


def test_sba504_keeps_a_deal_with_one_institution_and_drops_one_with_none(tmp_path):
    inactive = {"CDC_Name": "MISSNG/INACTV LENDER"}
    tables, summary = imported(
        tmp_path,
        "sba504",
        row("sba504", ThirdPartyLender_Name="", ThirdPartyDollars=""),
        row("sba504", **inactive, ThirdPartyDollars=""),
        row("sba504", **inactive, ThirdPartyLender_Name=""),
        row("sba504", BorrName=" "),
    )
    assert summary.dropped == {"BorrName is empty": 1, "no institution is named": 1}
    assert values(tables.outcomes, "need_id", "product_id", "amount") == [
        {"need_id": "B1.20030506.1", "product_id": "cdc:VALLEY DEVELOPMENT CORP", "amount": 200_000},
        {"need_id": "B1.20030506.2", "product_id": "bank:FIRST BANK", "amount": None},
    ]


def test_the_first_row_of_a_day_states_the_enterprise(tmp_path):
    tables, _ = imported(tmp_path, "sba504", row("sba504"), row("sba504", BorrZip="", NaicsCode="", TermInMonths="0"))
    assert only(tables.enterprises)["region"] == "US/CA/900/90001"
    assert tables.needs["term_months"].tolist() == [240, pd.NA]


def test_us_exim_gives_a_product_for_lender_programme_policy_type_and_term(tmp_path):
    cells = {
        "Policy Type": "ENB",
        "Program": "Insurance",
        "Term": "Medium Term",
        "Primary Lender": "The Bank of East/West, N.A.",
    }
    tables, _ = imported(tmp_path, "us-exim", row("us-exim"), row("us-exim", **cells, **{"Unique Identifier": "U2"}))
    assert values(tables.products, "product_id", "type", "kind", "institution_id") == [
        {
            "product_id": "FIRST BANK:working_capital::short_term",
            "type": "working_capital",
            "kind": "credit",
            "institution_id": "FIRST BANK",
        },
        {
            "product_id": "BANK OF EAST WEST:insurance:ENB:medium_term",
            "type": "insurance",
            "kind": "credit",
            "institution_id": "BANK OF EAST WEST",
        },
    ]
    assert values(tables.needs, "need_id", "amount", "purpose") == [
        {"need_id": "U1", "amount": 1001, "purpose": "export"},
        {"need_id": "U2", "amount": 1001, "purpose": "export"},
    ]
    assert only(tables.enterprises)["region"] == "US/CA/LOS ANGELES"


def test_us_exim_takes_an_exporter_for_small_where_the_whole_amount_is_a_small_business_s(tmp_path):
    amounts = {"1000.6": "small", "991": "small", "990": "large", "400": "large", "0.0": "large", "": None}
    rows = [
        row(
            "us-exim",
            **{"Unique Identifier": f"U{k}", "Deal Number": f"D{k}", "Primary Exporter": f"X{k}", SMALL: text},
        )
        for k, text in enumerate(amounts)
    ]
    tables, _ = imported(tmp_path, "us-exim", *rows)
    assert values(tables.enterprises, "size") == [{"size": size} for size in amounts.values()]


def test_us_exim_without_a_column_of_small_businesses_knows_no_size(tmp_path):
    cells = {name: cell for name, cell in row("us-exim").items() if name != SMALL}
    tables, _ = imported(tmp_path, "us-exim", cells)
    assert values(tables.enterprises, "size") == [{"size": None}]


def test_us_exim_keeps_the_earliest_row_of_a_deal_and_product(tmp_path):
    renewals = [
        row("us-exim", **{"Unique Identifier": "U3", "Decision Date": "2012-01-01", "Primary Lender": "FIRST BANK NA"}),
        row("us-exim", **{"Unique Identifier": "U1", "Decision Date": "2011-01-01"}),
        row("us-exim", **{"Unique Identifier": "U2", "Decision Date": "2012-01-01", "Term": "Long Term"}),
        row("us-exim", **{"Unique Identifier": "U4", "Decision Date": "2012-01-02", "Deal Number": ""}),
        row("us-exim", **{"Unique Identifier": "U4", "Decision Date": "2012-01-03", "Deal Number": "D9"}),
        row("us-exim", **{"Unique Identifier": "U0", "Decision Date": "2010-01-01", "Approved/Declined Amount": "0.4"}),
    ]
    tables, summary = imported(tmp_path, "us-exim", *renewals)
    assert tables.needs["need_id"].tolist() == ["U1", "U2", "U4"]
    assert summary.dropped == {
        "Approved/Declined Amount is not above zero": 1,
        "Unique Identifier is repeated": 1,
        "renewal of an earlier deal": 1,
    }


def test_us_exim_tells_declined_from_granted_and_drops_rows_without_a_party(tmp_path):
    tables, summary = imported(
        tmp_path,
        "us-exim",
        row("us-exim", Decision="DECLINED"),
        row("us-exim", **{"Unique Identifier": "U2"}),
        row("us-exim", **{"Unique Identifier": "U3", "Primary Lender": "To be determined"}),
        row("us-exim", **{"Unique Identifier": "U4", "Primary Exporter": "N/A"}),
        row("us-exim", **{"Unique Identifier": "U5"}, Program=""),
        row("us-exim", **{"Unique Identifier": "U6"}, Decision="Pending"),
        row("us-exim", **{"Unique Identifier": ""}),
    )
    assert tables.outcomes["stage"].tolist() == ["declined", "granted"]
    assert summary.dropped == {
        "Unique Identifier is empty": 1,
        "Primary Exporter is empty": 1,
        "Primary Lender is empty": 1,
        "Program is empty": 1,
        "Decision is neither approved nor declined": 1,
    }


@pytest.mark.parametrize(
    ("name", "columns", "reason"),
    [
        ("sba504", ["BorrName"], "BorrName is empty"),
        ("sba504", ["CDC_Name", "ThirdPartyLender_Name"], "no institution is named"),
        ("us-exim", ["Primary Exporter"], "Primary Exporter is empty"),
        ("us-exim", ["Primary Lender"], "Primary Lender is empty"),
        ("bndes", ["cliente"], "cliente is empty"),
        ("bndes", [BANK], f"{BANK} is empty"),
    ],
)
def test_what_is_written_where_a_name_is_missing_names_nobody(tmp_path, name, columns, reason):
    texts = ["NULL", "nan", "None", "N/A", "#N/A", "Unknown", "-"]
    _, summary = imported(tmp_path, name, row(name), *(row(name, **dict.fromkeys(columns, text)) for text in texts))
    assert summary.dropped == {reason: len(texts)}


@pytest.mark.parametrize("text", ["-", "…", "?"])
def test_us_exim_leaves_out_a_row_whose_programme_has_no_letter_and_keeps_the_others(tmp_path, text):
    tables, summary = imported(tmp_path, "us-exim", row("us-exim"), row("us-exim", Program=text))
    assert summary.dropped == {"Program is empty": 1}
    assert len(tables.needs) == 1


def test_bndes_gives_a_product_for_bank_and_instrument(tmp_path):
    tables, _ = imported(tmp_path, "bndes", row("bndes"))
    day = pd.Timestamp(2002, 1, 8)
    assert only(tables.products) == {
        "product_id": "11222333000144:bndes_exim_pre_embarque_agil",
        "valid_from": day,
        "institution_id": "11222333000144",
        "name_zh": "BANCO UM S A, BNDES EXIM PRÉ-EMBARQUE - Ágil",
        "name_en": "BANCO UM S A, BNDES EXIM PRÉ-EMBARQUE - Ágil",
        "kind": "credit",
        "type": "bndes_exim_pre_embarque_agil",
    }
    assert only(tables.enterprises) == {
        "enterprise_id": "C1",
        "as_of": day,
        "region": "BR/SP/3550308",
        "industry": "C/10/101/1011200",
        "size": "medium",
        "ownership": "privada",
    }
    assert values(tables.needs, "need_id", "amount") == [{"need_id": "C1.20020108.1", "amount": 7_028_400}]


def test_bndes_knows_a_bank_by_its_code_whatever_its_name(tmp_path):
    renamed = row("bndes", instituicao_financeira_credenciada="BANCO NOVO", data_da_contratacao="09/01/2002")
    tables, _ = imported(tmp_path, "bndes", renamed, row("bndes", cnpj_do_agente_financeiro="11222333000144"))
    assert values(tables.institutions, "institution_id", "name_en", "kind") == [
        {"institution_id": "11222333000144", "name_en": "BANCO UM S A", "kind": "bank"}
    ]
    assert len(tables.outcomes) == 2


@pytest.mark.parametrize("written", ["191", "191.0", "00.000.000/0001-91", "00.000.000.0001-91"])
def test_bndes_knows_a_bank_by_its_code_as_a_spreadsheet_writes_it_again(tmp_path, written):
    tables, _ = imported(tmp_path, "bndes", row("bndes", cnpj_do_agente_financeiro=written))
    assert only(tables.institutions)["institution_id"] == "00000000000191"


def test_bndes_takes_no_code_that_a_spreadsheet_has_rounded_for_a_bank(tmp_path):
    rounded = row("bndes", cnpj_do_agente_financeiro="3,31407E+13")
    with pytest.raises(InputError, match=r"cnpj_do_agente_financeiro \(row 1\): is a tax number in full, not '3,3"):
        imported(tmp_path, "bndes", rounded)
    _, summary = imported(tmp_path, "bndes", *(row("bndes", cliente=f"C{k}") for k in range(20)), rounded)
    assert summary.dropped == {"cnpj_do_agente_financeiro is not a tax number in full": 1}


def test_bndes_knows_a_state_s_code_in_either_case(tmp_path):
    assert only(imported(tmp_path, "bndes", row("bndes", uf="sp"))[0].enterprises)["region"] == "BR/SP/3550308"


def test_bndes_drops_exact_duplicates_and_rows_without_a_bank(tmp_path):
    _, summary = imported(
        tmp_path,
        "bndes",
        row("bndes"),
        row("bndes", valor_desembolsado_em_reais="1"),
        row("bndes", valor_da_operacao_em_reais="7.028.401"),
        row("bndes", instituicao_financeira_credenciada="Sem Nome"),
        row("bndes", cnpj_do_agente_financeiro="00.000.000.0000-00"),
        row("bndes", cliente=""),
        row("bndes", instrumento_financeiro="-"),
    )
    assert summary.dropped == {
        "cliente is empty": 1,
        "instituicao_financeira_credenciada is empty": 1,
        "cnpj_do_agente_financeiro is empty": 1,
        "instrumento_financeiro is empty": 1,
        "duplicate of an earlier row": 1,
    }


def test_bndes_states_the_size_class_when_it_is_known(tmp_path):
    sizes = ["GRANDE", "MÉDIA", "Pequena", "MICRO", "SEM PORTE"]
    rows = [row("bndes", cliente=f"C{k}", porte_do_cliente=size) for k, size in enumerate(sizes)]
    stated = values(imported(tmp_path, "bndes", *rows)[0].enterprises, "size")
    assert [facts["size"] for facts in stated] == ["large", "medium", "small", "micro", None]


def test_ssbci_makes_each_row_an_enterprise_and_each_programme_type_an_institution(tmp_path):
    rows = [row("ssbci", program_type="Venture Capital"), row("ssbci", year_reported="2011"), row("ssbci")]
    tables, _ = imported(tmp_path, "ssbci", *rows)
    assert tables.enterprises["enterprise_id"].tolist() == [
        f"ssbci-{k}" for k in ("2011-000001", "2012-000001", "2012-000002")
    ]
    assert tables.outcomes["product_id"].tolist() == ["capital_access", "venture_capital", "capital_access"]
    assert values(tables.products, "product_id", "type", "institution_id", "valid_from") == [
        {"product_id": type_, "type": type_, "institution_id": type_, "valid_from": pd.Timestamp(year, 1, 1)}
        for type_, year in (("capital_access", 2011), ("venture_capital", 2012))
    ]


def test_ssbci_states_the_facts_of_the_firm_as_of_the_first_day_of_the_year(tmp_path):
    tables, _ = imported(tmp_path, "ssbci", row("ssbci", state_id="ND-M", full_time_employees="4.0"))
    assert only(tables.enterprises) == {
        "enterprise_id": "ssbci-2012-000001",
        "as_of": pd.Timestamp(2012, 1, 1),
        "region": "US/ND/051/05151",
        "latitude": 43.3879,
        "longitude": -72.5038,
        "industry": "C/333/333512",
        "founded": pd.Timestamp(2009, 1, 1),
        "cluster": "metro_low_income",
        "employees": 4,
        "revenue": 120_000,
    }


@pytest.mark.parametrize(
    ("metro", "lmi", "cluster"),
    [
        ("Metro", "Non-LMI", "metro_other"),
        ("Non-Metro", "LMI", "rural_low_income"),
        ("NON METRO", "non lmi", "rural_other"),
        ("Metro", "", None),
        ("", "LMI", None),
        ("Metro", "0", None),
    ],
)
def test_ssbci_tells_areas_apart_by_metropolis_and_income_where_both_are_known(tmp_path, metro, lmi, cluster):
    tables, _ = imported(tmp_path, "ssbci", row("ssbci", metro_type=metro, LMI_type=lmi))
    assert values(tables.enterprises, "cluster") == [{"cluster": cluster}]


def test_ssbci_is_read_where_it_says_nothing_of_areas(tmp_path):
    cells = {name: cell for name, cell in row("ssbci").items() if name not in ("metro_type", "LMI_type")}
    tables, _ = imported(tmp_path, "ssbci", cells)
    assert tables.enterprises["cluster"].isna().all()


@pytest.mark.parametrize(("place", "state"), [("nd-m", "US/ND"), ("Maine", None)])
def test_ssbci_reads_a_participant_s_code_in_either_case_and_a_name_as_none(tmp_path, place, state):
    tables, _ = imported(tmp_path, "ssbci", row("ssbci", state_id=place, zip_code=""))
    region = tables.enterprises["region"].iloc[0]
    assert (None if pd.isna(region) else region) == state


def test_ssbci_takes_no_revenue_and_implausible_years_as_unknown_but_no_employees_as_none(tmp_path):
    unknown = [
        row("ssbci", revenue="0.0", full_time_employees="0.0", year_incorporated=y) for y in ("1801", "2013", "")
    ]
    tables, _ = imported(tmp_path, "ssbci", *unknown)
    assert values(tables.enterprises, "founded", "employees", "revenue") == 3 * [
        {"founded": None, "employees": 0, "revenue": None}
    ]


def test_ssbci_refuses_programme_types_it_does_not_know(tmp_path):
    with pytest.raises(InputError, match=r"program_type \(row 1\): is a known programme type, not 'Bonus'"):
        imported(tmp_path, "ssbci", row("ssbci", program_type="Bonus"))
