"""The product types of the market, each with its limits, price, purposes, security and own rules (rules of thumb)."""

from dataclasses import dataclass
from typing import Final

from matching.domain import Collateral, Purpose, Rule
from training.market.rules import RULES

FACILITY: Final = (1, 36)  # months of a revolving line


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
        (3, 60),
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
        RULES["working_capital"],
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
        RULES["fixed_asset"],
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
        RULES["technical_upgrade"],
    ),
    ProductType(
        "ip_pledge",
        "credit",
        "知识产权质押贷款",
        "IP pledge loan",
        (0.5, 20),
        (3, 60),
        110,
        {Purpose.RESEARCH: 1.2, Purpose.WORKING_CAPITAL: -0.3, Purpose.TECHNICAL_UPGRADE: -0.2},
        {"big": 0.4, "joint": 0.6, "city": 0.6, "rural": 0.1},
        (Collateral.PATENTS,),
        RULES["ip_pledge"],
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
        RULES["receivables"],
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
        RULES["orders"],
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
        RULES["unsecured"],
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
        RULES["first_loan"],
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
        RULES["bridge"],
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
        RULES["corporate_bond"],
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
        RULES["private_placement"],
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
        RULES["ppn"],
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
        RULES["commercial_paper"],
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
        RULES["medium_term_note"],
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
        RULES["sci_tech_bond"],
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
        RULES["direct_lease"],
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
        RULES["sale_leaseback"],
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
        RULES["vendor_lease"],
    ),
)
