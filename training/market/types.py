"""The product types of the market, each with its limits, price, purposes, security and own rules (rules of thumb)."""

from dataclasses import dataclass
from typing import Final

from matching.domain import Collateral, Operator, Purpose, Result, Rule

FACILITY: Final = (1, 36)  # months of a revolving line
MILLION: Final = 1_000_000


@dataclass(frozen=True)
class ProductType:
    """A type's limits before an institution's own scale: yuan, months, basis points over the benchmark.

    `fits` is how well the type serves each purpose (log-odds); `offered` is the chance that a class offers it.
    """

    name: str
    kind: str
    zh: str
    en: str
    amounts: tuple[float, float]
    terms: tuple[int, int]
    spread: float
    fits: dict[Purpose, float]
    offered: dict[str, float]
    collateral: tuple[Collateral, ...] = ()
    rules: tuple[Rule, ...] = ()


def _rule(name: str, field: str, operator: Operator, value: float | bool | tuple[str, ...], clause: str) -> Rule:
    return Rule(rule_id=name, field=field, operator=operator, value=value, clause=clause, severity=Result.FAIL)


def _at_least(field: str, value: float, clause: str) -> Rule:
    return _rule(f"min_{field}", field, Operator.GE, value, clause)


def _at_most(field: str, value: float, clause: str) -> Rule:
    return _rule(f"max_{field}", field, Operator.LE, value, clause)


GOOD_TAX = _rule("tax_grade", "tax_grade", Operator.IN, ("A", "B", "M"), "纳税信用等级为A、B或M级")
RESERVE = _rule("reserve_list", "reserve_list", Operator.EQ, True, "技术改造项目已入储备库")
FIRST = _rule("first_loan", "first_loan", Operator.EQ, True, "无贷款记录")
RENEWAL = _rule("renewal", "first_loan", Operator.EQ, False, "原贷款银行同意续贷")
HIGH_TECH = _rule("high_tech", "tiers", Operator.HAS, ("high_tech",), "高新技术企业")
BANKS = {"big": 0.8, "joint": 0.7, "city": 0.7, "rural": 0.6}
ARRANGERS = {"big": 0.2, "joint": 0.3, "underwriter": 0.9}
LESSORS = {"lessor": 0.95}
ISSUER = {
    Purpose.WORKING_CAPITAL: 0.2,
    Purpose.FIXED_ASSET: 0.6,
    Purpose.RESEARCH: 0.1,
    Purpose.REFINANCING: 0.8,
    Purpose.TECHNICAL_UPGRADE: 0.0,
}

TYPES: Final = (
    ProductType(
        "working_capital",
        "credit",
        "流动资金贷款",
        "Working capital loan",
        (0.5, 30),
        (3, 36),
        80,
        {
            Purpose.WORKING_CAPITAL: 1.0,
            Purpose.ORDERS: 0.2,
            Purpose.EXPORT: 0.2,
            Purpose.REFINANCING: 0.0,
            Purpose.RESEARCH: -0.4,
        },
        dict.fromkeys(BANKS, 1.0),
        (Collateral.REAL_ESTATE, Collateral.GUARANTEE, Collateral.EQUIPMENT),
        (_at_least("revenue", 3 * MILLION, "上年营业收入"),),
    ),
    ProductType(
        "fixed_asset",
        "credit",
        "固定资产贷款",
        "Fixed asset loan",
        (2, 100),
        (24, 120),
        90,
        {Purpose.FIXED_ASSET: 1.0, Purpose.EQUIPMENT: -0.2, Purpose.TECHNICAL_UPGRADE: -0.2},
        {"big": 0.8, "joint": 0.5, "city": 0.5, "rural": 0.2},
        (Collateral.REAL_ESTATE, Collateral.EQUIPMENT, Collateral.GUARANTEE),
        (_at_most("debt_ratio", 0.75, "资产负债率"),),
    ),
    ProductType(
        "technical_upgrade",
        "credit",
        "技术改造贷款",
        "Technical upgrade loan",
        (1, 60),
        (12, 84),
        45,
        {Purpose.TECHNICAL_UPGRADE: 1.2, Purpose.EQUIPMENT: 0.4, Purpose.FIXED_ASSET: 0.0},
        {"big": 0.8, "joint": 0.6, "city": 0.6, "rural": 0.2},
        (Collateral.REAL_ESTATE, Collateral.EQUIPMENT, Collateral.GUARANTEE),
        (RESERVE,),
    ),
    ProductType(
        "ip_pledge",
        "credit",
        "知识产权质押贷款",
        "IP pledge loan",
        (0.5, 20),
        (3, 36),
        110,
        {Purpose.RESEARCH: 1.2, Purpose.WORKING_CAPITAL: -0.3, Purpose.TECHNICAL_UPGRADE: -0.2},
        {"big": 0.4, "joint": 0.6, "city": 0.6, "rural": 0.1},
        (Collateral.PATENTS,),
        (_at_least("age_years", 2, "经营年限"), _at_least("patents", 2, "有效专利件数")),
    ),
    ProductType(
        "receivables",
        "credit",
        "应收账款融资",
        "Receivables finance",
        (0.5, 40),
        (1, 24),
        120,
        {Purpose.WORKING_CAPITAL: 0.4, Purpose.ORDERS: 0.8, Purpose.EXPORT: 0.9},
        {"big": 0.6, "joint": 0.6, "city": 0.5, "rural": 0.1},
        (Collateral.RECEIVABLES,),
        (_at_least("receivables", MILLION, "已确认应收账款"),),
    ),
    ProductType(
        "orders",
        "credit",
        "订单融资",
        "Order finance",
        (0.3, 20),
        (1, 18),
        130,
        {Purpose.ORDERS: 1.3, Purpose.EXPORT: 0.8, Purpose.WORKING_CAPITAL: -0.5},
        {"big": 0.4, "joint": 0.5, "city": 0.4, "rural": 0.1},
        (Collateral.ORDERS, Collateral.RECEIVABLES),
        (_at_least("revenue", 5 * MILLION, "上年营业收入"),),
    ),
    ProductType(
        "unsecured",
        "credit",
        "信用贷款",
        "Unsecured loan",
        (0.1, 10),
        FACILITY,
        160,
        {
            Purpose.WORKING_CAPITAL: 0.6,
            Purpose.RESEARCH: 0.3,
            Purpose.ORDERS: 0.2,
            Purpose.EXPORT: 0.0,
            Purpose.EQUIPMENT: -0.6,
            Purpose.TECHNICAL_UPGRADE: -0.6,
            Purpose.FIXED_ASSET: -0.9,
            Purpose.REFINANCING: -0.2,
        },
        BANKS,
        (),
        (GOOD_TAX,),
    ),
    ProductType(
        "first_loan",
        "credit",
        "首贷",
        "First loan",
        (0.1, 5),
        FACILITY,
        100,
        {
            Purpose.WORKING_CAPITAL: 0.8,
            Purpose.EQUIPMENT: 0.2,
            Purpose.ORDERS: 0.4,
            Purpose.RESEARCH: 0.2,
            Purpose.TECHNICAL_UPGRADE: 0.0,
        },
        {"big": 0.5, "joint": 0.3, "city": 0.5, "rural": 0.7},
        (),
        (FIRST,),
    ),
    ProductType(
        "bridge",
        "credit",
        "转贷过桥",
        "Bridge loan",
        (0.5, 10),
        (0, 6),
        250,
        {Purpose.REFINANCING: 1.2},
        {"big": 0.2, "joint": 0.3, "city": 0.5, "rural": 0.5},
        (),
        (RENEWAL,),
    ),
    ProductType(
        "corporate_bond",
        "bond",
        "公司债券",
        "Public corporate bond",
        (100, 2000),
        (24, 120),
        60,
        ISSUER,
        ARRANGERS,
        (),
        (
            _at_least("profit", 5 * MILLION, "年均可分配利润足以支付一年利息"),
            _at_most("debt_ratio", 0.7, "资产负债结构合理"),
        ),
    ),
    ProductType(
        "private_placement",
        "bond",
        "非公开发行债券",
        "Private placement bond",
        (20, 800),
        (12, 84),
        150,
        ISSUER,
        {"underwriter": 0.9},
        (),
        (_at_least("assets", 60 * MILLION, "资产总额"),),
    ),
    ProductType(
        "ppn",
        "bond",
        "定向债务融资工具",
        "Private placement note",
        (20, 800),
        (6, 60),
        130,
        ISSUER,
        {"big": 0.2, "joint": 0.3, "underwriter": 0.4},
        (),
        (_at_least("assets", 80 * MILLION, "资产总额"),),
    ),
    ProductType(
        "commercial_paper",
        "bond",
        "短期融资券",
        "Commercial paper",
        (20, 600),
        (1, 12),
        40,
        {Purpose.WORKING_CAPITAL: 0.9, Purpose.REFINANCING: 0.7, Purpose.ORDERS: 0.2},
        ARRANGERS,
        (),
        (_at_least("revenue", 150 * MILLION, "营业收入"), _at_least("profit", 0, "最近一年盈利")),
    ),
    ProductType(
        "medium_term_note",
        "bond",
        "中期票据",
        "Medium-term note",
        (50, 1000),
        (24, 120),
        70,
        ISSUER,
        ARRANGERS,
        (),
        (_at_least("assets", 150 * MILLION, "资产总额"), _at_most("debt_ratio", 0.75, "资产负债率")),
    ),
    ProductType(
        "sci_tech_bond",
        "bond",
        "科技创新债券",
        "Sci-tech innovation bond",
        (20, 600),
        (12, 84),
        50,
        {
            Purpose.RESEARCH: 1.2,
            Purpose.TECHNICAL_UPGRADE: 0.6,
            Purpose.FIXED_ASSET: 0.2,
            Purpose.WORKING_CAPITAL: -0.2,
        },
        {"underwriter": 0.8},
        (),
        (HIGH_TECH, _at_least("revenue", 60 * MILLION, "营业收入")),
    ),
    ProductType(
        "direct_lease",
        "leasing",
        "直接租赁",
        "Direct lease",
        (0.5, 60),
        (12, 60),
        160,
        {Purpose.EQUIPMENT: 1.2, Purpose.TECHNICAL_UPGRADE: 0.6, Purpose.FIXED_ASSET: 0.0},
        LESSORS,
        (),
        (_at_least("age_years", 1, "经营年限"),),
    ),
    ProductType(
        "sale_leaseback",
        "leasing",
        "售后回租",
        "Sale and leaseback",
        (1, 80),
        (6, 60),
        180,
        {
            Purpose.WORKING_CAPITAL: 0.3,
            Purpose.REFINANCING: 0.8,
            Purpose.RESEARCH: 0.0,
            Purpose.ORDERS: -0.3,
            Purpose.FIXED_ASSET: 0.0,
        },
        LESSORS,
        (Collateral.EQUIPMENT,),
        (_at_least("age_years", 3, "经营年限"), _at_least("equipment", 2 * MILLION, "自有设备净值")),
    ),
    ProductType(
        "vendor_lease",
        "leasing",
        "厂商租赁",
        "Vendor lease",
        (0.3, 20),
        (6, 48),
        150,
        {Purpose.EQUIPMENT: 1.0, Purpose.TECHNICAL_UPGRADE: 0.2},
        LESSORS,
        (Collateral.EQUIPMENT, Collateral.GUARANTEE, Collateral.RECEIVABLES),
        (_at_least("revenue", 2 * MILLION, "上年营业收入"),),
    ),
)
