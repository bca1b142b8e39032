"""What a case's page says beside the ranking: the sizing of the need, what a stack waits for."""

from datetime import UTC, datetime
from html import unescape

import pytest

from api.app import create_app
from api.desk import listing
from api.desk.identity import SYSTEM
from api.messages import ListingRequest
from tests.test_sizing import BOOKS
from tests.visitors import PASSWORD, Visitor, copied

WHO = {"enterprise_id": "EX", "region": "CN/500000/500106", "industry": "C/34/344"}
ASKED = {"need_id": "NX", "amount": 2_000_000, "term_months": 12, "purpose": "working_capital"}


@pytest.fixture
def section(prepared, hands, tmp_path):
    """Lists a need of `WHO` in June 2025 and gives a section of its case's page in words, as its officer sees it."""
    hands.at = datetime(2025, 6, 1, 12, tzinfo=UTC)
    made = create_app(copied(prepared[0], tmp_path), now=hands)

    def shown(name, language, who, asked):
        request = ListingRequest.model_validate({"enterprise": WHO | who, "need": ASKED | asked})
        case_id = listing.list_need(made.state.service, SYSTEM, request).case_id
        for officer in ("wang.wei", "zhao.min"):
            visitor = Visitor(made)
            visitor.sign_in(officer, PASSWORD)
            if visitor.get(f"/desk/cases/{case_id}?lang={language}").status_code == 200:
                return " ".join(unescape(visitor.page.split(f'id="{name}"')[1].split("</section>")[0]).split())
        raise AssertionError("neither institution has the case")

    yield shown
    made.state.service.close()


@pytest.mark.parametrize(
    ("language", "term", "said"),
    [
        ("zh-CN", 37, "申请期限超出办法规定的最长期限（36 个月）1 个月。</p>"),
        ("en", 48, "The term asked for is 12 months above the longest that the measures admit, 36 months.</p>"),
    ],
)
def test_a_term_above_the_longest_is_told_beside_the_sizing(section, language, term, said):
    assert said in section("fix", language, BOOKS, {"term_months": term})


@pytest.mark.parametrize("term", [None, 12, 36])
def test_a_term_up_to_the_longest_gets_no_remark(section, term):
    told = section("fix", "en", BOOKS, {"term_months": term})
    assert "The amount stays within it. Term suggested: 4 months.</p>" in told
    assert "above the longest" not in told


MEDIUM = {"employees": 400, "revenue": 36_000_000}
CREDIT = {"kinds": ["credit"]}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh-CN", "须先核实：政府性融资担保：小微企业（其他企业合计不超过业务额的20%）。</p>"),
        (
            "en",
            "To be reviewed first: Government financing guarantee: a small or micro enterprise"
            " (others share at most 20% of the business).</p>",
        ),
    ],
)
def test_a_stack_to_be_reviewed_says_what_is_to_be_reviewed(section, language, said):
    assert said in section("stack", language, MEDIUM, CREDIT)


def test_a_stack_that_passes_waits_for_nothing_and_without_a_rate_says_why_it_has_no_total(section):
    told = section("stack", "en", {"employees": 40, "revenue": 36_000_000}, CREDIT)
    best = told.split("<details>")[0]
    assert "<h3>Government financing guarantee</h3>" in best
    assert "To be reviewed" not in best
    assert "The product's rate is not known." in best


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh-CN", "增信数据依据：未经核对。</p>"),
        (
            "en",
            "How well the sources of this stack were read: Common knowledge or an assumption, not checked.</p>",
        ),
    ],
)
def test_a_stack_says_where_its_figures_are_no_official_ones(section, language, said):
    told = section("stack", language, {}, CREDIT)
    assert said in told


def test_a_product_alone_has_no_source_to_doubt(section):
    assert "sources of this stack" not in section("stack", "en", {}, {"kinds": ["leasing"]})
