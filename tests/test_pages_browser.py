"""The pages in a real browser: cases from end to end without scripts, in both languages, by keyboard, for everybody."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from sqlalchemy import update

from api.store.desk_models import CaseRow
from tests.browsers import launched, served, window
from tests.visitors import PASSWORD

PAGES = {
    None: ["/welcome", "/signin?expired=1"],
    "wang.wei": ["/desk", "/desk?q=nobody", "/desk/month", "/desk/month?month=2024-01", "/desk/cases/none", "CASE"],
    "office": ["/desk?show=overdue", "/desk/month", "CASE", "/desk/coordination"],
    "root": ["/desk/accounts", "/desk"],
}
WORDS = {
    "zh-CN": {
        "steps": ["受理", "登记对接", "登记申请", "登记授信", "登记放款"],
        "stages": ["已受理", "已对接", "已申请", "已授信", "已放款"],
        "decline": "拒绝", "reason": "资产负债率过高", "declined": "已拒绝", "came": "推送至机构",
        "sign in": "登录", "name": "用户名", "password": "密码", "sign out": "退出",
    },
    "en": {
        "steps": [
            "Accept", "Record the first contact", "Record the application", "Record the grant", "Record the drawdown",
        ],
        "stages": ["Accepted", "Contacted", "Applied", "Granted", "Drawn"],
        "decline": "Decline", "reason": "Debt too high", "declined": "Declined", "came": "Came to the institution",
        "sign in": "Sign in", "name": "Name", "password": "Password", "sign out": "Sign out",
    },
}  # fmt: skip


LOOKS = [("phone", "dark", "en"), ("desktop", "light", "zh-CN")]
SCRIPTED = {"java_script_enabled": True, "bypass_csp": True}
WIDER = "[document.documentElement, ...document.querySelectorAll('.queue')].some(e => e.scrollWidth > e.clientWidth)"


@pytest.fixture(scope="module")
def browser():
    with launched() as made:
        yield made


@pytest.fixture
def desk(app, tokens):
    """The address of a desk of its own, and a session's token for each account."""
    with served(app) as address:
        yield address, tokens


def cases(page):
    """The addresses of the queue's cases, in its order."""
    page.goto("/desk")
    return [link.get_attribute("href") for link in page.locator("td.name a").all()]


def sign_in(page, words, name):
    page.get_by_label(words["name"], exact=True).fill(name)
    page.get_by_label(words["password"], exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name=words["sign in"]).click()


@pytest.mark.parametrize("language", WORDS)
def test_a_case_goes_from_suggestion_to_drawdown_without_a_script(browser, desk, language):
    words = WORDS[language]
    with window(browser, desk[0]) as context:
        page = context.new_page()
        page.goto(f"/signin?lang={language}")
        sign_in(page, words, "wang.wei")
        page.locator("td.name a").first.click()
        for step, stage in zip(words["steps"], words["stages"], strict=True):
            page.get_by_role("button", name=step, exact=True).click()
            expect(page.get_by_role("status")).to_contain_text(stage)
            expect(page.locator(".history li").first).to_contain_text(stage)
        expect(page.locator(".steps .now")).to_have_text(words["stages"][-1])
        assert page.locator(".history li").count() == 1 + len(words["steps"])
        page.get_by_role("button", name=words["sign out"]).click()
        expect(page).to_have_url(re.compile(r"/signin\?left=1$"))


@pytest.mark.parametrize("language", WORDS)
def test_a_declined_case_goes_on_to_the_next_institution_without_a_script(browser, desk, language):
    words, (address, tokens) = WORDS[language], desk
    with window(browser, address, tokens["zhao.min"]) as theirs, window(browser, address, tokens["wang.wei"]) as mine:
        other, page = theirs.new_page(), mine.new_page()
        page.goto(f"/desk?lang={language}")
        other.goto(f"/desk?lang={language}")
        before, (case, *_) = set(cases(other)), cases(page)
        page.goto(case)
        page.locator("summary", has_text=re.compile(rf"^{words['decline']}$")).click()
        page.get_by_role("button", name=words["decline"], exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label(words["reason"]).check()
        page.get_by_role("button", name=words["decline"], exact=True).click()
        expect(page.locator(".steps .out")).to_have_text(words["declined"])
        (new,) = set(cases(other)) - before
        other.goto(new)
        expect(other.locator(".history li")).to_contain_text(words["came"])
        assert page.goto(new).status == 404


def test_a_queue_is_worked_off_from_case_to_case_without_a_script(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["wang.wei"]) as context:
        page = context.new_page()
        queue = cases(page)
        page.goto(queue[0])
        for case in queue:
            expect(page).to_have_url(f"{address}{case}")
            page.get_by_role("button", name="受理", exact=True).click()
            page.get_by_role("status").get_by_role("link").click()
        assert sorted(cases(page)) == sorted(queue)
        expect(page.locator(".s-suggested")).to_have_count(0)


def addresses(page, name):
    """The pages that somebody may see; `CASE` is the first of the queue."""
    case = cases(page)[0] if "CASE" in PAGES[name] else ""
    return [case if path == "CASE" else path for path in PAGES[name]]


def faults(page):
    """What axe-core finds, which needs scripts that the pages themselves forbid; and what stands out to the side."""
    closed = page.locator("details:not([open]) > summary")
    while closed.count():
        closed.first.click()
    found = [(one["id"], one["nodes"][0]["html"]) for one in Axe().run(page).response["violations"]]
    return [*found, "stands out"] if page.evaluate(WIDER) else found


@pytest.mark.parametrize(("width", "scheme", "language"), LOOKS)
@pytest.mark.parametrize("name", PAGES, ids=str)
def test_no_page_has_a_fault_for_those_who_see_or_move_otherwise(browser, desk, name, width, scheme, language):
    address, tokens = desk
    with window(browser, address, tokens.get(name, ""), width, color_scheme=scheme, **SCRIPTED) as context:
        page = context.new_page()
        page.goto(f"/welcome?lang={language}")
        for path in addresses(page, name):
            page.goto(path)
            assert faults(page) == [], path


@pytest.mark.parametrize(("width", "scheme", "language"), LOOKS)
def test_nor_has_what_comes_of_a_form(browser, desk, width, scheme, language):
    """A sign-in refused, a step refused, taken, and taken by somebody else before; and the queue of ended cases."""
    words, (address, tokens) = WORDS[language], desk
    with window(browser, address, "", width, color_scheme=scheme, **SCRIPTED) as context:
        page, other = context.new_page(), context.new_page()
        page.bring_to_front()  # one that lies behind is seldom drawn, and a click waits for it
        page.goto(f"/signin?lang={language}")
        sign_in(page, words, "nobody")
        assert faults(page) == []
        context.add_cookies([{"name": "session", "value": tokens["wang.wei"], "url": address}])
        case = cases(page)[0]
        other.goto(case)
        page.goto(case)
        assert faults(page) == []
        page.get_by_role("button", name=words["decline"], exact=True).click()
        assert faults(page) == []
        page.get_by_label(words["reason"]).check()
        page.get_by_role("button", name=words["decline"], exact=True).click()
        expect(page.get_by_role("status")).to_contain_text(words["declined"])
        assert faults(page) == []
        other.bring_to_front()
        other.get_by_role("button", name=words["steps"][0], exact=True).click()
        assert faults(other) == []
        other.goto("/desk?show=ended")
        assert faults(other) == []


def test_long_texts_stay_on_the_page(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["wang.wei"], "phone", java_script_enabled=True) as context:
        page = context.new_page()
        page.goto(cases(page)[0])
        page.get_by_label("备注").first.fill("无空格" * 300 + "x" * 1100)
        page.get_by_role("button", name="受理", exact=True).click()
        expect(page.locator("blockquote")).to_contain_text("x" * 1100)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", ["phone", "desktop"])
def test_long_names_push_nothing_off_the_page(browser, app, desk, width):
    address, tokens = desk
    with app.state.service.store.writing() as session:
        session.execute(update(CaseRow).values(enterprise_name="Unbroken" * 25, product_zh="长" * 200))
    with window(browser, address, tokens["wang.wei"], width, **SCRIPTED) as context:
        page = context.new_page()
        for path in ("/desk", cases(page)[0]):
            page.goto(path)
            assert faults(page) == [], path


@pytest.mark.parametrize("wide", [769, 820])
def test_a_tablet_shows_every_column_of_the_queue(browser, app, desk, wide):
    address, tokens = desk
    about = {"purpose": "research", "term_months": 24, "product_en": "Yuesheng Commercial Bank Working capital loan"}
    with app.state.service.store.writing() as session:
        session.execute(update(CaseRow).values(about))
    with window(browser, address, tokens["office"], java_script_enabled=True) as context:
        page = context.new_page()
        page.set_viewport_size({"width": wide, "height": 900})
        page.goto("/desk?lang=en")
        expect(page.locator("td .under", has_text="Research and development").first).to_be_visible()
        assert not page.evaluate(WIDER)


def test_a_queue_that_is_too_wide_can_be_moved_sideways(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["office"], **SCRIPTED) as context:
        page = context.new_page()
        page.goto("/desk")
        page.evaluate("document.querySelector('.queue table').style.width = '200%'")
        box = page.locator(".queue").bounding_box()
        page.mouse.move(box["x"] + 50, box["y"] + 10)
        page.mouse.wheel(300, 0)
        page.wait_for_function("document.querySelector('.queue').scrollLeft > 0")


def test_names_of_institutions_break_between_words_on_a_tablet(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["office"], java_script_enabled=True) as context:
        page = context.new_page()
        page.set_viewport_size({"width": 820, "height": 900})
        page.goto("/desk/month?lang=en")
        name = page.locator("td.name a").first
        name.evaluate("e => { e.textContent = 'Commercial' }")
        assert name.evaluate("e => e.getClientRects().length") == 1


def test_the_cards_of_a_month_without_cases_stand_apart(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["office"], "phone") as context:
        page = context.new_page()
        page.goto("/desk/month?month=2024-01")
        first, second = (card.bounding_box() for card in page.locator("main > .card").all())
        assert second["y"] - (first["y"] + first["height"]) >= 8


@pytest.mark.parametrize("wide", [320, 390, 700, 730, 768, 1000, 1280])
def test_a_large_sum_stays_in_its_tile(browser, desk, wide):
    address, tokens = desk
    with window(browser, address, tokens["office"], java_script_enabled=True) as context:
        page = context.new_page()
        page.set_viewport_size({"width": wide, "height": 900})
        page.goto("/desk/month?lang=en")
        sums = page.locator(".tiles .big")
        assert sums.count() == 4
        page.evaluate("document.querySelectorAll('.tiles .big').forEach(e => { e.textContent = 'CN¥177.62M' })")
        assert not page.evaluate(
            "[...document.querySelectorAll('.tiles .big')].some(e => e.scrollWidth > e.clientWidth)"
        )


def test_the_keyboard_alone_is_enough(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["wang.wei"]) as context:
        page = context.new_page()
        page.goto(cases(page)[0])
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#main$"))
        page.get_by_label("备注").first.focus()
        page.keyboard.type("by keys")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".history li").first).to_contain_text("by keys")


def test_a_page_loads_nothing_but_its_sheet_and_its_mark(browser, desk):
    address, tokens = desk
    with window(browser, address, tokens["wang.wei"], java_script_enabled=True) as context:
        page, asked, complaints = context.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url.removeprefix(address).split("?")[0]))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto("/desk")
        assert set(asked) <= {"/desk", "/desk/static/desk.css", "/desk/static/mark.svg"}
        assert complaints == []
