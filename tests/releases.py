"""Small made-up releases: one valid row a source with every cell open to change, and the files they are written to."""

import csv
import gzip
import io
from pathlib import Path

ROWS = {
    "sba504": {
        "BorrName": "B1",
        "BorrCity": "SPRINGFIELD",
        "BorrState": "CA",
        "BorrZip": "90001",
        "CDC_Name": "Valley Development  Corp",
        "CDC_City": "Fresno",
        "CDC_State": "CA",
        "CDC_Zip": "93650",
        "ThirdPartyLender_Name": "First Bank",
        "ThirdPartyLender_City": "Los Angeles",
        "ThirdPartyLender_State": "CA",
        "ThirdPartyDollars": "300000.0",
        "GrossApproval": "200000",
        "ApprovalDate": "2003-05-06",
        "TermInMonths": "240",
        "NaicsCode": "333512",
        "BusinessType": "CORPORATION",
        "LoanStatus": "PIF",
        "ChargeOffDate": "",
        "GrossChargeOffAmount": "0.0",
    },
    "us-exim": {
        "Unique Identifier": "U1",
        "Deal Number": "D1",
        "Decision": "Approved",
        "Decision Date": "2010-05-06",
        "Expiration Date": "2011-05-06",
        "Deal Cancelled": "No",
        "Country": "Peru",
        "Program": "Working Capital",
        "Policy Type": "",
        "Primary Export Product NAICS/SIC code": "333512",
        "Term": "Short Term",
        "Primary Lender": "FIRST BANK, N.A.",
        "Primary Exporter": "X1",
        "Primary Exporter City": "Los Angeles",
        "Primary Exporter State Code": "CA",
        "Approved/Declined Amount": "1000.6",
        "Disbursed/Shipped Amount": "7.0",
        "Small Business Authorized Amount": "1000.6",
    },
    "bndes": {
        "cliente": "C1",
        "uf": "SP",
        "municipio": "SÃO PAULO",
        "municipio_codigo": "3550308",
        "data_da_contratacao": "08/01/2002",
        "valor_da_operacao_em_reais": "7.028.400",
        "valor_desembolsado_em_reais": "7.000.000",
        "instrumento_financeiro": "BNDES EXIM PRÉ-EMBARQUE - Ágil",
        "subsetor_cnae_codigo": "C1011200",
        "porte_do_cliente": "MÉDIA",
        "natureza_do_cliente": "PRIVADA",
        "instituicao_financeira_credenciada": "BANCO UM S/A",
        "cnpj_do_agente_financeiro": "11.222.333/0001-44",
        "situacao_da_operacao": "LIQUIDADA",
    },
    "ssbci": {
        "state_id": "CA",
        "program_type": "CAP",
        "loan_investment_amount": "5000.0",
        "guaranteed_amount": "0.0",
        "lender_insurance_premium": "10.0",
        "revenue": "120000.0",
        "full_time_employees": "5.0",
        "naics_code": "333512",
        "year_incorporated": "2009",
        "jobs_created": "2.0",
        "subsequent_private_financing": "0.0",
        "metro_type": "Metro",
        "LMI_type": "LMI",
        "year_reported": "2012",
        "program_name": "19",
        "zip_code": "5151",
    },
}
DATES = {
    "sba504": "ApprovalDate",
    "us-exim": "Decision Date",
    "bndes": "data_da_contratacao",
    "ssbci": "year_reported",
}
AMOUNTS = {
    "sba504": "GrossApproval",
    "us-exim": "Approved/Declined Amount",
    "bndes": "valor_da_operacao_em_reais",
    "ssbci": "loan_investment_amount",
}
AFTERWARDS = {
    "sba504": ("LoanStatus", "ChargeOffDate", "GrossChargeOffAmount"),
    "us-exim": ("Expiration Date", "Deal Cancelled", "Country", "Disbursed/Shipped Amount"),
    "bndes": ("valor_desembolsado_em_reais", "situacao_da_operacao"),
    "ssbci": (
        "guaranteed_amount",
        "lender_insurance_premium",
        "jobs_created",
        "subsequent_private_financing",
        "program_name",
    ),
}


def row(source, **cells):
    """A row of the source; cells whose headers are no Python names come as `**{"Deal Number": "D2"}`."""
    unknown = set(cells) - set(ROWS[source])
    assert not unknown, f"no such columns: {unknown}"
    return ROWS[source] | cells


def csv_text(rows, separator=","):
    """The rows as csv under their own headers."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def release(folder, rows, *, separator=",", encoding="utf-8", gzipped=False, name="release.csv"):
    """A file of the rows in `folder`."""
    data = csv_text(rows, separator).encode(encoding)
    file = Path(folder) / name
    file.write_bytes(gzip.compress(data) if gzipped else data)
    return file
