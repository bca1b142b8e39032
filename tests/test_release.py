"""A release's file: bytes, headers and the sieve that counts what is left out."""

import gzip

import pytest

from matching.errors import InputError
from tests.releases import AMOUNTS, DATES, ROWS, csv_text, release, row
from training.sources import SOURCES, Summary, bndes, read, sba504, ssbci, us_exim
from training.sources._release import open_release

SOURCE_NAMES = list(SOURCES)
MODULES = {module.NAME: module for module in (sba504, us_exim, bndes, ssbci)}


def text_file(folder, content):
    file = folder / "release.csv"
    file.write_bytes(content)
    return file


def cells_of(file, source):
    """The one row that a source's reader sees."""
    [cells] = open_release(file, MODULES[source].NEEDED).rows.to_dict("records")
    return cells


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_gzipped_and_plain_files_give_the_same_rows_whatever_their_name(tmp_path, source):
    plain = release(tmp_path, [row(source)], name="plain.csv.gz")
    packed = release(tmp_path, [row(source)], gzipped=True, name="packed.csv")
    assert cells_of(plain, source) == cells_of(packed, source) == {h: row(source)[h] for h in MODULES[source].NEEDED}


@pytest.mark.parametrize("source", SOURCE_NAMES)
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda h: h.replace("_", " ").replace("/", "-") + " "])
def test_headers_match_whatever_their_case_spaces_underscores_hyphens_and_slashes(tmp_path, source, change):
    changed = {change(header): cell for header, cell in row(source).items()}
    assert cells_of(release(tmp_path, [changed]), source) == {h: row(source)[h] for h in MODULES[source].NEEDED}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators_are_recognised(tmp_path, encoding, separator):
    file = release(tmp_path, [row("bndes")], separator=separator, encoding=encoding)
    assert cells_of(file, "bndes")["instrumento_financeiro"] == "BNDES EXIM PRÉ-EMBARQUE - Ágil"


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_a_missing_needed_header_is_named(tmp_path, source):
    cells = row(source)
    del cells[AMOUNTS[source]], cells[DATES[source]]
    with pytest.raises(InputError, match="column is missing") as error:
        read(source, release(tmp_path, [cells]))
    assert {fault.field for fault in error.value.faults} == {AMOUNTS[source], DATES[source]}
    assert error.value.where == "release.csv"


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_columns_that_no_reader_needs_may_be_missing_or_new(tmp_path, source):
    spare = ("LoanStatus", "Country", "situacao_da_operacao", "jobs_created", "CDC_City", "Primary Exporter City")
    cells = {header: cell for header, cell in row(source).items() if header not in spare} | {"new": "1"}
    assert read(source, release(tmp_path, [cells]))[1].kept == 1


def test_a_needed_header_that_appears_twice_is_named(tmp_path):
    with pytest.raises(InputError, match=r"release.csv: revenue: column appears once, not twice"):
        read("ssbci", release(tmp_path, [row("ssbci") | {"RE VENUE": "1"}]))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "file: is not empty"),
        (b" \n\n", "file: is not empty"),
        (b"\xef\xbb\xbf", "file: is not empty"),
        (b"\xef\xbb\xbf\n \n", "file: is not empty"),
        (gzip.compress(b"", mtime=0), "file: is not empty"),
        (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-20], "file: is whole gzip"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-4] + b"abcd", "file: is whole gzip"),
        (b"PK\x03\x04\x00\x00\x00\x00", "file: is a csv in UTF-8 or windows-1252"),
        (b"Just a letter.\nNo table.\n", "file: is a csv with a header of several columns"),
        (b"<html><body>Not found</body></html>", "file: is a csv with a header of several columns"),
        (b"state_id,program_type\n", "file: has rows below its header"),
        (b'state_id,zip\nCA,1\n"CA,2\nCA,3\n', r"file \(row 2\): is a csv: unexpected end of data"),
        (b"a,b\n1," + b"x" * 2**20 + b"\n", r"file \(row 1\): is a csv: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_csv_is_refused(tmp_path, content, rule):
    with pytest.raises(InputError, match=f"release.csv: {rule}"):
        read("ssbci", text_file(tmp_path, content))


def test_a_file_of_utf_8_with_a_broken_byte_is_refused_rather_than_garbled(tmp_path):
    """As windows-1252 it would read throughout, and every accent of the others would be two signs."""
    file = release(tmp_path, [row("bndes")] * 3)
    lines = file.read_bytes().split(b"\n")
    lines[2] = lines[2].replace("É".encode(), "É".encode("cp1252"))
    file.write_bytes(b"\n".join(lines))
    told = r"release.csv: file: is UTF-8 throughout: line 3 holds a byte that is none, where most of the file is$"
    with pytest.raises(InputError, match=told):
        read("bndes", file)


def test_a_file_of_windows_1252_in_which_two_signs_look_like_one_of_utf_8_is_read(tmp_path):
    cells = row("bndes") | {"instrumento_financeiro": "Ã© é à"}
    file = release(tmp_path, [cells], encoding="cp1252")
    assert cells_of(file, "bndes")["instrumento_financeiro"] == "Ã© é à"


def test_a_missing_file_and_an_unknown_source_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.csv: file: is readable: No such file"):
        read("ssbci", tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is one of sba504, us-exim, bndes, ssbci, not 'sba7a'"):
        read("sba7a", tmp_path / "nowhere.csv")


@pytest.mark.parametrize("source", SOURCE_NAMES)
@pytest.mark.parametrize(("columns", "rule"), [(AMOUNTS, "is a number"), (DATES, "is a (date|year)")])
def test_a_column_that_is_often_malformed_is_named_with_its_first_rows(tmp_path, source, columns, rule):
    rows = [row(source), row(source, **{columns[source]: "soon"})]
    with pytest.raises(InputError, match=rf"{columns[source]} \(row 2\): {rule}, not 'soon'"):
        read(source, release(tmp_path, rows))


def test_one_malformed_row_in_twenty_is_dropped_and_counted_and_two_are_refused(tmp_path):
    good, bad = row("ssbci"), row("ssbci", loan_investment_amount="1.2.3")
    summary = read("ssbci", release(tmp_path, [bad] + 19 * [good]))[1]
    assert (summary.read, summary.kept) == (20, 19)
    assert summary.dropped == {"loan_investment_amount is not a number": 1}
    with pytest.raises(InputError, match=r"\(row 1\).*; loan_investment_amount \(row 20\)"):
        read("ssbci", release(tmp_path, [bad] + 18 * [good] + [bad]))


def test_rows_of_another_width_are_dropped_when_rare_and_refused_when_not(tmp_path):
    text = csv_text(20 * [row("ssbci")])
    summary = read("ssbci", text_file(tmp_path, (text + "CA,CAP\n").encode()))[1]
    assert summary.dropped == {"row has another number of fields than the header": 1}
    width = len(ROWS["ssbci"])
    with pytest.raises(InputError, match=rf"row \(row 21\): has {width} fields like the header, not 2"):
        read("ssbci", text_file(tmp_path, (text + 2 * "CA,CAP\n").encode()))


def test_a_file_without_a_usable_row_says_why(tmp_path):
    rows = [row("us-exim", **{"Primary Lender": ""}), row("us-exim", **{"Approved/Declined Amount": "0"})]
    with pytest.raises(
        InputError, match=r"at least one is usable \(Primary Lender is empty: 1; Approved/Declined Amou"
    ):
        read("us-exim", release(tmp_path, rows))


def test_an_optional_column_that_is_missing_is_empty_and_blank_lines_are_no_rows(tmp_path):
    sieve = open_release(text_file(tmp_path, b"A b,c\n\n 1 ,2\n\n3,4\n"), ["a_B"], ["d"])
    assert sieve.rows.to_dict("list") == {"a_B": ["1", "3"], "d": ["", ""]}
    assert sieve.rows.index.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("source", "column", "code", "unknown"),
    [
        ("sba504", "NaicsCode", "333512.0", "999990"),
        ("ssbci", "naics_code", "333512.0", "NA"),
        ("us-exim", us_exim.CODE, "3531.0", "9999"),
        ("bndes", "subsetor_cnae_codigo", "C1011200", "1011200"),
    ],
)
def test_needs_whose_industry_code_is_not_known_are_kept_without_it_and_counted(
    tmp_path, source, column, code, unknown
):
    own = {"sba504": ["BorrName"], "us-exim": ["Unique Identifier", "Deal Number"], "bndes": ["cliente"], "ssbci": []}
    rows = [
        row(source, **{column: text}, **dict.fromkeys(own[source], f"N{number}"))
        for number, text in enumerate([code, "", unknown, unknown])
    ]
    tables, summary = read(source, release(tmp_path, rows))
    assert tables.enterprises["industry"].notna().sum() == 1
    assert summary.kept == 4
    assert summary.unknown == {column: 2}


def test_a_municipality_that_was_written_as_a_number_is_the_same(tmp_path):
    tables, _ = read("bndes", release(tmp_path, [row("bndes", municipio_codigo="3550308.0")]))
    assert tables.enterprises["region"].tolist() == ["BR/SP/3550308"]


def test_a_summary_prints_each_count_under_its_reason():
    text = str(Summary("ssbci", "f.csv", 1234, 1200, {"no date": 30, "no amount": 4}, {"naics_code": 7}))
    assert [line.split() for line in text.splitlines()] == [
        ["ssbci:", "f.csv"],
        ["rows", "read", "1,234"],
        ["kept", "1,200"],
        ["dropped", "34"],
        ["no", "date", "30"],
        ["no", "amount", "4"],
        ["kept,", "naics_code", "not", "known", "7"],
    ]
