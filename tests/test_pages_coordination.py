"""The commission's pages of needs that nobody is left for: listed, dispatched and settled, refused in words."""

import csv
import re
from datetime import date, datetime
from html import unescape
from io import StringIO

import pytest
from sqlalchemy import select, update

from api.desk.coordination import Settlement
from api.desk.identity import SYSTEM
from api.desk.outcomes import report
from api.messages import OutcomeRequest
from api.pages import coordinating
from api.pages.languages import local
from api.store.desk_models import CaseRow, ListingRow
from api.store.models import RecommendationRow
from tests.desks import NOON
from tests.visitors import NEEDS

HOME = "/desk/coordination"


@pytest.fixture
def need_id(app, officer, other):
    """A need that both institutions declined."""
    visitors = {"officer": officer, "other": other}
    for name in ("officer", "other"):
        case = next(c for c in visitors[name].cases() if NEEDS[0] in visitors[name].get(f"/desk/cases/{c}").text)
        assert visitors[name].decide(case, "decline", reasons=["tax"], text="no return filed").status_code == 303
    return NEEDS[0]


def sent(visitor, need_id, step, **fields):
    visitor.get(f"{HOME}/{need_id}?lang=en")
    return visitor.post(f"{HOME}/{need_id}", step=step, version=visitor.hidden("version"), **fields)


def test_a_need_that_all_declined_is_found_with_who_had_it_and_why(commission, need_id):
    assert commission.get(f"{HOME}?lang=en").status_code == 200
    assert commission.says("1 need")
    assert commission.says("the institutions of their 20 best products have declined or let pass")
    assert commission.says("2 institutions had it")
    assert commission.says("Waiting")
    assert commission.get(f"{HOME}/{need_id}").status_code == 200
    assert commission.page.count("no return filed") == 2
    assert commission.page.count('href="/desk/cases/') == 2
    assert commission.says("Not screened for the white list here.")
    assert commission.says("Next step: state which tiers are held")


def test_a_decline_that_a_platform_reported_is_told_in_the_page_s_language(commission, app):
    need_id, service = NEEDS[1], app.state.service
    for key in ("o-1", "o-2"):
        with service.store.reading() as session:
            open_case = select(CaseRow.product_id).where(CaseRow.need_id == need_id, CaseRow.closed_at.is_(None))
            told = {"need_id": need_id, "product_id": session.scalars(open_case).one(), "stage": "declined"}
        request = OutcomeRequest.model_validate(told | {"at": "2025-01-10", "reason_code": "tax"})
        assert report(service, SYSTEM, request, key).case_id
    commission.get(f"{HOME}/{need_id}?lang=zh-CN")
    assert commission.page.count("由接口回写，发生于 2025年1月10日") == 2
    assert "reported by" not in commission.page


def test_while_no_model_is_in_service_what_to_fix_is_not_known(commission, need_id):
    commission.get(f"{HOME}/{need_id}?lang=en")
    assert commission.says("Not known while no model is in service.")
    assert not commission.says("No change of the known kinds")


def test_in_chinese_a_need_that_all_declined_was_pushed_to_institutions_and_accepted_by_none(commission, need_id):
    commission.get(f"{HOME}?lang=zh-CN")
    assert commission.says("已推送 2 家机构")
    commission.get(f"{HOME}/{need_id}")
    assert commission.says("推送过的机构")
    assert "受理" not in commission.page


def test_while_every_need_is_with_an_institution_there_is_nothing_to_coordinate(commission):
    commission.get(f"{HOME}?lang=en")
    assert commission.says("Nothing to coordinate")
    assert commission.says("Every need that nobody was left for is settled.")
    commission.get(f"{HOME}?show=overdue")
    assert commission.says("Nothing is overdue")
    commission.get(f"{HOME}?show=settled")
    assert commission.says("Nothing has been settled yet")


def test_a_need_is_dispatched_and_settled_by_its_forms(commission, need_id, app):
    answer = sent(commission, need_id, "dispatch", office="Fuling", until="2025-01-20", text="ask for the return")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HOME}/{need_id}?done=dispatch")
    commission.get(answer.headers["location"])
    assert commission.says("Saved: Dispatch.")
    assert commission.says("until Jan 20, 2025")
    assert commission.says("ask for the return")
    assert commission.says("Dispatch again")
    with app.state.service.store.writing() as session:
        session.execute(update(ListingRow).values(until=date(2025, 1, 9)))
    commission.get(HOME)
    assert commission.says("overdue, was due by Jan 9, 2025")
    assert '>Overdue <span class="late">1</span>' in commission.page
    commission.get(f"{HOME}?show=overdue")
    assert commission.says("1 need")
    assert need_id in commission.page
    commission.get("/desk/month")
    assert commission.says("Of these overdue")
    assert sent(commission, need_id, "settle", result="not_ready").status_code == 303
    commission.get("/desk/month")
    assert commission.says(f"Settled: {Settlement.NOT_READY.en}")
    commission.get(f"{HOME}/{need_id}")
    assert commission.says(Settlement.NOT_READY.en)
    assert "<form method" not in commission.page.split("<main")[1]
    commission.get(f"{HOME}?show=settled")
    assert commission.says(Settlement.NOT_READY.en)


def test_a_month_in_which_needs_came_to_nobody_and_no_case_moved_says_both(commission, app):
    with app.state.service.store.writing() as session:
        before = {"listed_at": datetime(2024, 3, 5), "exhausted_at": datetime(2024, 3, 5)}
        session.execute(update(ListingRow).where(ListingRow.need_id == NEEDS[0]).values(**before))
    commission.get("/desk/month?month=2024-03&lang=en")
    assert commission.says("No case moved in this month")
    assert commission.says("Needs listed in this month: 1, of them screened: 0.")
    assert commission.says("Came to nobody")
    assert commission.says("active enterprises 1 had needs listed in a year (")
    assert not commission.says("Nothing happened")
    commission.get("/desk/month?month=2024-04")
    assert commission.says("Nothing happened in this month")
    assert not commission.says("Needs listed in this month")


def test_a_need_whose_record_cannot_be_read_is_listed_without_its_facts(commission, need_id, app):
    with app.state.service.store.writing() as session:
        session.execute(update(RecommendationRow).where(RecommendationRow.need_id == need_id).values(request={}))
    assert commission.get(f"{HOME}?lang=en").status_code == 200
    assert commission.says("Kept by another version of the service")
    assert commission.says("2 institutions had it")


def test_tabs_of_an_enterprise_s_need_its_cases_and_the_lists_are_told_apart_by_their_titles(commission, need_id):
    addresses = [f"{HOME}?lang=en", f"{HOME}?show=overdue", f"{HOME}?show=settled", f"{HOME}/{need_id}"]
    commission.get(addresses[-1])
    addresses += re.findall(r'href="(/desk/cases/[^"]+)"', commission.page)
    addresses += ["/desk/month", "/desk/month?institution=I1", "/desk/month?institution=I2"]
    titles = []
    for address in addresses:
        commission.get(address)
        titles.append(re.search("<title>(.*)</title>", commission.page)[1])
    assert len(addresses) == 9
    assert len(set(titles)) == len(titles), titles


def test_of_a_need_that_was_dispatched_to_nobody_the_dash_has_its_column_s_name_on_a_phone_too(commission, need_id):
    commission.get(f"{HOME}?lang=en")
    assert '<td role="cell" class="whole" data-label="Office"><span>–' in commission.page
    sent(commission, need_id, "dispatch", office="Fuling")
    commission.get(f"{HOME}?lang=en")
    assert '<td role="cell" class="bare whole" data-label="Office"><span>Fuling' in commission.page


def test_the_page_of_a_need_whose_record_cannot_be_read_has_what_is_known_and_its_forms(commission, need_id, app):
    with app.state.service.store.writing() as session:
        session.execute(update(RecommendationRow).where(RecommendationRow.need_id == need_id).values(request={}))
    assert commission.get(f"{HOME}/{need_id}?lang=en").status_code == 200
    assert commission.says("Another version of the service recommended for this need")
    assert not commission.says("What to fix")
    assert commission.says("Amount needed")
    assert sent(commission, need_id, "dispatch", office="Fuling").status_code == 303
    assert commission.get(f"{HOME}/{need_id}?lang=zh-CN&done=dispatch").status_code == 200
    assert commission.says("Fuling")
    assert commission.says("当前版本无法读取其中保存的企业信息")


def test_the_history_has_each_step_with_who_took_it_the_last_first(commission, need_id):
    sent(commission, need_id, "dispatch", office="Fuling", until="2025-01-20")
    sent(commission, need_id, "settle", result="relisted")
    commission.get(f"{HOME}/{need_id}")
    last, first = re.findall("<li>(.*?)</li>", commission.page.split('class="history"')[1], re.DOTALL)
    assert [word in last for word in ("Settle", "office", Settlement.RELISTED.en)] == [True] * 3
    assert [word in first for word in ("Dispatch", "office", "Fuling", "until Jan 20, 2025")] == [True] * 4


@pytest.mark.parametrize("show", ["open", "settled"])
def test_a_list_is_turned_page_by_page(commission, app, monkeypatch, show):
    monkeypatch.setattr(coordinating, "LINES", 1)
    with app.state.service.store.writing() as session:
        left = update(ListingRow).where(ListingRow.need_id.in_(NEEDS[:2]))
        session.execute(left.values(exhausted_at=datetime(2025, 1, 10)))
    for need_id in NEEDS[:2]:
        assert show == "open" or sent(commission, need_id, "settle", result="funded").status_code == 303
    commission.get(f"{HOME}?show={show}&lang=en")
    assert commission.says("2 needs")
    seen = re.findall("N2[01]", commission.page.split("<tbody")[1])
    (following,) = re.findall(f'href="({HOME}[^"]+)" rel="next"', commission.page)
    commission.get(unescape(following))
    seen += re.findall("N2[01]", commission.page.split("<tbody")[1])
    assert list(dict.fromkeys(seen)) == list(NEEDS[:2] if show == "open" else NEEDS[1::-1])
    assert 'rel="next"' not in commission.page


def test_the_way_back_from_a_need_leads_to_the_page_of_the_list_that_it_was_opened_from(commission, app, monkeypatch):
    monkeypatch.setattr(coordinating, "LINES", 1)
    with app.state.service.store.writing() as session:
        left = update(ListingRow).where(ListingRow.need_id.in_(NEEDS[:2]))
        session.execute(left.values(exhausted_at=datetime(2025, 1, 10), until=date(2025, 1, 9)))
    commission.get(f"{HOME}?show=overdue&lang=en")
    (second,) = (unescape(one) for one in re.findall(f'href="({HOME}[^"]+)" rel="next"', commission.page))
    commission.get(second)
    (opened,) = (unescape(one) for one in re.findall(f'href="({HOME}/[^"]+)"', commission.page))
    commission.get(opened)
    assert f'href="{second}">← Coordination' in unescape(commission.page)
    action = unescape(re.findall('action="([^"]+)#faults"', commission.page)[0])
    answer = commission.post(action, step="dispatch", version="1", office=" ")
    assert answer.status_code == 422
    answer = commission.post(action, step="dispatch", version="1", office="Fuling")
    assert answer.headers["location"] == f"{opened}&done=dispatch"
    commission.get(answer.headers["location"])
    assert f'href="{second}">To the list' in unescape(commission.page)


def test_a_page_of_which_every_need_is_settled_meanwhile_is_the_first_page(commission, app, monkeypatch):
    monkeypatch.setattr(coordinating, "LINES", 1)
    with app.state.service.store.writing() as session:
        left = update(ListingRow).where(ListingRow.need_id.in_(NEEDS[:2]))
        session.execute(left.values(exhausted_at=datetime(2025, 1, 10)))
    commission.get(f"{HOME}?lang=en")
    (following,) = re.findall(f'href="({HOME}[^"]+)" rel="next"', commission.page)
    assert sent(commission, NEEDS[1], "settle", result="funded").status_code == 303
    commission.get(unescape(following))
    assert commission.says("1 need")
    assert NEEDS[0] in commission.page
    assert not commission.says("Nothing to coordinate")


def test_a_form_without_a_version_is_of_no_page(commission, need_id):
    commission.get(f"{HOME}/{need_id}?lang=en")
    assert commission.post(f"{HOME}/{need_id}", step="dispatch", version="x", office="F").status_code == 409


@pytest.mark.parametrize(
    ("step", "fields", "fault"),
    [
        (
            "dispatch",
            {"office": " "},
            "Name the department or district that is to see to it, in at most 100 characters.",
        ),
        ("dispatch", {"office": "Fuling", "until": "2025-01-09"}, "The day is today or later."),
        ("dispatch", {"office": "Fuling", "until": "soon"}, "The day is today or later."),
        ("settle", {"result": "", "text": "kept"}, "Choose what came of it."),
        ("settle", {"result": "other", "text": " "}, "Where the result is other, a note says what came of it"),
        ("settle", {"result": "funded", "text": "x" * 2001}, "it has at most 2,000 characters."),
    ],
)
def test_a_form_with_a_mistake_comes_back_as_it_was_sent(commission, need_id, step, fields, fault):
    answer = sent(commission, need_id, step, **fields)
    assert answer.status_code == 422
    assert commission.says(fault)
    assert re.search(r"<title>Not saved", commission.page)
    assert all(value in commission.page for value in fields.values() if value.strip())


def test_a_chinese_page_refuses_in_chinese(commission, need_id):
    commission.get(f"{HOME}/{need_id}?lang=zh-CN")
    commission.post(f"{HOME}/{need_id}", step="dispatch", version="1", office="")
    assert commission.says("请填写负责协调的部门或区县，最多 100 个字符。")


@pytest.mark.parametrize("version", ["1", "x", "1_0", "9" * 12])
def test_a_form_of_an_earlier_page_is_refused_and_what_it_said_is_kept(commission, need_id, version):
    assert sent(commission, need_id, "dispatch", office="Fuling").status_code == 303
    commission.get(f"{HOME}/{need_id}")
    answer = commission.post(
        f"{HOME}/{need_id}", step="dispatch", version=version, office="Banan", until="2025-02-01", text="a word"
    )
    assert answer.status_code == 409
    assert commission.says("What the need admits now: Dispatch, Settle.")
    assert commission.says("The need has changed meanwhile")
    assert commission.says("read the need again")
    assert commission.says("Read the need again")
    assert "case" not in commission.page.split("<main")[1]
    assert all(commission.says(word) for word in ("Banan", "2025-02-01", "a word"))
    assert "Dispatch\nBanan\n2025-02-01\na word" in commission.page


def test_a_settlement_that_comes_too_late_keeps_the_result_that_was_chosen(commission, need_id):
    for status, result in ((303, "funded"), (409, "withdrawn")):
        commission.get(f"{HOME}?lang=en")
        answer = commission.post(f"{HOME}/{need_id}", step="settle", version="1", result=result, text="a word")
        assert answer.status_code == status
    assert "Settle\nThe enterprise withdrew\na word" in commission.page


def test_a_form_sent_twice_counts_once(commission, need_id):
    for _ in range(2):
        answer = commission.client.get(f"{HOME}/{need_id}")
        commission.page = answer.text
        assert (
            commission.post(f"{HOME}/{need_id}", step="dispatch", version="1", office="A", key="k").status_code == 303
        )
    commission.get(f"{HOME}/{need_id}")
    assert commission.page.count("<blockquote") == 0
    assert commission.page.split('class="history"')[1].count("<li>") == 1


@pytest.mark.parametrize("path", ["none", "N21"])
def test_a_need_that_is_none_or_that_an_institution_has_is_no_page(commission, path):
    assert commission.get(f"{HOME}/{path}").status_code == 404


def test_an_unknown_step_is_no_page(commission, need_id):
    assert sent(commission, need_id, "accept").status_code == 404


def test_a_form_without_the_session_s_token_is_refused(commission, need_id):
    commission.get(f"{HOME}/{need_id}")
    assert commission.post(f"{HOME}/{need_id}", step="settle", result="funded", csrf="x").status_code == 403


def narrowed(commission, app):
    """Two needs to coordinate, the second of which was dispatched; their enterprises are of two districts."""
    with app.state.service.store.writing() as session:
        for need_id, region in zip(NEEDS[:2], ("CN/500000/500102", "CN/500000/500103"), strict=True):
            left = update(ListingRow).where(ListingRow.need_id == need_id)
            session.execute(left.values(exhausted_at=datetime(2025, 1, 10), region=region))
    assert sent(commission, NEEDS[1], "dispatch", office="涪陵区", until="2025-01-17").status_code == 303


@pytest.mark.parametrize("asked", [f"q={NEEDS[1].lower()}", "region=CN/500000/500103", "office=涪陵区"])
def test_the_list_is_narrowed_and_says_by_what(commission, app, asked):
    narrowed(commission, app)
    commission.get(f"{HOME}?{asked}&lang=en")
    lines = commission.page.split("<tbody")[1]
    assert (NEEDS[1] in lines, NEEDS[0] in lines) == (True, False)
    assert commission.says("1 need<")
    value = asked.partition("=")[2]
    assert re.search(f'value="{value}"( maxlength| selected)', commission.page)
    assert commission.says(f'href="{HOME}?show=open">Clear<')
    commission.get(HOME)
    assert not commission.says(">Clear<")


def test_an_office_of_no_need_of_the_list_stays_chosen_and_nothing_fits_it(commission, app):
    narrowed(commission, app)
    commission.get(f"{HOME}?show=settled&office=涪陵区&lang=en")
    assert commission.says("No need fits these filters")
    assert commission.says('<option value="涪陵区" selected>涪陵区</option>')
    assert not commission.says("Nothing has been settled yet")


def test_the_parts_of_the_list_and_the_way_back_keep_what_it_is_narrowed_by(commission, app, monkeypatch):
    monkeypatch.setattr(coordinating, "LINES", 1)
    narrowed(commission, app)
    commission.get(f"{HOME}?q=N2&region=CN/500000&lang=en")
    kept = "q=N2&region=CN%2F500000"
    page = unescape(commission.page)
    for show in ("open", "overdue", "settled"):
        assert f'href="{HOME}?show={show}&{kept}"' in page
    assert f'href="{HOME}.csv?{kept}"' in page
    assert re.search(rf'href="{HOME}\?{kept}&cursor=[^"]+" rel="next"', page)
    commission.get(f"{HOME}/{NEEDS[0]}?{kept}")
    assert f'href="{HOME}?{kept}">← Coordination' in unescape(commission.page)


def table(commission, query):
    answer = commission.get(f"{HOME}.csv?{query}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="coordination.csv"'
    return list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))


def test_the_list_as_csv_has_its_lines_in_the_page_s_language(commission, app, need_id):
    assert sent(commission, need_id, "dispatch", office="=涪陵区", until="2025-01-10").status_code == 303
    (line,) = table(commission, "lang=en")
    about = ("Need number", "Institutions that had it", "Why nobody is left", "Stage", "Office", "Until", "Overdue")
    assert [line[name] for name in about] == [
        need_id,
        "2",
        "Tax grade too low",
        "Dispatched",
        "'=涪陵区",
        "2025-01-10",
        "",
    ]
    assert (line["Since"], line["What came of it"], line["Settled on"]) == (f"{local(NOON):%Y-%m-%d %H:%M}", "", "")
    assert sent(commission, need_id, "settle", result="not_ready").status_code == 303
    assert table(commission, "lang=en") == []
    (line,) = table(commission, "show=settled&lang=zh-CN")
    assert (line["需求编号"], line["阶段"], line["办理结果"]) == (need_id, "已办结", "暂不具备融资条件")
    assert line["办结日期"] == f"{local(NOON):%Y-%m-%d %H:%M}"


def test_a_narrowed_list_as_csv_is_narrowed(commission, app):
    narrowed(commission, app)
    assert [line["需求编号"] for line in table(commission, "office=涪陵区&lang=zh-CN")] == [NEEDS[1]]


def test_officers_have_no_way_there(officer, need_id):
    officer.get("/desk")
    assert HOME not in officer.page
    assert officer.get(HOME).status_code == 403
    assert officer.get(f"{HOME}.csv").status_code == 403
    assert officer.get(f"{HOME}/{need_id}").status_code == 404
    officer.get("/desk/month?lang=en")
    assert not officer.says("Came to nobody")


def test_what_somebody_wrote_runs_nothing(commission, need_id):
    sent(commission, need_id, "dispatch", office="<b>x</b>", text="<script>alert(1)</script>")
    commission.get(f"{HOME}/{need_id}")
    assert "<script" not in commission.page
    assert "<b>x" not in commission.page
    assert commission.says("<script>alert(1)</script>")


def test_an_ended_case_leads_the_commission_to_what_becomes_of_its_need_and_nobody_else(commission, officer, need_id):
    commission.get(f"{HOME}/{need_id}")
    ended = re.findall(r'href="(/desk/cases/[^"?]+)"', commission.page)
    seen = [visitor.get(f"{case}?lang=en").status_code for visitor in (commission, officer) for case in ended]
    assert sorted(seen) == [200, 200, 200, 404]
    for case in ended:
        commission.get(case)
        assert commission.says("No institution is left for this need.")
        assert f'href="{HOME}/{need_id}"' in commission.page
        officer.get(case)
        assert "No institution is left" not in officer.page
        assert HOME not in officer.page


def test_a_case_of_a_need_that_an_institution_has_leads_to_no_coordination(commission):
    commission.get(f"/desk/cases/{commission.cases()[0]}?lang=en")
    assert not commission.says("No institution is left for this need.")
