"""The readers on the real data beside the project; skipped where it is missing. Only counts stand here, no rows."""

import csv
import gzip
import io
from datetime import date
from pathlib import Path

import pytest

from tests.releases import DATES
from tests.test_sources import assert_same_until
from training.sources import read

DATA = Path(__file__).parents[2] / "shared" / "data"
FILES = {
    "sba504": "sba504.csv.gz",
    "us-exim": "us_exim.csv.gz",
    "bndes": "bndes_pre_shipment.csv.gz",
    "ssbci": "ssbci.csv.gz",
}
LAST_YEARS = {"sba504": "2005-01-01", "us-exim": "2017-10-01", "bndes": "2012-01-01", "ssbci": "2014-01-01"}
READ = {"sba504": 39_055, "us-exim": 39_215, "bndes": 5_785, "ssbci": 12_303}
KEPT = {"sba504": 38_834, "us-exim": 10_140, "bndes": 5_713, "ssbci": 12_303}


@pytest.fixture(scope="module", params=list(FILES))
def source(request):
    if not (DATA / FILES[request.param]).exists():
        pytest.skip(f"../shared/data/{FILES[request.param]} is not here")
    return request.param


@pytest.fixture(scope="module")
def whole(source):
    return read(source, DATA / FILES[source])


def cells(source):
    with gzip.open(DATA / FILES[source], "rt", encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def written(folder, rows, separator=",", encoding="utf-8"):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    file = folder / "release.csv"
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def iso(source, text):
    return "-".join(reversed(text.split("/"))) if source == "bndes" else f"{text}-01-01"[:10]


def test_every_row_is_accounted_for(source, whole):
    tables, summary = whole
    assert (summary.read, summary.kept) == (READ[source], KEPT[source])
    assert summary.kept + sum(summary.dropped.values()) == summary.read
    assert len(tables.needs) == summary.kept


def test_the_file_cut_at_the_last_year_gives_the_tables_known_before_it(source, whole, tmp_path):
    header, *rows = cells(source)
    place, until = header.index(DATES[source]), date.fromisoformat(LAST_YEARS[source])
    early = [row for row in rows if iso(source, row[place]) < LAST_YEARS[source]]
    assert len(early) < len(rows)
    assert_same_until(whole[0], read(source, written(tmp_path, [header, *early]))[0], until)


def test_manufacturing_enterprises_meet_products_in_the_last_year(source, whole):
    tables = whole[0]
    met = tables.needs.merge(
        tables.enterprises, left_on=["enterprise_id", "posted_at"], right_on=["enterprise_id", "as_of"]
    )
    assert len(met) == len(tables.needs)
    made = met["industry"].str.startswith("C/", na=False) & (met["posted_at"] >= LAST_YEARS[source])
    assert made.sum() > 200


def test_the_public_form_of_bndes_gives_the_same_tables(tmp_path):
    if not (DATA / FILES["bndes"]).exists():
        pytest.skip("../shared/data/bndes_pre_shipment.csv.gz is not here")
    public = written(tmp_path, cells("bndes"), separator=";", encoding="cp1252")
    ours, theirs = read("bndes", DATA / FILES["bndes"])[0], read("bndes", public)[0]
    assert_same_until(ours, theirs, date.max)
