"""The queue's page: narrowed by its address, exported, counted, and turned from case to case."""

import csv
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from itertools import pairwise

import pytest
from fastapi.responses import StreamingResponse
from sqlalchemy import update

from api.desk import queue
from api.desk.cursors import Place, pack
from api.desk.queue import Sort
from api.pages import sheets
from api.pages.languages import language, local
from api.store.desk_models import CaseRow
from api.store.outages import StoreError
from tests.conftest import NOON
from tests.visitors import NEEDS


def test_a_filter_stays_in_the_address(commission):
    commission.get("/desk?kind=leasing&sort=amount&per=50&q=E&lang=en")
    for field in ('<option value="leasing" selected>', '<option value="amount" selected>', "<option selected>50"):
        assert field in commission.page
    assert "/desk.csv?kind=leasing&amp;q=E&amp;sort=amount&amp;per=50" in commission.page


def test_nonsense_in_the_address_counts_as_not_asked(officer):
    query = "show=all&stage=x&kind=gold&size=9&sort=luck&per=7&least=-1&most=1e9&lang=en"
    assert officer.get(f"/desk?{query}").status_code == 200
    assert officer.says("Due first")


@pytest.mark.parametrize("path", ["/desk", "/desk.csv"])
def test_a_region_longer_than_any_is_nobody_s(commission, path):
    answer = commission.get(f"{path}?region={'x' * 50_010}")
    assert answer.status_code == 200
    assert not any(need_id in answer.text for need_id in NEEDS)


def test_a_cursor_that_is_none_is_a_page_that_says_so(officer):
    assert officer.get("/desk?cursor=garbage").status_code == 422


@pytest.mark.parametrize("back", [True, False])
def test_a_page_whose_cases_are_all_done_is_the_first_one(officer, back):
    left = officer.cases()
    last = pack(Place(back, NOON.replace(tzinfo=None, year=2000 if back else 2100), "c"), Sort.DUE)
    officer.get(f"/desk?cursor={last}&lang=en")
    assert re.findall(r'href="/desk/cases/([^"?]+)"', officer.page) == left
    officer.get(f"/desk?cursor={last}&q=nobody&lang=en")
    assert officer.says("No case fits these filters")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("q=nobody", "No case fits these filters"),
        ("show=overdue", "Nothing is overdue"),
        ("show=ended", "No case has ended yet"),
    ],
)
def test_an_empty_queue_says_why(officer, query, text):
    officer.get(f"/desk?{query}&lang=en")
    assert officer.says(text)


def test_overdue_cases_come_first_and_say_so(officer, hands):
    first = officer.cases()[0]
    officer.decide(first, "accept")
    hands.at += timedelta(days=1, hours=2)
    officer.sign_in("wang.wei")
    assert officer.cases()[-1] == first
    officer.get("/desk?show=overdue&lang=en")
    assert officer.says("2 h overdue")
    assert first not in officer.page


def test_ended_cases_say_when_they_ended_under_a_heading_of_their_own(officer):
    case_id = officer.cases()[0]
    officer.decide(case_id, "withdraw")
    officer.get("/desk?show=ended&lang=en")
    assert officer.says("<h1>Ended</h1>")
    assert officer.says('<caption class="hidden">Cases, Last change first</caption>')
    assert officer.says(f'data-label="Ended on"><time datetime="{NOON.isoformat()}">Jan 10, 2025')
    row = next(csv.DictReader(StringIO(officer.get("/desk.csv?show=ended&lang=en").text.removeprefix("\ufeff"))))
    assert row["Ended on"] == f"{local(NOON):%Y-%m-%d %H:%M}"


def test_institutions_are_in_the_order_of_their_sounds(commission):
    commission.get("/desk?lang=zh-CN")
    named = [("b", "中信银行"), ("a", "安徽银行"), ("c", "平安银行")]
    assert [name for _, name in language("zh-CN").sorted(named)] == ["安徽银行", "平安银行", "中信银行"]
    assert [name for _, name in language("en").sorted([("2", "Bank B"), ("1", "Bank A")])] == ["Bank A", "Bank B"]


def test_who_reads_the_csv_slowly_holds_no_connection(commission, app, monkeypatch):
    held, pool = [], app.state.service.store.engine.pool

    class Watched(StreamingResponse):
        def __init__(self, content, **options):
            super().__init__((held.append(pool.checkedout()) or line for line in content), **options)

    monkeypatch.setattr(sheets, "StreamingResponse", Watched)
    assert commission.get("/desk.csv").status_code == 200
    assert held == [0] * (1 + len(NEEDS))


def test_a_csv_that_cannot_be_made_is_a_page_that_says_so(commission, monkeypatch):
    export = queue.export

    def cut_off(*given):
        yield next(export(*given))
        raise StoreError("gone for a moment")

    monkeypatch.setattr(queue, "export", cut_off)
    answer = commission.get("/desk.csv?lang=en")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert commission.says("The desk cannot be reached")


def test_the_queue_as_csv_has_every_line_and_no_formula(commission, app):
    answer = commission.get("/desk.csv?sort=amount")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="desk.csv"'
    rows = list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))
    assert sorted(row["需求编号"] for row in rows) == sorted(NEEDS)
    assert {row["阶段"] for row in rows} == {"待受理"}
    amounts = [int(row["需求金额（元）"]) for row in rows]
    assert amounts == sorted(amounts, reverse=True)


def test_the_csv_is_in_the_page_s_language(commission):
    rows = list(csv.DictReader(StringIO(commission.get("/desk.csv?lang=en").text.removeprefix("\ufeff"))))
    assert list(rows[0])[:4] == ["Case number", "Need number", "Enterprise number", "Enterprise"]
    assert {(row["Kind"], row["Stage"], row["Overdue"]) for row in rows} <= {
        (kind, "Suggested", "") for kind in ("Credit", "Bond", "Leasing")
    }
    assert rows[0]["Due"] == f"{local(NOON + timedelta(days=1)):%Y-%m-%d %H:%M}"


def test_times_of_arrival_have_a_heading_of_their_own_and_the_table_a_caption_in_the_page_s_marks(commission):
    rows = list(csv.DictReader(StringIO(commission.get("/desk.csv?lang=zh-CN").text.removeprefix("\ufeff"))))
    assert rows[0]["推送时间"] == f"{local(NOON):%Y-%m-%d %H:%M}"
    commission.get("/desk?lang=zh-CN")
    assert commission.says('<caption class="hidden">事项，时限从近到远</caption>')


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "＝1+1", "＠a", "a\"b,c'd", "重庆厂"])
def test_no_cell_of_the_csv_is_a_formula(commission, app, name):
    with app.state.service.store.writing() as session:
        session.execute(update(CaseRow).values(enterprise_name=name))
    rows = list(csv.DictReader(StringIO(commission.get("/desk.csv").text.removeprefix("\ufeff"))))
    assert {row["企业"] for row in rows} == {name if name[0] in "a重" else f"'{name}"}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("915001127562345678", "'915001127562345678"),
        ("007", "'007"),
        ("12E5", "'12E5"),
        ("3-4", "'3-4"),
        ("2026/1", "'2026/1"),
        ("９１５００１１２７５６２３４５６７８", "'９１５００１１２７５６２３４５６７８"),
        ("91500112MA5U123456", "91500112MA5U123456"),
        ("123456789012345", "123456789012345"),
        ("E00001", "E00001"),
        ("360安全", "360安全"),
    ],
)
def test_no_number_of_the_csv_loses_a_digit_in_a_spreadsheet(commission, app, number, shown):
    with app.state.service.store.writing() as session:
        session.execute(update(CaseRow).values(enterprise_id=number, enterprise_name=number))
    rows = list(csv.DictReader(StringIO(commission.get("/desk.csv?lang=en").text.removeprefix("\ufeff"))))
    assert {(row["Enterprise number"], row["Enterprise"]) for row in rows} == {(shown, shown)}
    assert rows[0]["Due"] == f"{local(NOON + timedelta(days=1)):%Y-%m-%d %H:%M}"


def test_a_case_leads_to_the_next_one_in_the_queue_it_was_opened_from(commission):
    commission.get("/desk?lang=en&sort=amount")
    addresses = [unescape(found) for found in re.findall(r'<a href="(/desk/cases/[^"]+)"', commission.page)]
    for here, then in pairwise([*addresses, addresses[0]]):
        assert here.endswith("?sort=amount")
        commission.get(here)
        assert unescape(re.search(r'href="([^"]+)" rel="next"', commission.page)[1]) == then


def test_after_a_decision_the_next_case_is_that_after_where_the_case_stood(officer):
    first, second, *_ = officer.cases()
    officer.get(f"/desk/cases/{first}")
    action = unescape(re.search(r'action="(/desk/cases/[^"]+)"', officer.page)[1])
    done = officer.post(action, step="decline", version="1", reasons=["debt"]).headers["location"]
    assert f"/desk/cases/{first}?" in done
    officer.get(done)
    assert officer.says("Saved: Declined.")
    assert re.search(r'class="button main" href="/desk/cases/([^"]+)">', officer.page)[1] == second
    officer.decide(second, "decline", reasons=["debt"])
    for case_id in officer.cases():
        officer.decide(case_id, "decline", reasons=["debt"])
    officer.get(done)
    assert 'class="button main" href="/desk">To the queue</a>' in officer.page


def test_an_ended_case_leads_to_the_next_one_that_has_ended_which_has_no_clock(officer):
    for case_id in officer.cases()[:2]:
        officer.decide(case_id, "decline", reasons=["debt"])
    officer.get("/desk?show=ended&lang=en")
    here, then = (unescape(found) for found in re.findall(r'<a href="(/desk/cases/[^"]+)"', officer.page))
    assert officer.get(here).status_code == 200
    address, clock = re.search(r'href="([^"]+)" rel="next"[^>]*>[^<]*</a> <span class="([^"]+)"', officer.page).groups()
    assert (unescape(address), clock) == (then, "muted")


def test_the_way_back_is_the_queue_and_its_page_as_they_were(commission):
    case_id = commission.cases()[0]
    commission.get(f"/desk/cases/{case_id}?kind=credit&q=E&page=abc&lang=en")
    assert '<a href="/desk?kind=credit&amp;q=E&amp;cursor=abc">' in commission.page


def test_the_overdue_are_counted_beside_their_part_of_the_queue(officer, hands):
    officer.get("/desk")
    assert '<span class="late">' not in officer.page
    count = len(officer.cases())
    hands.at += timedelta(days=1, hours=2)
    officer.sign_in("wang.wei")
    officer.get("/desk")
    assert f'Overdue <span class="late">{count}</span>' in officer.page


def test_the_overdue_are_counted_as_their_part_of_the_queue_shows_them(officer, hands):
    hands.at += timedelta(days=1, hours=2)
    officer.sign_in("wang.wei")
    officer.get("/desk?show=ended&stage=declined&lang=en")
    href, count = re.search(r'<a href="([^"]*show=overdue[^"]*)">Overdue <[^>]*>(\d+)<', officer.page).groups()
    officer.get(unescape(href))
    assert officer.says(f"{count} cases")
