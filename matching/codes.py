"""The codes of the vocabulary, each with its labels in zh and en."""

from enum import StrEnum
from typing import Self


class Coded(StrEnum):
    """A code with its labels: `member.zh`, `member.en`."""

    zh: str
    en: str

    # Labels are given where a member is defined; to look one up, `Kind("bond")`, takes its code alone.
    def __new__(cls, code: str, zh: str = "", en: str = "") -> Self:
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
    OTC_BOARD = "otc_board", "区域性股权市场专精特新专板", "Specialised board of the OTC market"
    LISTED = "listed", "证券交易所上市", "Listed on an exchange"
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


class Effect(Coded):
    """Which way a reason moves a match."""

    RAISES = "raises", "提高", "Raises"
    LOWERS = "lowers", "降低", "Lowers"


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


class BuiltIn(Coded):
    """The rules that a product's own columns state."""

    DATES = "dates", "产品在售期", "Offered on the day"
    KIND = "kind", "需求产品类别", "Kind of product wanted"
    AMOUNT = "amount", "产品金额范围", "Amount within the product's limits"
    TERM = "term", "产品期限范围", "Term within the product's limits"
    REGION = "region", "产品适用地区", "Region served"
    INDUSTRY = "industry", "产品适用行业", "Industry served"
    PURPOSE = "purpose", "产品适用用途", "Purpose served"
    COLLATERAL = "collateral", "产品担保要求", "Security asked, any one of these"


class Trust(Coded):
    """How well the source of a dated row was read."""

    A = "A", "官方文本", "Read in an official text or its repost"
    B = "B", "非官方来源", "Read in a weak source: a default, no claim"
    C = "C", "未经核对", "Common knowledge or an assumption, not checked"


class Order(Coded):
    """What puts eligible products in their order."""

    MODEL = "model", "按模型得分排序", "By the model's score"
    NEUTRAL = "neutral", "按价格、期限、名称排序，不经任何模型", "By price, then term, then name: made by no model"


class EnhancementKind(Coded):
    """What may be stacked on a product."""

    GUARANTEE = "guarantee", "担保", "Guarantee"
    INSURANCE = "insurance", "保险", "Insurance"
    POOL = "pool", "风险补偿资金池", "Risk-compensation pool"
    SUBSIDY = "subsidy", "补贴", "Subsidy"


class Bearer(Coded):
    """Who bears a share of a loss."""

    LENDER = "lender", "资金提供方", "The institution itself"
    GUARANTOR = "guarantor", "担保机构", "The guarantor"
    INSURER = "insurer", "保险机构", "The insurer"
    CITY = "city", "市级财政", "The city"
    DISTRICT = "district", "区县财政", "The district"


class CostPart(Coded):
    """What the yearly cost of a stack is made of."""

    INTEREST = "interest", "利息", "Interest"
    GUARANTEE_FEE = "guarantee_fee", "担保费", "Guarantee fee"
    PREMIUM = "premium", "保费", "Premium"
    SUBSIDY = "subsidy", "补贴", "Subsidy"


class StackOrder(Coded):
    """By what a product's stacks are ordered."""

    LIFT = "lift", "按单位成本提高的获批概率", "By the chance gained for its cost"
    COST = "cost", "按综合成本", "By cost: no chance is stated"
