"""The desk's pages as somebody without scripts meets them: the way in, who sees what, deciding, and what goes wrong."""

import asyncio
import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from html import unescape
from threading import Event, Semaphore
from urllib.parse import quote

import pytest
from anyio.to_thread import current_default_thread_limiter
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import update
from starlette.requests import Request

from api.app import create_app
from api.desk import cases, choosing, coordination, cursors, identity, reading, reasons
from api.desk.identity import SYSTEM, Actor, Role
from api.desk.outcomes import report
from api.desk.screening import Standard
from api.desk.stages import Step
from api.messages import OutcomeRequest
from api.pages import deciding, visits
from api.pages.languages import language
from api.pages.rendering import HEADERS
from api.pages.telling import OTHERWISE, TOLD, told
from api.service import CHECKED_AT_ONCE
from api.store import queries
from api.store.desk_models import ListingRow
from api.store.models import EnterpriseRow
from api.store.reading import UnreadableError
from matching.errors import BundleError, Fault, InputError
from tests.visitors import NEEDS, PASSWORD, Visitor, copied

WANG = Actor("wang.wei", Role.OFFICER, "I1")
WHOLE = "The amount is a whole number above 0 and at most 1,000,000,000,000,000; a comma only sets thousands apart."
PRIVATE = (
    "/desk",
    "/desk.csv",
    "/desk/month",
    "/desk/accounts",
    "/desk/cases/x",
    "/desk/coordination.csv",
    "/desk/nothing",
)


def refusals(visitor):
    """What the page says is wrong: the items of a form's notice, or the paragraphs of an error's page."""
    notice = re.search(r'id="faults">.*?<ul>(.*?)</ul>', visitor.page, re.DOTALL)
    if notice:
        return re.findall("<li>(.*?)</li>", notice[1])
    return re.findall(r"<p(?: class=\"detail\")?>([^<]+)</p>", visitor.page.split("<main")[1].split("</main>")[0])


@pytest.mark.parametrize("path", PRIVATE)
def test_a_page_leads_strangers_to_sign_in_and_back(app, path):
    answer = Visitor(app).get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/signin?next={path.replace('/', '%2F')}"


def test_signing_in_leads_to_where_one_was_going(app):
    visitor = Visitor(app)
    visitor.get("/signin?next=/desk/month")
    answer = visitor.post("/signin", name="Wang.Wei", password=PASSWORD, next=visitor.hidden("next"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/month")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "desk", "/a\nb"])
def test_signing_in_leads_nowhere_else(app, target):
    visitor = Visitor(app)
    visitor.get("/signin")
    assert visitor.post("/signin", name="wang.wei", password=PASSWORD, next=target).headers["location"] == "/"


@pytest.mark.parametrize(("name", "password"), [("wang.wei", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(app, name, password):
    visitor = Visitor(app)
    assert visitor.sign_in(name, password).status_code == 401
    assert visitor.says("用户名或密码不正确，或账号因多次失败已暂时锁定。")
    assert password == "" or password not in visitor.page


def test_too_many_failures_lock_an_account_for_a_while(app, hands):
    visitor = Visitor(app)
    for _ in range(app.state.service.settings.lock_failures):
        visitor.sign_in("wang.wei", "wrong")
    assert visitor.sign_in("wang.wei").status_code == 401
    hands.at += timedelta(minutes=app.state.service.settings.lock_minutes + 1)
    assert visitor.sign_in("wang.wei").status_code == 303


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh-CN", "您所在网络的登录失败次数过多，请在 "),
        ("en", "Too many tries to sign in have failed from your network. Try again after Jan 10, 2025, "),
    ],
)
def test_too_many_failures_from_one_address_make_whoever_is_there_wait_for_a_while(app, hands, language, text):
    visitor = Visitor(app)
    visitor.get(f"/signin?lang={language}")
    for i in range(app.state.service.settings.address_failures):
        app.state.service.failures.add("testclient", identity.plain(hands.at) + timedelta(seconds=i))
    answer = visitor.sign_in("wang.wei")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "900")
    assert visitor.says(text)
    assert PASSWORD not in visitor.page
    hands.move(minutes=15)
    assert visitor.sign_in("wang.wei").status_code == 303


def test_who_waits_for_the_check_of_a_password_takes_no_thread_from_others(app, monkeypatch):
    entered, go_on = Semaphore(0), Event()

    class Hasher:
        def verify(self, *_):
            entered.release()
            go_on.wait()
            raise VerifyMismatchError

    def few_threads():
        current_default_thread_limiter().total_tokens = CHECKED_AT_ONCE

    monkeypatch.setattr(identity, "_hasher", Hasher())
    guesser = Visitor(app)
    with guesser.client as client, ThreadPoolExecutor(CHECKED_AT_ONCE + 1) as pool:
        client.portal.call(few_threads)
        guesser.get("/signin")
        guess = {"csrf": guesser.hidden("csrf"), "name": "wang.wei", "password": "wrong password"}
        try:
            guesses = [pool.submit(client.post, "/signin", data=guess) for _ in range(CHECKED_AT_ONCE)]
            assert all(entered.acquire(timeout=60) for _ in guesses)
            assert pool.submit(client.get, "/welcome").result(timeout=60).status_code == 200
        finally:
            go_on.set()
        assert [one.result().status_code for one in guesses] == [401] * CHECKED_AT_ONCE


def test_a_sign_in_form_of_another_browser_is_refused(app):
    first, second = Visitor(app), Visitor(app)
    first.get("/signin")
    second.get("/signin")
    answer = second.post("/signin", csrf=first.hidden("csrf"), name="wang.wei", password=PASSWORD)
    assert answer.status_code == 403
    assert second.says("页面已过期，请重新登录。")


def test_cookies_are_for_this_site_alone_and_no_script_reads_them(app):
    visitor = Visitor(app)
    made = [
        visitor.get("/signin?lang=en").headers.get_list("set-cookie"),
        visitor.sign_in("wang.wei").headers.get_list("set-cookie"),
    ]
    assert {line.split("=")[0] for lines in made for line in lines} == {"lang", "visitor", "session"}
    for line in (line for lines in made for line in lines):
        assert "HttpOnly" in line
        assert "SameSite=lax" in line
        assert "Secure" not in line


def test_cookies_are_secure_over_https(app):
    visitor = Visitor(app)
    visitor.client.base_url = "https://desk.example"
    assert all("Secure" in line for line in visitor.get("/signin?lang=en").headers.get_list("set-cookie"))


def test_signing_out_ends_the_session(officer):
    officer.get("/desk")
    kept = dict(officer.client.cookies)
    assert officer.post("/signout").headers["location"] == "/signin?left=1"
    officer.client.cookies.update(kept)
    assert officer.get("/desk").headers["location"].startswith("/signin?next=%2Fdesk&expired=1")


def test_who_signs_in_as_another_has_left_the_session_before(officer, app, tokens):
    """As from a form in another tab, that was there before."""
    officer.get("/desk")
    assert officer.post("/signin", name="office", password=PASSWORD, next="/desk").status_code == 303
    assert officer.get("/desk").status_code == 200
    assert Visitor(app, tokens["wang.wei"]).get("/desk").status_code == 303


def test_who_could_not_sign_out_is_led_on_to_a_page_in_every_language(officer, app):
    assert officer.post("/signout", csrf="another").status_code == 403
    assert '<a href="/signout?lang=en"' in officer.page
    assert officer.get("/signout?lang=en").headers["location"] == "/desk?lang=en"
    assert officer.get("/signout").headers["location"] == "/desk"
    assert Visitor(app).get("/signout").headers["location"] == "/signin"


def test_a_session_ends_by_itself_and_says_so(officer, hands, app):
    hands.at += timedelta(hours=app.state.service.settings.session_hours + 1)
    answer = officer.get("/desk?q=E1")
    assert answer.headers["location"] == "/signin?next=%2Fdesk%3Fq%3DE1&expired=1"
    officer.get(answer.headers["location"])
    assert officer.says("登录已失效。重新登录后将回到原页面。")


def test_who_signs_out_after_the_session_has_ended_comes_to_sign_in_and_from_there_to_the_desk(officer, hands):
    officer.get("/desk")
    hands.at += timedelta(days=1)
    answer = officer.post("/signout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?left=1")
    officer.get(answer.headers["location"])
    assert officer.hidden("next") == "/"
    assert officer.sign_in("wang.wei").headers["location"] == "/"


def test_an_address_asked_by_another_method_is_answered_by_a_page_that_leads_back(officer):
    answer = officer.client.put("/desk")
    officer.page = answer.text
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert officer.says("页面不存在")
    assert 'href="/desk"' in officer.page


@pytest.mark.parametrize(("name", "target"), [("wang.wei", "/desk"), ("office", "/desk"), ("root", "/desk/accounts")])
def test_everybody_starts_from_a_page_of_their_own(app, tokens, name, target):
    visitor = Visitor(app, tokens[name])
    assert visitor.get("/").headers["location"] == target


def test_strangers_of_a_simulated_market_are_told_what_to_try(app):
    visitor = Visitor(app)
    assert visitor.get("/").headers["location"] == "/welcome"
    visitor.get("/welcome")
    assert visitor.says("可以这样体验")


@pytest.mark.parametrize("path", ["/welcome", "/signin", "/desk", "/desk/month", "/desk/cases/x"])
def test_every_page_lets_nothing_in_and_is_kept_nowhere(officer, path):
    answer = officer.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self';")
    assert "style=" not in answer.text
    assert "<script" not in answer.text


def test_the_style_sheet_is_served(app):
    visitor = Visitor(app)
    visitor.get("/signin")
    assert visitor.get("/desk/static/desk.css").headers["content-type"].startswith("text/css")


def test_pages_speak_chinese_until_asked_and_then_remember(app):
    visitor = Visitor(app)
    visitor.get("/signin")
    assert '<html lang="zh-CN">' in visitor.page
    assert visitor.says("登录")
    visitor.get("/signin?lang=en")
    visitor.get("/signin")
    assert '<html lang="en">' in visitor.page
    assert visitor.says("Sign in")


def test_an_unknown_language_is_the_one_remembered_and_else_the_default_one(app):
    visitor = Visitor(app)
    for asked, shown in (("xx", "zh-CN"), ("en", "en"), ("xx", "en")):
        visitor.get(f"/signin?lang={asked}")
        assert f'<html lang="{shown}">' in visitor.page


def test_officers_see_their_own_institution_s_cases_and_the_commission_all(officer, other, commission):
    mine, theirs, all_ = set(officer.cases()), set(other.cases()), set(commission.cases())
    assert mine.isdisjoint(theirs)
    assert mine | theirs == all_
    assert len(all_) == len(NEEDS)


def test_another_institution_s_case_is_nowhere(officer, other):
    theirs = other.cases()
    officer.get("/desk/month?institution=I2")
    for case_id in theirs:
        assert officer.get(f"/desk/cases/{case_id}").status_code == 404
        assert officer.post(f"/desk/cases/{case_id}", csrf="x", step="accept").status_code == 403
        officer.get("/desk")
        assert officer.post(f"/desk/cases/{case_id}", csrf=session_csrf(officer), step="accept").status_code == 404
        assert case_id not in officer.get("/desk.csv?institution=I2").text
        assert case_id not in officer.get("/desk?institution=I2").text


def session_csrf(visitor):
    visitor.get("/desk")
    return visitor.hidden("csrf")


@pytest.mark.parametrize("path", ["/desk", "/desk.csv", "/desk/month", "/desk/cases/x"])
def test_administrators_see_no_cases(app, tokens, path):
    visitor = Visitor(app, tokens["root"])
    assert visitor.get(path).status_code == 403


@pytest.mark.parametrize("name", ["wang.wei", "office"])
def test_accounts_are_for_administrators(app, tokens, name):
    visitor = Visitor(app, tokens[name])
    assert visitor.get("/desk/accounts").status_code == 403
    assert visitor.says("您无权进行此操作")


def test_administrators_see_accounts_and_keys_but_no_secret(app, tokens):
    visitor = Visitor(app, tokens["root"])
    visitor.get("/desk/accounts?lang=en")
    assert all(visitor.says(name) for name in ("wang.wei", "zhao.min", "office", "Bank One", "There is no key yet."))
    assert "argon2" not in visitor.page


def test_the_commission_reads_and_decides_nothing(commission):
    case_id = commission.cases()[0]
    assert commission.get(f"/desk/cases/{case_id}").status_code == 200
    assert "<form" not in commission.page.split("<main")[1]
    answer = commission.post(f"/desk/cases/{case_id}", csrf=session_csrf(commission), step="accept", version="1")
    assert answer.status_code == 403


def test_a_case_shows_all_that_is_decided_on(officer):
    officer.get(f"/desk/cases/{officer.cases()[0]}")
    for heading in (
        "The match", "Rules", "Stack and all-in cost", "The enterprise", "The need",
        "The institution's products for this need", "History", "Your decision",
    ):  # fmt: skip
        assert officer.says(f">{heading}</h2>"), heading


@pytest.mark.parametrize(
    ("left", "zh", "en"),
    [
        ([], "白名单审核：渝北区经信委，2025年1月9日，五项标准均符合。",
         "Screened for the white list by 渝北区经信委 on Jan 9, 2025: all five standards met."),
        (["real_need", "good_credit"],
         "白名单审核：渝北区经信委，2025年1月9日。未核查：真实融资需求、信用状况良好；其余标准均符合。",
         "Screened for the white list by 渝北区经信委 on Jan 9, 2025. Not checked: A real need, Good credit; the other"
         " standards are met."),
    ],
)  # fmt: skip
def test_a_case_tells_beside_its_need_what_the_screen_for_the_white_list_found(officer, app, left, zh, en):
    case_id = officer.cases()[0]
    found = dict.fromkeys((one.value for one in Standard if one not in left), True)
    with app.state.service.store.writing() as session:
        session.execute(update(ListingRow).values(screen=found | {"by": "渝北区经信委", "on": "2025-01-09"}))
    for lang, said in (("zh-CN", zh), ("en", en)):
        officer.get(f"/desk/cases/{case_id}?lang={lang}")
        assert f"<p>{said}</p>" in officer.page.split('id="need"')[1].split("</section>")[0]


@pytest.mark.parametrize(
    ("lang", "said"), [("zh-CN", "未在本平台进行白名单审核。"), ("en", "Not screened for the white list here.")]
)
def test_a_case_says_that_its_need_was_not_screened_here(officer, lang, said):
    officer.get(f"/desk/cases/{officer.cases()[0]}?lang={lang}")
    assert officer.says(said)


def test_a_case_goes_from_suggestion_to_drawdown(officer):
    case_id = officer.cases()[0]
    for step in ("accept", "contact", "apply"):
        assert officer.decide(case_id, step, text=f"note of {step}").headers["location"].endswith(f"?done={step}")
    officer.decide(case_id, "grant", amount="1,500,000", rate="3.85")
    officer.decide(case_id, "draw")
    officer.get(f"/desk/cases/{case_id}?done=draw&lang=en")
    told = ("Saved: Drawn.", "note of accept", "CN¥1,500,000", "3.85% a year", "The case has ended")
    assert all(officer.says(text) for text in told)
    assert case_id not in officer.cases()


def granted(officer, **grant):
    """A case of the officer's that is granted."""
    case_id = officer.cases()[0]
    for step in ("accept", "contact", "apply"):
        officer.decide(case_id, step)
    officer.decide(case_id, "grant", **grant)
    officer.get(f"/desk/cases/{case_id}?lang=en")
    return case_id


def test_a_drawdown_is_proposed_as_it_was_granted_and_is_no_more_than_that(officer):
    case_id = granted(officer, amount="300000", rate="3.85")
    assert officer.says('name="amount" type="number" min="1" step="1" inputmode="numeric" value="300000"')
    assert officer.says('step="any" inputmode="decimal" value="3.85"')
    assert officer.says("At most the CN¥300,000 granted.")
    assert officer.decide(case_id, "draw", amount="300001").status_code == 422
    assert officer.says("for a drawdown at most what was granted")
    assert officer.decide(case_id, "draw", amount="300000").status_code == 303


def test_a_drawdown_is_proposed_as_its_grant_was_reported_since(officer, app):
    case_id = granted(officer, amount="300000", rate="3.85")
    item = reading.case(app.state.service, WANG, case_id).item
    told = {"need_id": item.need_id, "product_id": item.product_id, "stage": "granted", "at": "2025-01-10"}
    report(app.state.service, SYSTEM, OutcomeRequest.model_validate(told | {"amount": 500_000}), "o-1")
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert officer.says('inputmode="numeric" value="500000" aria-describedby="about-draw" max="500000"')
    assert officer.says('step="any" inputmode="decimal" value="3.85"')
    assert officer.says("At most the CN¥500,000 granted.")
    assert officer.decide(case_id, "draw", amount="500001").status_code == 422
    assert officer.decide(case_id, "draw", amount="500000").status_code == 303


@pytest.mark.parametrize(
    ("rate_bp", "rate"),
    [
        (372.25, "3.7225"),
        (1234.5678, "12.345678"),
        (385.0, "3.85"),
        (10_000.0, "100"),
        (0.07, "0.0007"),
        (372.12345678, "3.7212345678"),
    ],
)
def test_the_rate_of_a_grant_is_proposed_to_its_last_digit(officer, app, rate_bp, rate):
    case_id = officer.cases()[0]
    for step in ("accept", "contact", "apply"):
        officer.decide(case_id, step)
    cases.decide(app.state.service, WANG, case_id, Step.GRANT, 4, amount=300_000, rate_bp=rate_bp)
    officer.get(f"/desk/cases/{case_id}")
    assert officer.says(f'step="any" inputmode="decimal" value="{rate}"')
    officer.post(f"/desk/cases/{case_id}", step="draw", version=officer.hidden("version"), rate=rate)
    assert reading.case(app.state.service, WANG, case_id).events[-1].detail == {"rate_bp": rate_bp}
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert officer.page.count(f"{rate}% a year") == 2, "of the grant and of the drawdown"


def test_a_grant_states_its_amount_beside_what_is_needed(officer):
    case_id = officer.cases()[0]
    for step in ("accept", "contact", "apply"):
        officer.decide(case_id, step)
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert re.search(r"The need asks for CN¥[\d,]+\.", officer.page)
    assert officer.decide(case_id, "grant").status_code == 422
    assert refusals(officer) == ["State the amount that is granted."]


def test_what_ends_a_case_says_so_before_it_is_done(officer):
    officer.get(f"/desk/cases/{officer.cases()[0]}?lang=en")
    ends = ("the need goes on to another institution", "the need goes to no other institution", "its product alone")
    assert all(officer.says(text) for text in ends)


def test_the_fault_of_a_form_stands_in_it_and_in_the_page_s_title(officer):
    case_id = officer.cases()[0]
    officer.get("/desk?lang=en")
    officer.decide(case_id, "decline")
    assert officer.says("<title>Not saved · ")
    forms = officer.page.split("<form ")
    (wrong,) = (form for form in forms if "Choose at least one reason." in form)
    assert 'name="step" value="decline"' in wrong
    assert "#faults" in wrong


def test_a_rule_that_waits_for_a_fact_says_which_to_ask_for(officer, monkeypatch):
    found = [["Orders", "Profit"], []]
    monkeypatch.setattr(deciding, "missing", lambda verdicts, *_: list(zip(verdicts[:2], found, strict=True)))
    officer.get(f"/desk/cases/{officer.cases()[0]}?lang=en")
    listed = officer.page.split('id="h-fix"')[1].split("</section>")[0]
    assert "Not known yet, and asked by a rule:" in listed
    assert '<li><strong>Orders, Profit</strong> <span class="muted small">for: Offered on the day</span></li>' in listed
    assert "<li>Kind of product wanted</li>" in listed


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "Reported over the API; it was on Jan 9, 2025"), ("zh-CN", "由接口回写，发生于 2025年1月9日")],
)
def test_a_step_that_was_reported_says_so_with_its_own_day_in_the_page_s_language(officer, app, lang, said):
    case_id = officer.cases()[0]
    officer.decide(case_id, "accept")
    item = reading.case(app.state.service, WANG, case_id).item
    outcome = {"need_id": item.need_id, "product_id": item.product_id, "stage": "contacted", "at": "2025-01-09"}
    report(app.state.service, SYSTEM, OutcomeRequest.model_validate(outcome), "o-1")
    officer.get(f"/desk/cases/{case_id}?lang={lang}")
    assert officer.says(f'<p class="small">{said}</p>')
    assert not officer.says("reported by")


@pytest.mark.parametrize(
    ("end", "lang", "said"),
    [
        ("2025-01-10", "en", "This product has not been offered since Jan 10, 2025."),
        ("2025-01-10", "zh-CN", "该产品自2025年1月10日起停办。"),
        ("2025-01-11", "en", None),
    ],
)
def test_a_case_whose_product_has_ended_says_so_and_reads_as_before(officer, app, end, lang, said):
    case_id = officer.cases()[0]
    item = reading.case(app.state.service, WANG, case_id).item
    with app.state.service.store.writing() as session:
        known = queries.product(session, item.product_id, date(2025, 1, 10))
        queries.upsert(session, [known.model_copy(update={"valid_to": date.fromisoformat(end)})])
    officer.get(f"/desk/cases/{case_id}?lang={lang}")
    assert (said is not None) == ('<p class="notice warn">' in officer.page)
    assert said is None or officer.says(said)
    other = reading.case(app.state.service, WANG, case_id).products[-1].product
    about = {"product_id": other.product_id, "reasons": ["discontinued"], "text": "停办"}
    assert officer.decide(case_id, "suggest", **about).status_code == 303
    officer.get(f"/desk/cases/{case_id}?lang={lang}")
    assert officer.says(f"{language(lang).named(known)} → {language(lang).named(other)}")
    assert '<p class="notice warn">' not in officer.page


def test_a_case_that_has_ended_is_not_told_of_its_product_s_end(officer, app):
    case_id = officer.cases()[0]
    officer.decide(case_id, "decline", reasons=["debt"])
    item = reading.case(app.state.service, WANG, case_id).item
    with app.state.service.store.writing() as session:
        known = queries.product(session, item.product_id, date(2025, 1, 10))
        queries.upsert(session, [known.model_copy(update={"valid_to": date(2025, 1, 10)})])
    officer.get(f"/desk/cases/{case_id}")
    assert '<p class="notice warn">' not in officer.page


def test_a_declined_case_goes_to_the_next_institution(officer, other):
    case_id = officer.cases()[0]
    before = set(other.cases())
    officer.decide(case_id, "decline", reasons=["debt", "collateral"], text="too much debt")
    (new,) = set(other.cases()) - before
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert officer.says("Debt too high, Not enough security")
    other.get(f"/desk/cases/{new}?lang=en")
    assert not other.says("too much debt")
    assert officer.get(f"/desk/cases/{new}").status_code == 404


def test_another_own_product_can_be_suggested_with_a_reason(officer):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}")
    product = next(p for p in ("P0", "P1", "P2", "P3") if f'<option value="{p}"' in officer.page)
    answer = officer.decide(case_id, "suggest", product_id=product, reasons=["fits_amount"], text="by half")
    officer.get(answer.headers["location"])
    assert officer.says("Saved: Another own product suggested.")
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert officer.says("Another own product suggested")
    assert re.search(r"<p class=\"small\">\w[^<→]* → \w[^<]*</p>", officer.page)
    assert not officer.says(f"→ {product}</p>")
    assert officer.says("Fits the amount better")
    assert officer.says("by half")
    assert f'<option value="{product}"' not in officer.page


@pytest.fixture
def lessor(prepared, hands, tmp_path):
    """The officer of `I2`, where a model is in service: of its two products `P5` takes no such amount."""
    made = create_app(copied(prepared[0], tmp_path), now=hands)
    yield Visitor(made, prepared[1]["zhao.min"])
    made.state.service.close()


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "Fails: Amount within the product's limits<"), ("zh-CN", "不符合：产品金额范围<")],
)
def test_beside_an_own_product_that_is_not_eligible_stand_the_rules_that_it_fails(lessor, lang, said):
    lessor.get(f"/desk/cases/{lessor.cases()[0]}?lang={lang}")
    own = unescape(lessor.page.split('id="own"')[1].split("</section>")[0])
    assert own.count(said) == 1


@pytest.mark.parametrize(
    ("lang", "said", "effort"),
    [
        ("en", "would be eligible after: bring the amount needed from", "(about 1 day)"),
        ("zh-CN", "在以下调整后即可准入：将需求金额从", "（约需 1 天）"),
    ],
)
def test_a_case_says_what_would_make_an_own_product_eligible(lessor, lang, said, effort):
    lessor.get(f"/desk/cases/{lessor.cases()[0]}?lang={lang}")
    fix = " ".join(unescape(lessor.page.split('id="fix"')[1].split("</section>")[0]).split())
    assert said in fix
    assert f">{effort}<" in fix


def test_the_case_of_a_product_suggested_by_hand_has_its_rules(lessor):
    case_id = lessor.cases()[0]
    lessor.decide(case_id, "suggest", product_id="P5", reasons=["asked"], text="by phone")
    lessor.get(f"/desk/cases/{case_id}")
    rules = unescape(lessor.page.split('id="rules"')[1].split("</section>")[0])
    assert "1 rule fails." in rules
    assert "Judged by the catalogue in service, as of the ranking's day." in rules


def test_what_a_chance_is_worth_is_said_where_one_is_stated(officer, other):
    officer.get(f"/desk/cases/{officer.cases()[0]}")
    assert officer.says("The chance is right on average over many applications, not for one. Model ")
    other.get(f"/desk/cases/{other.cases()[0]}")
    assert not other.says("right on average")
    assert other.says(">Model ")


@pytest.mark.parametrize(
    ("step", "fields", "fault"),
    [
        ("decline", {}, "Choose at least one reason."),
        ("decline", {"reasons": ["debt", "tax", "term", "price", "region"]}, "Choose at most four reasons."),
        ("decline", {"reasons": ["other"]}, "Say in your words what the other reason is."),
        ("decline", {"reasons": ["debt"], "text": "x" * 2001}, "The text has at most 2000 characters."),
        ("suggest", {"reasons": ["asked"]}, "Choose the product that you suggest."),
        ("suggest", {"reasons": ["asked"], "product_id": "P1"}, "Say in your words why you suggest it."),
        ("suggest", {"reasons": ["override_other"]}, "Say in your words what the other reason is."),
        ("accept", {"amount": "much"}, WHOLE),
        ("accept", {"amount": "0"}, WHOLE),
        ("accept", {"amount": "9" * 20}, WHOLE),
        ("accept", {"amount": "1,5"}, WHOLE),
        ("accept", {"amount": "1,500,00"}, WHOLE),
        ("accept", {"amount": "1500,000"}, WHOLE),
        ("accept", {"amount": ",500"}, WHOLE),
        *(
            ("accept", {"rate": rate}, "The rate is a number from 0 to 100.")
            for rate in ("nan", "snan", "-1", "-0", "1e999999", "1e1", "3_5", "３．５", "100.01", ".", "x")
        ),
        ("accept", {"amount": "5"}, "The amount is above 0 and at most "),
        ("accept", {"amount": "1,500,000"}, "The amount is above 0 and at most "),
    ],
)
def test_a_form_with_a_mistake_comes_back_as_it_was_sent(officer, step, fields, fault):
    case_id = officer.cases()[0]
    answer = officer.decide(case_id, step, **fields)
    assert answer.status_code == 422
    assert officer.says(fault)
    for reason in fields.get("reasons", []):
        assert f'value="{reason}" checked' in officer.page
    officer.get(f"/desk/cases/{case_id}")
    assert officer.says("Suggested")


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("decline", {"reasons": ["asked"]}),
        ("decline", {"reasons": ["debt", "tax", "term", "price", "region"]}),
        ("decline", {"reasons": ["other"]}),
        ("accept", {"reasons": ["debt"]}),
        ("accept", {"amount": "5"}),
        ("grant", {"amount": "999999999999999"}),
        ("accept", {"rate": "4"}),
        ("suggest", {"reasons": ["asked"], "product_id": "P1"}),
        ("suggest", {"reasons": ["asked"], "product_id": "nothing", "text": "1"}),
        ("accept", {"key": "x" * 200}),
        ("accept", {f"f{i}": "1" for i in range(200)}),
    ],
)
def test_no_refusal_of_a_chinese_page_is_in_english(officer, step, fields):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}?lang=zh-CN")
    assert officer.decide(case_id, step, **fields).status_code in (409, 422)
    assert refusals(officer)
    for text in refusals(officer):
        assert not re.search("[A-Za-z]{2}", text)


def test_an_altered_address_is_refused_in_the_page_s_language(officer):
    assert officer.get("/desk?lang=zh-CN&cursor=x").status_code == 422
    assert refusals(officer) == ["网址或表单中有不正确的内容。", "页面地址与列表的排序不符，请从第一页重新开始。"]
    officer.get("/desk?lang=en&cursor=x")
    assert officer.says("The address of this page is of another order of the queue.")


def test_every_fault_that_a_page_can_meet_has_words_of_its_own():
    sources = [inspect.getsource(module) for module in (cases, choosing, coordination, cursors, reasons, visits)]
    named = {name for source in sources for name in re.findall(r'Fault\("(\w+)"', source)}
    assert {*named, "amount", "rate_bp"} == set(TOLD)


@pytest.mark.parametrize("query", ["", "?done=dispatch&lang=en"])
@pytest.mark.parametrize("name", ["N7", "a b", "100%", "%41", "a#b?c=d&e", "重"])
def test_an_address_that_a_page_gives_of_itself_leads_there_whatever_its_id_holds(name, query):
    scope = {"type": "http", "method": "GET", "path": f"/desk/coordination/{name}", "headers": []}
    request = Request(scope | {"query_string": query[1:].encode()})
    assert visits.asked_for(request) == f"/desk/coordination/{quote(name, safe='')}{query}"


def test_a_fault_of_a_field_that_no_page_sends_is_told_in_general():
    error = InputError("request", [Fault("elsewhere", "is odd"), Fault("other", "is odd")])
    assert told(error, language("en")) == [OTHERWISE]


def test_a_case_that_was_changed_meanwhile_is_refused_and_the_text_kept(officer, app, tokens):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}")
    seen = officer.hidden("version")
    second = Visitor(app, tokens["wang.wei"])
    second.decide(case_id, "accept")
    text = "a long reason that took a while to write"
    here = f"/desk/cases/{case_id}?sort=amount&kind=credit"
    answer = officer.post(here, step="decline", version=seen, reasons=["debt"], text=text)
    assert answer.status_code == 409
    assert officer.says(f"Decline\nDebt too high\n{text}</textarea>")
    assert officer.says(f'href="{here}"')
    assert officer.says("The case has changed meanwhile")
    assert officer.says(text)


def test_a_form_sent_twice_counts_once(officer):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}")
    fields = {
        "step": "accept",
        "version": officer.hidden("version"),
        "key": "page-1-accept",
        "csrf": officer.hidden("csrf"),
    }
    answers = [officer.post(f"/desk/cases/{case_id}", **fields) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    officer.get(f"/desk/cases/{case_id}")
    assert officer.page.count("<strong>Accepted</strong>") == 1


@pytest.mark.parametrize("csrf", ["", "wrong", "文"])
def test_a_form_without_the_session_s_token_is_refused(officer, csrf):
    case_id = officer.cases()[0]
    assert officer.decide(case_id, "accept", csrf=csrf).status_code == 403


def test_a_form_of_another_site_is_refused(officer):
    case_id = officer.cases()[0]
    officer.client.headers["sec-fetch-site"] = "cross-site"
    assert officer.decide(case_id, "accept").status_code == 403


def test_a_form_of_an_ended_session_keeps_what_was_written(officer, hands):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}")
    hands.at += timedelta(days=1)
    answer = officer.post(f"/desk/cases/{case_id}", step="decline", version="1", text="keep this <b>")
    assert answer.status_code == 401
    assert officer.says("keep this <b>")
    assert "<b>" not in officer.page


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        (
            {"step": "grant", "version": "1", "amount": "123", "rate": "3.3"},
            "Record the grant\nAmount: 123\n3.3% a year",
        ),
        ({"step": "draw", "version": "1", "amount": "123"}, "Record the drawdown\nAmount drawn: 123"),
        (
            {"step": "suggest", "version": "9", "product_id": "P1", "reasons": ["faster"], "text": "by a week"},
            "Suggest another of our products\nProduct: P1\nDecided sooner\nby a week",
        ),
    ],
)
def test_a_step_that_came_too_late_keeps_what_it_said(officer, fields, kept):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert officer.post(f"/desk/cases/{case_id}", **fields).status_code == 409
    assert officer.says(f"{kept}</textarea>")


def test_an_unknown_step_is_no_page(officer):
    assert officer.decide(officer.cases()[0], "steal").status_code == 404


def test_a_step_out_of_turn_is_refused_with_those_named_that_can_be_taken(officer):
    assert officer.decide(officer.cases()[0], "draw").status_code == 409
    steps = "Accept, Suggest another of our products, Decline, Record that the enterprise withdrew"
    assert officer.says(f"What the case admits now: {steps}.")


def test_a_form_too_large_is_refused(officer, app):
    case_id = officer.cases()[0]
    text = "x" * (app.state.service.settings.max_body + 1)
    assert officer.decide(case_id, "accept", text=text).status_code == 413


@pytest.mark.parametrize("path", ["/signin", "/desk/cases/C1", "/v1/recommendations"])
def test_who_leaves_in_the_middle_of_what_is_sent_has_made_nothing_fail(app, caplog, path):
    coming = iter([{"type": "http.request", "body": b"name=w", "more_body": True}, {"type": "http.disconnect"}])
    sent = []

    async def receive():
        return next(coming)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "scheme": "http"}
    with caplog.at_level("INFO", "api"):
        asyncio.run(app(scope, receive, send))
    assert sent == []
    (told,) = [record for record in caplog.records if "request" in record.getMessage()]
    assert (told.levelname, told.getMessage().partition(": ")[2]) == ("INFO", "the client left")


def test_a_form_of_too_many_fields_is_refused(officer):
    case_id = officer.cases()[0]
    assert officer.decide(case_id, "accept", **{f"f{i}": "1" for i in range(200)}).status_code == 422


UNTIMELY = (
    {"method": "GET", "url": "/signin?q=%00"},
    {"method": "GET", "url": "/desk?q=%00"},
    {"method": "POST", "url": "/desk/cases/x", "data": {"text": "x" * 300_000}},
    {"method": "POST", "url": "/desk/cases/x", "data": {f"f{i}": "1" for i in range(300)}},
    {"method": "POST", "url": "/desk/cases/x", "headers": {"sec-fetch-site": "same-site"}},
)


@pytest.mark.parametrize("request_", UNTIMELY)
def test_what_is_refused_before_it_is_known_whose_it_is_signs_nobody_out(officer, request_):
    answer = officer.client.request(**request_)
    assert answer.status_code in (403, 404, 413, 422)
    assert answer.headers.get_list("set-cookie") == []
    assert officer.get("/desk").status_code == 200


@pytest.mark.parametrize("request_", UNTIMELY)
def test_what_is_refused_before_it_is_known_whose_it_is_keeps_nobody_from_signing_in(app, request_):
    visitor = Visitor(app)
    visitor.client.request(**request_)
    assert visitor.sign_in("wang.wei").status_code == 303


def test_an_empty_cookie_of_an_earlier_version_keeps_nobody_from_signing_in(app):
    visitor = Visitor(app)
    visitor.client.cookies.set(visits.STRANGER_COOKIE, "", domain="testserver.local")
    assert visitor.sign_in("wang.wei").status_code == 303


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (BundleError("no champion"), 503, "The desk is not ready"),
        (UnreadableError("inside"), 503, "Something failed here"),
        (RuntimeError("inside"), 500, "Something failed here"),
    ],
)
def test_a_failure_is_a_calm_page(officer, monkeypatch, error, status, text):
    case_id = officer.cases()[0]

    def fail(*_):
        raise error

    monkeypatch.setattr(reading, "case", fail)
    assert officer.get(f"/desk/cases/{case_id}").status_code == status
    assert officer.says(text)
    assert not officer.says("inside")


def test_what_was_refused_by_the_desk_is_no_success(officer, monkeypatch):
    case_id = officer.cases()[0]

    def refuse(*_, **__):
        raise BundleError("no champion")

    monkeypatch.setattr(cases, "decide", refuse)
    assert officer.decide(case_id, "accept").status_code == 503


def test_a_month_counts_what_happened_and_another_is_empty(officer, commission):
    done = officer.cases()[0]
    officer.decide(done, "accept")
    officer.decide(done, "decline", reasons=["debt"])
    commission.get("/desk/month?institution=I1&lang=en")
    assert commission.says("Debt too high")
    assert '<option value="I1" selected>' in commission.page
    commission.get("/desk/month?month=2024-01")
    assert commission.says("Nothing happened in this month")


def test_a_month_tells_what_was_granted_and_a_dash_before_anything_was(officer, commission):
    case_id = officer.cases()[0]
    officer.decide(case_id, "accept")
    officer.get("/desk/month?lang=en")
    assert officer.says("The grants")
    assert not officer.says("Mean ticket")
    for step in ("contact", "apply"):
        officer.decide(case_id, step)
    officer.decide(case_id, "grant", amount="1,500,000", rate="3.85")
    commission.get("/desk/month?institution=I1&lang=en")
    assert commission.says("Mean ticket</dt><dd>CN¥1.5M")
    assert commission.says("By size class")
    commission.get("/desk/month?institution=I2&lang=en")
    assert not commission.says("Mean ticket")


def test_the_commission_compares_institutions_and_an_officer_does_not(officer, commission, app, hands):
    hands.at += timedelta(hours=9)
    with app.state.service.store.writing() as session:
        session.execute(update(EnterpriseRow).values(as_of=date(2025, 1, 1)))
    commission.get("/desk/month?lang=en")
    assert commission.says("By institution")
    assert commission.says("Needs listed in this month: 4, of them screened: 0.")
    assert commission.says("active enterprises 4 had needs listed in a year (")
    assert '<a href="/desk/month?month=2025-01&amp;institution=I1">Bank One</a>' in commission.page
    assert '<a href="/desk?institution=I2">' in commission.page
    officer.get("/desk/month?lang=en")
    assert not officer.says("By institution")
    assert not officer.says("Needs listed")
    assert not officer.says("active enterprises")
    commission.get("/desk/month?lang=en&institution=I1")
    assert not commission.says("By institution")
    assert not commission.says("Needs listed")
    assert not commission.says("active enterprises")


@pytest.mark.parametrize("month", ["2099-01", "x", "2025-1", "2025-13", "0000-00", "0001-01", "1999-12"])
def test_a_month_that_is_none_or_long_past_or_to_come_is_this_one(officer, month):
    officer.get(f"/desk/month?month={month}&lang=en")
    assert officer.says("January 2025")


def test_the_first_month_of_all_leads_to_no_earlier_one(officer):
    officer.get("/desk/month?month=2000-01")
    assert 'rel="prev"' not in officer.page
    assert 'rel="next"' in officer.page


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/desk/static/nothing.css"])
def test_who_asks_for_no_page_is_answered_with_a_problem(app, path):
    answer = Visitor(app).get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/login", "/%00", "/Desk?lang=en", "/desk/static/nothing.css"])
def test_a_mistyped_address_is_answered_with_a_page_in_a_browser(app, officer, path):
    for visitor, back in ((Visitor(app), "/signin"), (officer, "/desk")):
        answer = visitor.client.get(path, headers=BROWSER)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert f'href="{back}"' in answer.text
        assert "next=" not in answer.text
        assert ("There is no such page" if "lang=en" in path else "页面不存在") in answer.text


def test_the_api_keeps_its_own_errors_in_a_browser(app):
    answer = Visitor(app).client.get("/v1/nothing", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
