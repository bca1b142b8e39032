"""Each product type's own rules: what laws and measures ask, and rules of thumb where the market goes by custom."""

from datetime import date
from typing import Any, Final

from matching.clauses import RATE
from matching.domain import Operator, Result, Rule
from matching.facts import FACTS

MILLION: Final = 1_000_000
CUSTOM: Final = "行业惯例（模拟） / Market custom (simulated)"
SHEET: Final = "产品说明 / Product sheet"
SECURITIES_LAW: Final = "证券法（2019年修订） / Securities Law, revised 2019"
WORKING_CAPITAL: Final = "流动资金贷款管理办法 / Measures for working capital loans"
PLACEMENT: Final = "公司债券发行与交易管理办法 / Measures for corporate bonds"
UPGRADE: Final = "技术改造专项政策（模拟） / Technical upgrade policy (simulated)"


def _rule(name: str, field: str, operator: Operator, value: Any, zh: str, en: str, **more: Any) -> Rule:
    about = {"clause": SHEET, "source": CUSTOM, "unit": FACTS[field].unit} | more
    return Rule(rule_id=name, field=field, operator=operator, value=value, message_zh=zh, message_en=en, **about)


def _at_least(field: str, value: float, zh: str, en: str, **more: Any) -> Rule:
    return _rule(f"min_{field}", field, Operator.GE, value, zh, en, **more)


def _at_most(field: str, value: float, zh: str, en: str, **more: Any) -> Rule:
    return _rule(f"max_{field}", field, Operator.LE, value, zh, en, **more)


def _is(field: str, value: bool, zh: str, en: str, **more: Any) -> Rule:
    return _rule(field, field, Operator.EQ, value, zh, en, **more)


def _revenue(millions: int) -> Rule:
    return _at_least(
        "revenue",
        millions * MILLION,
        f"年营业收入不低于{millions}00万元",
        f"Revenue is at least {millions} million yuan",
    )


def _assets(millions: int) -> Rule:
    return _at_least(
        "assets", millions * MILLION, f"资产总额不低于{millions}00万元", f"Assets are at least {millions} million yuan"
    )


def _age(years: int) -> Rule:
    return _at_least(
        "age_years", years, f"经营年限不少于{years}年", f"In operation for at least {years} year{'s' * (years > 1)}"
    )


def _debt(share: float) -> Rule:
    return _at_most("debt_ratio", share, f"资产负债率不高于{share:.0%}", f"The debt ratio is at most {share:.0%}")


NO_DEFAULT: Final = _is(
    "defaulted",
    False,
    "不存在仍在继续的债务违约或延迟支付",
    "No default or late payment goes on",
    clause="第十七条 / Art. 17",
    source=SECURITIES_LAW,
)
PROFESSIONAL: Final = _is(
    "professional_investors",
    True,
    "仅面向专业投资者发行",
    "Placed with professional investors only",
    clause="非公开发行 / Non-public issue",
    source=PLACEMENT,
)
STATE_OWNED: Final = _rule(
    "state_owned",
    "ownership",
    Operator.IN,
    ("state",),
    "发行人多为国有企业，民营中小企业需逐案核实",
    "Issuers are nearly all state-owned: others are reviewed case by case",
    severity=Result.REVIEW,
)
CONTRACT: Final = _is("purchase_contract", True, "已签订设备购置合同", "A purchase contract is signed")

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "working_capital": (
        _revenue(3),
        _rule(
            "working_capital_need",
            "amount_above_need",
            Operator.LE,
            0,
            "金额不超过测算的流动资金需求",
            "The amount is at most the working capital need by the formula",
            clause="附：流动资金贷款需求量测算 / Annex: how the need is measured",
            source=WORKING_CAPITAL,
        ),
        _rule(
            "working_capital_term",
            "term_above_cycle_limit",
            Operator.LE,
            0,
            "期限不超过三年，回收周期较长的不超过五年",
            "The term is at most three years, five where the cash cycle is long",
            clause="贷款期限 / Term of the loan",
            source=WORKING_CAPITAL,
            valid_from=date(2024, 7, 1),
        ),
    ),
    "fixed_asset": (_debt(0.75),),
    "technical_upgrade": (
        _is(
            "reserve_list",
            True,
            "技术改造项目已入储备库",
            "The project is on the upgrade reserve list",
            source=UPGRADE,
        ),
        _is("includes_land", False, "申请金额不含土地购置", "The amount leaves out land", source=UPGRADE),
    ),
    "ip_pledge": (
        _age(2),
        _at_least("patents", 2, "有效专利不少于2件", "At least 2 patents are in force"),
        _rule(
            "patent_life",
            "patent_life",
            Operator.GT,
            5,
            "专利剩余保护期在5年以上",
            "The patents have more than 5 years left",
        ),
        _at_most(
            "amount_to_patents",
            0.6,
            "金额不超过评估价值的60%",
            "The amount is at most 60% of the appraised value",
        ),
        _rule(
            "usual_amount_to_patents",
            "amount_to_patents",
            Operator.LE,
            0.4,
            "金额超过评估价值40%的需核实",
            "An amount above 40% of the appraised value is reviewed",
            severity=Result.REVIEW,
        ),
        _rule(
            "pledge_term",
            "term_above_pledge_limit",
            Operator.LE,
            0,
            "期限不超过三年，重点产业集群不超过五年",
            "The term is at most three years, five in a key cluster",
        ),
    ),
    "receivables": (
        _at_most(
            "amount_to_confirmed",
            0.9,
            "金额不超过已确认应收账款的90%",
            "The amount is at most 90% of the confirmed receivables",
        ),
        _rule(
            "usual_amount_to_confirmed",
            "amount_to_confirmed",
            Operator.LE,
            0.7,
            "金额超过已确认应收账款70%的需核实",
            "An amount above 70% of the confirmed receivables is reviewed",
            severity=Result.REVIEW,
        ),
    ),
    "orders": (
        _revenue(5),
        _at_most("amount_to_orders", 0.9, "金额不超过订单金额的90%", "The amount is at most 90% of the signed orders"),
    ),
    "unsecured": (
        _rule(
            "tax_grade",
            "tax_grade",
            Operator.IN,
            ("A", "B", "M"),
            "纳税信用等级为A、B或M级",
            "The tax grade is A, B or M",
        ),
        _at_most(
            "amount_to_invoices",
            0.5,
            "金额不超过近一年开票金额的50%",
            "The amount is at most 50% of a year's invoices",
        ),
    ),
    "first_loan": (_is("first_loan", True, "无贷款记录", "No loan is on record"),),
    "bridge": (
        _is("renewal_agreed", True, "原贷款银行同意续贷", "The bank agreed to renew the loan"),
        _at_most(
            "amount_to_renewal",
            0.95,
            "金额不超过续贷金额的95%",
            "The amount is at most 95% of what the bank renews",
        ),
        _at_most("bridge_days", 10, "过桥不超过10天", "Bridged for at most 10 days"),
    ),
    "corporate_bond": (
        _rule(
            "interest_cover",
            "profit_to_amount",
            Operator.GE,
            1,
            "最近三年平均可分配利润足以支付债券一年的利息",
            "Three years' mean distributable profit pays one year's interest",
            unit=RATE,
            clause="第十五条 / Art. 15",
            source=SECURITIES_LAW,
        ),
        _debt(0.7),
        _at_least(
            "cash_flow",
            0,
            "经营现金流量正常",
            "Cash flow from operations is not negative",
            severity=Result.REVIEW,
        ),
        NO_DEFAULT,
        _is(
            "misused",
            False,
            "未擅自改变募集资金用途",
            "Bond proceeds were not misused",
            clause="第十七条 / Art. 17",
            source=SECURITIES_LAW,
        ),
    ),
    "private_placement": (_assets(60), PROFESSIONAL, NO_DEFAULT, STATE_OWNED),
    "ppn": (_assets(80), PROFESSIONAL, NO_DEFAULT, STATE_OWNED),
    "commercial_paper": (
        _revenue(150),
        _at_least("profit", 0, "最近一年未亏损", "No loss in the last year"),
        _at_most("term_months", 12, "期限不超过一年", "The term is at most one year"),
        NO_DEFAULT,
    ),
    "medium_term_note": (
        _assets(150),
        _debt(0.75),
        _at_least("term_months", 24, "期限不短于两年", "The term is at least two years"),
        NO_DEFAULT,
    ),
    "sci_tech_bond": (
        _rule("high_tech", "tiers", Operator.HAS, ("high_tech",), "高新技术企业", "A high-tech enterprise"),
        _revenue(60),
        PROFESSIONAL,
        NO_DEFAULT,
        STATE_OWNED,
    ),
    "direct_lease": (
        _age(1),
        _is("new_equipment", True, "购置全新设备", "The equipment is new"),
        CONTRACT,
        _at_most("amount_to_price", 1, "金额不超过设备价款", "The amount is at most the equipment's price"),
    ),
    "sale_leaseback": (
        _age(3),
        _at_least(
            "equipment",
            2 * MILLION,
            "自有设备净值不低于200万元",
            "Own equipment is worth at least 2 million yuan",
        ),
        _is("equipment_invoiced", True, "自有设备发票齐全", "The equipment's invoices are at hand"),
        _is("equipment_pledged", False, "设备未抵押", "The equipment is not pledged"),
    ),
    "vendor_lease": (
        _revenue(2),
        CONTRACT,
        _at_least("down_payment_share", 0.2, "已支付不低于20%的首付款", "At least 20% of the price is paid down"),
        _at_most("amount_to_price", 0.8, "金额不超过设备价款的80%", "The amount is at most 80% of the price"),
    ),
}
