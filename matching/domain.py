"""The vocabulary: every entity and every field once, with its type, unit, range and labels in zh and en.

Tables (`tables.py`), JSON (`api`) and pages derive from these models; nothing else defines a field.
Money is an integer count of whole currency units (yuan, or the release's currency); terms are in months; rates in
basis points; shares in 0-1. `region` and `industry` are paths from coarse to fine, parts joined by `/`.
"""

import re
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from matching.codes import (
    Benchmark,
    BuiltIn,
    Coded,
    Collateral,
    DeclineReason,
    Effect,
    InstitutionKind,
    Kind,
    Operator,
    Purpose,
    Result,
    Size,
    Stage,
    TaxGrade,
    Tier,
    Trust,
)

__all__ = [
    "MAX_MONEY",
    "Benchmark",
    "BuiltIn",
    "Change",
    "Code",
    "Coded",
    "Collateral",
    "Day",
    "DeclineReason",
    "Effect",
    "Enterprise",
    "Entity",
    "Fix",
    "Id",
    "Institution",
    "InstitutionKind",
    "Kind",
    "Match",
    "Need",
    "Operator",
    "Outcome",
    "Path",
    "Product",
    "Purpose",
    "Reason",
    "Result",
    "Rule",
    "Several",
    "Size",
    "Stage",
    "TaxGrade",
    "Text",
    "Tier",
    "Trust",
    "Value",
    "Verdict",
    "fact",
]

MAX_MONEY = 10**15
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Item = TypeVar("Item")


def fact(zh: str, en: str, unit: str = "", **limits: Any) -> Any:
    """A field's labels and unit beside its limits; `default` among the limits makes it optional."""
    return Field(title=en, json_schema_extra={"zh": zh, "en": en, "unit": unit}, **limits)


def _money(zh: str, en: str, unit: str = "yuan", ge: int = 0) -> Any:
    """An optional amount of money."""
    return fact(zh, en, unit, ge=ge, le=MAX_MONEY, default=None)


def _day(given: object) -> object:
    """The date of a text; pydantic would take a number, and a text of digits, for seconds since 1970."""
    if not isinstance(given, str | int | float):
        return given
    try:
        return date.fromisoformat(given if isinstance(given, str) and _DAY.fullmatch(given) else "")
    except ValueError:
        raise ValueError(f"is a date (YYYY-MM-DD), not {given!r:.60}") from None


# An id is no `.` and no `..`: in the path of an address clients take these for a folder and leave them out.
_ID = r"^([^\s/|.\x00-\x1f]|\.[^/|.\x00-\x1f]|\.\.[^/|\x00-\x1f])[^/|\x00-\x1f]*$"
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=_ID)]
Path = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^/|\x00-\x1f]+(/[^/|\x00-\x1f]+)*$")]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Several = Annotated[tuple[Item, ...], Field(max_length=1000)]
Day = Annotated[date, Field(ge=date(1700, 1, 1), le=date(2200, 12, 31)), BeforeValidator(_day)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^|\x00-\x1f]+$")]
Value = bool | int | float | str | Several[str]


class Entity(BaseModel):
    """The base of all entities: frozen, unknown fields refused, NaN and infinity refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_enum_values=False)


class Enterprise(Entity):
    """A manufacturing enterprise's facts as known on `as_of`; almost all may be missing."""

    enterprise_id: Id = fact("企业编号", "Enterprise id")
    as_of: Day = fact("数据日期", "Facts as of")
    name: Text | None = fact("企业名称", "Name", default=None)
    region: Path | None = fact("所在地区", "Region", default=None)
    industry: Path | None = fact("所属行业", "Industry", default=None)
    latitude: float | None = fact("纬度", "Latitude", "degree", ge=-90, le=90, default=None)
    longitude: float | None = fact("经度", "Longitude", "degree", ge=-180, le=180, default=None)
    size: Size | None = fact("企业规模", "Size class", default=None)
    ownership: Code | None = fact("所有制", "Ownership", default=None)
    founded: Day | None = fact("成立日期", "Founded", default=None)
    employees: int | None = fact("从业人员", "Employees", "person", ge=0, le=10**7, default=None)
    revenue: int | None = _money("营业收入", "Revenue", "yuan/year")
    growth: float | None = fact("营收增长率", "Revenue growth", "share", ge=-1, le=100, default=None)
    profit: int | None = _money("净利润", "Net profit", "yuan/year", ge=-MAX_MONEY)
    assets: int | None = _money("资产总额", "Total assets")
    liabilities: int | None = _money("负债总额", "Total liabilities")
    rd_spend: int | None = _money("研发费用", "R&D spending", "yuan/year")
    patents: int | None = fact("有效专利", "Patents in force", "patent", ge=0, le=10**6, default=None)
    equipment: int | None = _money("设备净值", "Equipment, net value")
    receivables: int | None = _money("应收账款", "Receivables")
    tax_grade: TaxGrade | None = fact("纳税信用等级", "Tax grade", default=None)
    tiers: Several[Tier] | None = fact("梯度与名单", "Tiers and lists", default=None)
    cluster: Code | None = fact("产业集群", "Manufacturing cluster", default=None)
    first_loan: bool | None = fact("首贷户", "No loan on record", default=None)
    reserve_list: bool | None = fact("技改项目入库", "Project on the upgrade reserve list", default=None)
    inventory: int | None = _money("存货", "Inventory")
    payables: int | None = _money("应付账款", "Payables")
    prepayments: int | None = _money("预付账款", "Prepayments")
    advances: int | None = _money("预收账款", "Advances received")
    own_funds: int | None = _money("自有营运资金", "Own funds for operation")
    working_loans: int | None = _money("现有流动资金贷款", "Working capital loans outstanding")
    invoices: int | None = _money("近一年开票金额", "Sales invoiced", "yuan/year")
    distributable_profit: int | None = fact(
        "近三年平均可分配利润",
        "Distributable profit, mean of three years",
        "yuan/year",
        ge=-MAX_MONEY,
        le=MAX_MONEY,
        default=None,
    )
    cash_flow: int | None = _money("经营活动现金流量净额", "Cash flow from operations", "yuan/year", ge=-MAX_MONEY)
    defaulted: bool | None = fact("债务违约或延迟支付仍在继续", "A default or late payment still goes on", default=None)
    misused: bool | None = fact("曾擅自改变募集资金用途", "Bond proceeds were misused", default=None)
    patent_value: int | None = _money("知识产权评估价值", "Appraised value of intellectual property")
    patent_life: float | None = fact("专利剩余保护期", "Patent life left", "year", ge=0, le=20, default=None)
    equipment_invoiced: bool | None = fact("自有设备发票齐全", "Invoices of own equipment at hand", default=None)
    equipment_pledged: bool | None = fact("自有设备已抵押", "Own equipment is pledged", default=None)
    revenue_prior: int | None = _money("上上年度营业收入", "Revenue, the year before", "yuan/year")
    rd_spend_prior: int | None = _money("上上年度研发费用", "R&D spending, the year before", "yuan/year")
    growth_two_years: float | None = fact(
        "近两年主营业务收入平均增长率", "Growth, mean of two years", "share", ge=-1, le=100, default=None
    )
    main_business_share: float | None = fact("主营业务收入占比", "Main business", "share", ge=0, le=1, default=None)
    niche_years: float | None = fact("从事细分市场年限", "Time in the niche", "year", ge=0, le=200, default=None)
    niche_share: float | None = fact("主导产品细分市场占有率", "Niche share", "share", ge=0, le=1, default=None)
    niche_rank: int | None = fact(
        "主导产品细分市场全国排名", "National rank in the niche", ge=1, le=10**6, default=None
    )
    key_link: bool | None = fact("主导产品位于产业链关键环节", "A key link of its chain", default=None)
    class_one_ip: int | None = fact("Ⅰ类知识产权", "Class I IP rights", "right", ge=0, le=10**6, default=None)
    rd_staff_share: float | None = fact("研发人员占比", "R&D staff", "share", ge=0, le=1, default=None)
    new_equity: int | None = _money("近两年新增股权融资", "New equity in two years")
    innovation_score: float | None = fact("创新型评价得分", "Innovative SME score", "point", ge=0, le=100, default=None)
    specialisation_score: float | None = fact(
        "专精特新评价得分", "Specialised-and-new score", "point", ge=0, le=100, default=None
    )
    fast_track: bool | None = fact("符合直接认定条件", "A fast track applies", default=None)
    market_value: int | None = _money("预计市值", "Market value expected")
    neeq_months: int | None = fact("新三板创新层挂牌月数", "Months on the NEEQ", "month", ge=0, le=600, default=None)


class Need(Entity):
    """A financing need as posted on the white list."""

    need_id: Id = fact("需求编号", "Need id")
    enterprise_id: Id = fact("企业编号", "Enterprise id")
    posted_at: Day = fact("发布日期", "Posted")
    amount: int = fact("需求金额", "Amount needed", "yuan", gt=0, le=MAX_MONEY)
    term_months: int | None = fact("期限", "Term", "month", ge=1, le=600, default=None)
    purpose: Purpose | None = fact("用途", "Purpose", default=None)
    kinds: Several[Kind] | None = fact("产品类别", "Kinds wanted (all when missing)", default=None)
    collateral: Several[Collateral] | None = fact("可提供担保", "Security offered", default=None)
    confirmed_receivables: int | None = _money("债务人已确认的应收账款", "Receivables confirmed by the debtor")
    order_value: int | None = _money("已签订单金额", "Value of signed orders")
    includes_land: bool | None = fact("金额含土地购置", "The amount includes land", default=None)
    new_equipment: bool | None = fact("购置全新设备", "The equipment is new", default=None)
    purchase_contract: bool | None = fact("已签设备购置合同", "Purchase contract signed", default=None)
    purchase_price: int | None = _money("设备价款", "Price of the equipment")
    down_payment: int | None = _money("已付首付款", "Down payment made")
    renewal_agreed: bool | None = fact("原贷款银行同意续贷", "The bank agreed to renew", default=None)
    renewal_amount: int | None = _money("同意续贷金额", "Amount that the bank renews")
    bridge_days: int | None = fact("过桥天数", "Days to bridge", "day", ge=1, le=366, default=None)
    professional_investors: bool | None = fact("仅面向专业投资者", "To professional investors only", default=None)


class Institution(Entity):
    """A bank, lessor, underwriter, guarantor or insurer."""

    institution_id: Id = fact("机构编号", "Institution id")
    name_zh: Text = fact("机构名称", "Name (zh)")
    name_en: Text = fact("机构英文名称", "Name (en)")
    kind: InstitutionKind = fact("机构类别", "Institution kind")
    region: Path | None = fact("所在地区", "Region", default=None)
    latitude: float | None = fact("纬度", "Latitude", "degree", ge=-90, le=90, default=None)
    longitude: float | None = fact("经度", "Longitude", "degree", ge=-180, le=180, default=None)


class Rule(Entity):
    """One of a product's own conditions on a fact of the enterprise or the need (names in `rules.FACTS`).

    Asked from `valid_from` until before `valid_to`. `unit` is the field's own, or `rate`: the value then counts in
    rates of the product on the day.
    """

    rule_id: Code = fact("规则编号", "Rule id")
    field: Code = fact("字段", "Field")
    operator: Operator = fact("比较", "Operator")
    value: float | bool | Text | Several[Text] = fact("阈值", "Threshold")
    unit: Text | None = fact("单位", "Unit (the field's own when missing)", default=None)
    clause: Text = fact("条款", "Clause")
    source: Text = fact("依据", "Source", default="")
    severity: Result = fact("不满足时", "When not met", default=Result.FAIL)
    message_zh: Text | None = fact("要求说明", "What it asks (zh; made from the rule when missing)", default=None)
    message_en: Text | None = fact("要求英文说明", "What it asks (en; made from the rule when missing)", default=None)
    valid_from: Day | None = fact("生效日期", "Valid from (always when missing)", default=None)
    valid_to: Day | None = fact("失效日期", "Valid until (exclusive)", default=None)


class Product(Entity):
    """A financing product of an institution, as offered from `valid_from` until before `valid_to`."""

    product_id: Id = fact("产品编号", "Product id")
    valid_from: Day = fact("生效日期", "Valid from")
    valid_to: Day | None = fact("失效日期", "Valid until (exclusive)", default=None)
    institution_id: Id = fact("机构编号", "Institution id")
    name_zh: Text = fact("产品名称", "Name (zh)")
    name_en: Text = fact("产品英文名称", "Name (en)")
    kind: Kind = fact("产品类别", "Kind")
    type: Code = fact("产品类型", "Type")
    min_amount: int | None = _money("最低金额", "Minimum amount")
    max_amount: int | None = _money("最高金额", "Maximum amount")
    min_term: int | None = fact("最短期限", "Minimum term", "month", ge=0, le=600, default=None)
    max_term: int | None = fact("最长期限", "Maximum term", "month", ge=0, le=600, default=None)
    benchmark: Benchmark | None = fact("定价基准", "Benchmark", default=None)
    spread_bp: float | None = fact("加点", "Spread over the benchmark", "bp", ge=-1000, le=5000, default=None)
    regions: Several[Path] | None = fact("适用地区", "Regions served (all when missing)", default=None)
    industries: Several[Path] | None = fact("适用行业", "Industries served (all when missing)", default=None)
    purposes: Several[Purpose] | None = fact("适用用途", "Purposes served (all when missing)", default=None)
    collateral: Several[Collateral] | None = fact("担保要求", "Security asked (any one of these)", default=None)
    rules: Several[Rule] | None = fact("准入规则", "Own rules", default=None)
    capacity: int | None = _money("额度", "Capacity a year")


class Outcome(Entity):
    """What came of a match: one row for each stage that it reached."""

    need_id: Id = fact("需求编号", "Need id")
    product_id: Id = fact("产品编号", "Product id")
    stage: Stage = fact("阶段", "Stage")
    at: Day = fact("日期", "Date")
    amount: int | None = _money("金额", "Amount")
    rate_bp: float | None = fact("利率", "Rate", "bp", ge=0, le=10000, default=None)
    position: int | None = fact("展示位置", "Position shown", ge=1, le=10000, default=None)
    reason_code: DeclineReason | None = fact("拒绝原因", "Decline reason", default=None)
    propensity: float | None = fact("展示概率", "Chance of being shown there", "share", gt=0, le=1, default=None)


class Verdict(Entity):
    """What one rule says of one product for one need: what it asks, by which clause, threshold and actual value."""

    rule: Code = fact("规则", "Rule")
    result: Result = fact("结论", "Result")
    clause: Text = fact("条款", "Clause")
    source: Text = fact("依据", "Source", default="")
    message_zh: Text = fact("要求", "What it asks (zh)", default="")  # earlier records have neither message
    message_en: Text = fact("英文要求", "What it asks (en)", default="")
    threshold: Text = fact("阈值", "Threshold")
    actual: Text | None = fact("实际值", "Actual value (missing when unknown)")
    unit: Text = fact("单位", "Unit", default="")


class Reason(Entity):
    """Why a match stands where it does: what one group of features adds to its score over the others', and a fact.

    `value` is the model's own of `feature`, `usual` the median over what the match was held against (of log-odds the
    mean); the text has both in words, or the range of the others where the two look alike. Weights of one ranking
    compare.
    """

    code: Code = fact("理由编号", "Reason")
    effect: Effect = fact("作用", "Effect")
    weight: float = fact("权重", "Weight")
    feature: Code = fact("依据特征", "Feature it rests on")
    value: float = fact("特征值", "Value of the feature")
    usual: float = fact("对照值", "Median of what it was held against; of odds the mean")
    text_zh: Text = fact("说明", "In words (zh)")
    text_en: Text = fact("英文说明", "In words (en)")


class Match(Entity):
    """A ranked product for a need; rank 1 is best. `score` orders, missing where no model did; it is no probability.

    `chance` is one: P(granted | applied), missing where the model had too few refusals to learn it from.
    """

    product_id: Id = fact("产品编号", "Product id")
    rank: int = fact("名次", "Rank", ge=1)
    score: float | None = fact("得分", "Score", default=None)
    chance: float | None = fact("申请获批概率", "Chance of a grant once applied for", "share", ge=0, le=1, default=None)
    verdicts: tuple[Verdict, ...] = fact("规则结论", "Verdicts")
    reasons: tuple[Reason, ...] | None = fact("推荐理由", "Reasons (only where asked)", default=None)


class Change(Entity):
    """One fact that an enterprise can bring from `before` to `after`: a field of the enterprise or of its need."""

    field: Code = fact("字段", "Field")
    before: Value | None = fact("现值", "Value now")
    after: Value = fact("目标值", "Value to reach")
    effort_days: int = fact("所需天数", "Effort", "day", ge=1)
    text_zh: Text = fact("建议", "Advice (zh)")
    text_en: Text = fact("英文建议", "Advice (en)")


class Fix(Entity):
    """The smallest changes after which no rule fails a product, and the rank among `candidates` that it then has."""

    product_id: Id = fact("产品编号", "Product id")
    changes: tuple[Change, ...] = fact("需作调整", "Changes")
    effort_days: int = fact("合计所需天数", "Effort in all", "day", ge=1)
    rank: int | None = fact("调整后名次", "Rank after the changes", ge=1, default=None)
    candidates: int | None = fact("调整后候选数", "Candidates after the changes", ge=1, default=None)
