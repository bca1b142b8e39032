"""The vocabulary: every entity and every field once, with its type, unit, range and labels in zh and en.

Tables (`tables.py`), JSON (`api`) and pages derive from these models; nothing else defines a field.
Money is an integer count of whole currency units (yuan, or the release's currency); terms are in months; rates in
basis points; shares in 0-1. `region` and `industry` are paths from coarse to fine, parts joined by `/`.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

MAX_MONEY = 10**15
Item = TypeVar("Item")


class Coded(StrEnum):
    """A code with its labels: `member.zh`, `member.en`."""

    zh: str
    en: str

    def __new__(cls, code: str, zh: str, en: str) -> "Coded":
        member = str.__new__(cls, code)
        member._value_ = code
        member.zh, member.en = zh, en
        return member


class Kind(Coded):
    """The three families of financing products."""

    CREDIT = "credit", "信贷", "Credit"
    BOND = "bond", "债券", "Bond"
    LEASING = "leasing", "融资租赁", "Leasing"


class InstitutionKind(Coded):
    """What an institution does."""

    BANK = "bank", "银行", "Bank"
    LESSOR = "lessor", "融资租赁公司", "Lessor"
    UNDERWRITER = "underwriter", "承销机构", "Underwriter"
    GUARANTOR = "guarantor", "担保机构", "Guarantor"
    INSURER = "insurer", "保险机构", "Insurer"


class Stage(Coded):
    """How far a match got; the funnel in order, then the two ways out of it."""

    SHOWN = "shown", "已展示", "Shown"
    CONTACTED = "contacted", "已对接", "Contacted"
    APPLIED = "applied", "已申请", "Applied"
    GRANTED = "granted", "已授信", "Granted"
    DRAWN = "drawn", "已放款", "Drawn"
    DECLINED = "declined", "已拒绝", "Declined"
    EXPIRED = "expired", "已失效", "Expired"


class Size(Coded):
    """Size class by the official algorithm (`reference.size_class`), or as the release states it."""

    LARGE = "large", "大型", "Large"
    MEDIUM = "medium", "中型", "Medium"
    SMALL = "small", "小型", "Small"
    MICRO = "micro", "微型", "Micro"


class Purpose(Coded):
    """What the money is for."""

    WORKING_CAPITAL = "working_capital", "流动资金", "Working capital"
    FIXED_ASSET = "fixed_asset", "固定资产", "Fixed assets"
    TECHNICAL_UPGRADE = "technical_upgrade", "技术改造", "Technical upgrade"
    EQUIPMENT = "equipment", "设备购置", "Equipment"
    RESEARCH = "research", "研发", "Research and development"
    EXPORT = "export", "出口", "Export"
    ORDERS = "orders", "订单履约", "Order fulfilment"
    REFINANCING = "refinancing", "续贷周转", "Refinancing"


class Collateral(Coded):
    """What can be offered as security."""

    REAL_ESTATE = "real_estate", "不动产", "Real estate"
    EQUIPMENT = "equipment", "设备", "Equipment"
    RECEIVABLES = "receivables", "应收账款", "Receivables"
    ORDERS = "orders", "订单", "Orders"
    PATENTS = "patents", "知识产权", "Intellectual property"
    GUARANTEE = "guarantee", "保证担保", "Guarantee"


class Tier(Coded):
    """The listing service's tiers and the yearly lists."""

    HIGH_TECH = "high_tech", "高新技术企业", "High-tech enterprise"
    INNOVATIVE = "innovative", "创新型中小企业", "Innovative SME"
    SPECIALISED = "specialised", "专精特新中小企业", "Specialised-and-new SME"
    LITTLE_GIANT = "little_giant", "专精特新“小巨人”", "Little giant"
    CHAMPION = "champion", "制造业单项冠军", "Manufacturing champion"
    DOUBLE_HUNDRED = "double_hundred", "双百企业", "Double Hundred enterprise"
    CHAIN_LEADER = "chain_leader", "链主企业", "Chain leader"


class TaxGrade(Coded):
    """The tax authority's yearly credit grade."""

    A = "A", "A级", "A"
    B = "B", "B级", "B"
    M = "M", "M级", "M"
    C = "C", "C级", "C"
    D = "D", "D级", "D"


class Benchmark(Coded):
    """What a product's price is a spread over."""

    LPR_1Y = "lpr_1y", "1年期LPR", "LPR, 1 year"
    LPR_5Y = "lpr_5y", "5年期以上LPR", "LPR, 5 years and more"


class DeclineReason(Coded):
    """Why an institution said no."""

    DEBT = "debt", "资产负债率过高", "Debt too high"
    CASH_FLOW = "cash_flow", "现金流不足", "Cash flow too weak"
    PROFIT = "profit", "盈利能力不足", "Profit too weak"
    HISTORY = "history", "经营年限不足", "Too short a history"
    COLLATERAL = "collateral", "抵质押物不足", "Not enough security"
    CREDIT_RECORD = "credit_record", "信用记录不良", "Adverse credit record"
    TAX = "tax", "纳税信用不足", "Tax grade too low"
    INDUSTRY = "industry", "行业限制", "Industry out of appetite"
    REGION = "region", "区域限制", "Region out of appetite"
    AMOUNT = "amount", "金额不符", "Amount does not fit"
    TERM = "term", "期限不符", "Term does not fit"
    PURPOSE = "purpose", "用途不符", "Purpose does not fit"
    PRICE = "price", "价格未达成一致", "No agreement on price"
    CAPACITY = "capacity", "额度已用完", "Capacity used up"
    DOCUMENTS = "documents", "资料不全", "Documents incomplete"
    EXPOSURE = "exposure", "已有授信过高", "Existing exposure too high"
    GUARANTEE = "guarantee", "担保条件不足", "Guarantee not sufficient"
    WITHDRAWN = "withdrawn", "企业放弃", "Enterprise withdrew"
    UNREACHABLE = "unreachable", "无法联系", "Could not be reached"
    OTHER = "other", "其他", "Other"


class Result(Coded):
    """What a rule says of one pair; never the word approved."""

    PASS = "pass", "符合", "Passes"
    REVIEW = "review", "待核实", "To be reviewed"
    FAIL = "fail", "不符合", "Fails"


class Operator(Coded):
    """How a rule compares a field with its value."""

    GE = ">=", "不低于", "at least"
    LE = "<=", "不高于", "at most"
    GT = ">", "高于", "above"
    LT = "<", "低于", "below"
    EQ = "==", "等于", "equal to"
    IN = "in", "属于", "one of"
    NOT_IN = "not_in", "不属于", "none of"
    HAS = "has", "包含", "including"


def fact(zh: str, en: str, unit: str = "", **limits: Any) -> Any:
    """A field's labels and unit beside its limits; `default` among the limits makes it optional."""
    return Field(title=en, json_schema_extra={"zh": zh, "en": en, "unit": unit}, **limits)


Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s/|\x00-\x1f][^/|\x00-\x1f]*$")]
Path = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^/|\x00-\x1f]+(/[^/|\x00-\x1f]+)*$")]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Several = Annotated[tuple[Item, ...], Field(max_length=1000)]
Day = Annotated[date, Field(ge=date(1700, 1, 1), le=date(2200, 12, 31))]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^|\x00-\x1f]+$")]


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
    revenue: int | None = fact("营业收入", "Revenue", "yuan/year", ge=0, le=MAX_MONEY, default=None)
    growth: float | None = fact("营收增长率", "Revenue growth", "share", ge=-1, le=100, default=None)
    profit: int | None = fact("净利润", "Net profit", "yuan/year", ge=-MAX_MONEY, le=MAX_MONEY, default=None)
    assets: int | None = fact("资产总额", "Total assets", "yuan", ge=0, le=MAX_MONEY, default=None)
    liabilities: int | None = fact("负债总额", "Total liabilities", "yuan", ge=0, le=MAX_MONEY, default=None)
    rd_spend: int | None = fact("研发费用", "R&D spending", "yuan/year", ge=0, le=MAX_MONEY, default=None)
    patents: int | None = fact("有效专利", "Patents in force", "patent", ge=0, le=10**6, default=None)
    equipment: int | None = fact("设备净值", "Equipment, net value", "yuan", ge=0, le=MAX_MONEY, default=None)
    receivables: int | None = fact("应收账款", "Receivables", "yuan", ge=0, le=MAX_MONEY, default=None)
    tax_grade: TaxGrade | None = fact("纳税信用等级", "Tax grade", default=None)
    tiers: Several[Tier] | None = fact("梯度与名单", "Tiers and lists", default=None)
    cluster: Code | None = fact("产业集群", "Manufacturing cluster", default=None)
    first_loan: bool | None = fact("首贷户", "No loan on record", default=None)
    reserve_list: bool | None = fact("技改项目入库", "Project on the upgrade reserve list", default=None)


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
    """One of a product's own conditions on a fact of the enterprise or the need (names in `rules.FACTS`)."""

    rule_id: Code = fact("规则编号", "Rule id")
    field: Code = fact("字段", "Field")
    operator: Operator = fact("比较", "Operator")
    value: float | bool | Text | Several[Text] = fact("阈值", "Threshold")
    clause: Text = fact("条款", "Clause")
    severity: Result = fact("不满足时", "When not met", default=Result.FAIL)


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
    min_amount: int | None = fact("最低金额", "Minimum amount", "yuan", ge=0, le=MAX_MONEY, default=None)
    max_amount: int | None = fact("最高金额", "Maximum amount", "yuan", ge=0, le=MAX_MONEY, default=None)
    min_term: int | None = fact("最短期限", "Minimum term", "month", ge=0, le=600, default=None)
    max_term: int | None = fact("最长期限", "Maximum term", "month", ge=0, le=600, default=None)
    benchmark: Benchmark | None = fact("定价基准", "Benchmark", default=None)
    spread_bp: float | None = fact("加点", "Spread over the benchmark", "bp", ge=-1000, le=5000, default=None)
    regions: Several[Path] | None = fact("适用地区", "Regions served (all when missing)", default=None)
    industries: Several[Path] | None = fact("适用行业", "Industries served (all when missing)", default=None)
    purposes: Several[Purpose] | None = fact("适用用途", "Purposes served (all when missing)", default=None)
    collateral: Several[Collateral] | None = fact("担保要求", "Security asked (any one of these)", default=None)
    rules: Several[Rule] | None = fact("准入规则", "Own rules", default=None)
    capacity: int | None = fact("额度", "Capacity a year", "yuan", ge=0, le=MAX_MONEY, default=None)


class Outcome(Entity):
    """What came of a match: one row for each stage that it reached."""

    need_id: Id = fact("需求编号", "Need id")
    product_id: Id = fact("产品编号", "Product id")
    stage: Stage = fact("阶段", "Stage")
    at: Day = fact("日期", "Date")
    amount: int | None = fact("金额", "Amount", "yuan", ge=0, le=MAX_MONEY, default=None)
    rate_bp: float | None = fact("利率", "Rate", "bp", ge=0, le=10000, default=None)
    position: int | None = fact("展示位置", "Position shown", ge=1, le=10000, default=None)
    reason_code: DeclineReason | None = fact("拒绝原因", "Decline reason", default=None)
    propensity: float | None = fact("展示概率", "Chance of being shown there", "share", gt=0, le=1, default=None)


class Verdict(Entity):
    """What one rule says of one product for one need: clause, threshold and actual value beside the result."""

    rule: Code = fact("规则", "Rule")
    result: Result = fact("结论", "Result")
    clause: Text = fact("条款", "Clause")
    threshold: Text = fact("阈值", "Threshold")
    actual: Text | None = fact("实际值", "Actual value (missing when unknown)")


class Match(Entity):
    """A ranked product for a need; rank 1 is best. `score` orders; it is no probability.

    `chance` is one: P(granted | applied), missing where the model had too few refusals to learn it from.
    """

    product_id: Id = fact("产品编号", "Product id")
    rank: int = fact("名次", "Rank", ge=1)
    score: float = fact("得分", "Score")
    chance: float | None = fact("申请获批概率", "Chance of a grant once applied for", "share", ge=0, le=1, default=None)
    verdicts: tuple[Verdict, ...] = fact("规则结论", "Verdicts")
