"""What each feature says in words a person understands: its topic, its label in zh and en, how its value is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import exp, expm1
from types import MappingProxyType
from typing import Final

from matching.contexts import OLD_YEARS
from matching.levels import LEVELS

LARGEST: Final = 1000.0  # beyond, a ratio says no more
SMALLEST: Final = 0.001  # nor does one below, or a share of fewer percent


@dataclass(frozen=True)
class Topic:
    """A group of features that a person takes for one reason: its code and its name in zh and en."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True)
class Said:
    """A feature in words: its `topic`, its label, and its value by `shown`.

    `needs` is the fact of the enterprise without which it says nothing, empty where there is none.
    """

    topic: Topic
    zh: str
    en: str
    shown: Callable[[float], tuple[str, str]]
    needs: str = ""


def _digits(value: float) -> str:
    """Three of them, never as powers of ten."""
    return f"<{SMALLEST}" if 0 < value < SMALLEST else f"{Decimal(f'{value:.3g}'):f}"


def _share(value: float) -> tuple[str, str]:
    shown = f"{_digits(100 * value)}%"
    return shown, shown


def _log_share(value: float) -> tuple[str, str]:
    return _share(exp(value))


def ratio(value: float) -> tuple[str, str]:
    """Of a log ratio."""
    factor = exp(min(value, 50.0))
    times = f">{LARGEST:.0f}" if factor > LARGEST else _digits(factor)
    return f"{times}倍", f"× {times}"


def _years(value: float) -> tuple[str, str]:
    return f"{value:.2f}年", f"{value:.2f} years"


def _life(value: float) -> tuple[str, str]:
    return (f"{OLD_YEARS:.0f}年以上", f"{OLD_YEARS:.0f} years or more") if value >= OLD_YEARS else _years(value)


def _months(value: float) -> tuple[str, str]:
    return f"{value:.0f}个月", f"{value:.0f} months"


def _count(value: float) -> tuple[str, str]:
    return f"{value:.0f}", f"{value:.0f}"


def _signed(value: float) -> tuple[str, str]:
    return f"{value:+.1f}", f"{value:+.1f}"


def _flag(value: float) -> tuple[str, str]:
    return ("是", "yes") if value else ("否", "no")


def _rate(value: float) -> tuple[str, str]:
    """Of a rate in hundredths of a percent."""
    shown = f"{value / 100:.2f}%"
    return shown, shown


def _basis_points(value: float) -> tuple[str, str]:
    return f"{value:.0f}个基点", f"{value:.0f} bp"


def _kilometres(value: float) -> tuple[str, str]:
    return f"{expm1(value):.0f}公里", f"{expm1(value):.0f} km"


_SUBJECTS: Final = {
    "product": ("该产品", "this product"),
    "institution": ("该机构", "this institution"),
    "type": ("该类产品", "products of this type"),
}
_THEMES: Final = {
    "popularity": ("{}的受欢迎程度", "The popularity of {}"),
    "region": ("{}在企业所在地的表现", "The standing of {} in the enterprise's area"),
    "industry": ("{}在企业所属行业的表现", "The standing of {} in the enterprise's industry"),
    "size": ("{}在同规模企业中的表现", "The standing of {} among enterprises of the same size"),
    "own": ("企业与{}的往来", "The enterprise's own past with {}"),
    "amount": ("{}的常见金额", "The amounts usual with {}"),
    "alike": ("{}在相似企业中的表现", "The standing of {} among similar enterprises"),
}
_PLACES: Final = (
    ("省市", "province", "总体", "everywhere"),
    ("区县", "district", "省市", "in the province"),
    ("街镇", "town", "区县", "in the district"),
    ("更小地区", "smaller area", "街镇", "in the town"),
)
_TRADES: Final = (
    (2, "行业大类", "industry division", "总体", "everywhere"),
    (3, "行业中类", "industry group", "大类", "in the division"),
    (4, "行业小类", "industry class", "中类", "in the group"),
)
_Line = tuple[str, str, str, Callable[[float], tuple[str, str]], str]
_LEVEL_LINES: Final[Mapping[str, _Line]] = {
    "popularity": ("popularity", "占全部成交的份额", "share of all that was taken", _log_share, ""),
    "year_momentum": ("popularity", "近一年份额与长期之比", "share of the last year to the long run", ratio, ""),
    "quarter_momentum": (
        "popularity",
        "近一季份额与近一年之比",
        "share of the last quarter to the last year",
        ratio,
        "",
    ),
    "idle_years": ("popularity", "距最近一次成交", "time since it was last taken", _years, ""),
    "life_years": ("popularity", "距首次成交", "time since it was first taken", _life, ""),
    **{
        f"region_{i}_lift": (
            "region",
            f"在本{zh}的份额与{of_zh}之比",
            f"share in the enterprise's {en} to that {of}",
            ratio,
            "region",
        )
        for i, (zh, en, of_zh, of) in enumerate(_PLACES, start=1)
    },
    "region_share": ("region", "在本地的份额", "share in the enterprise's area", _log_share, "region"),
    "region_year_share": (
        "region",
        "近一年在本省市的份额",
        "share in the enterprise's province in the last year",
        _log_share,
        "region",
    ),
    "region_momentum": (
        "region",
        "近一季在本省市的份额与近一年之比",
        "share in the enterprise's province, last quarter to last year",
        ratio,
        "region",
    ),
    **{
        f"industry_{i}_lift": (
            "industry",
            f"在本{zh}的份额与{of_zh}之比",
            f"share in the enterprise's {en} to that {of}",
            ratio,
            "industry",
        )
        for i, zh, en, of_zh, of in _TRADES
    },
    "region_industry_lift": (
        "industry",
        "在本省市本行业大类的份额与本省市之比",
        "share in the enterprise's industry here to that in the province",
        ratio,
        "industry",
    ),
    "size_lift": (
        "size",
        "在同规模企业中的份额与总体之比",
        "share among enterprises of the same size to that of all",
        ratio,
        "size",
    ),
    "own_share": ("own", "占企业近期成交的份额", "share of what the enterprise took lately", _share, ""),
    "own_count": ("own", "企业过往成交次数", "times that the enterprise took it", _count, ""),
    "own_years": ("own", "距企业上次成交", "time since the enterprise took it", _years, ""),
    "own_last": ("own", "为企业最近所选", "what the enterprise took last", _flag, ""),
    "own_seen": ("own", "企业看过的次数", "times that the enterprise saw it", _count, ""),
    "amount_distance": (
        "amount",
        "需求金额与其常见金额之差（标准差）",
        "the amount less the usual one there, in deviations",
        _signed,
        "",
    ),
    "amount_likelihood": (
        "amount",
        "出现该金额的可能性与总体之比",
        "likelihood of the amount to that everywhere",
        ratio,
        "",
    ),
    **{
        f"memory_{head}": (
            "alike",
            "在相似企业成交中的份额",
            "share of what similar enterprises took",
            _log_share,
            "",
        )
        for head in LEVELS
    },
    **{
        f"memory_{head}_gap": (
            "alike",
            "在相似企业成交中的份额与最高者之比",
            "share of what they took, to that of the best candidate",
            _log_share,
            "",
        )
        for head in LEVELS
    },
}
_LIMITS: Final = Topic("limits", "金额与产品额度", "The amount and the product's limits")
_TERM: Final = Topic("term", "期限", "The term")
_PRICE: Final = Topic("price", "价格", "The price")
_PLACE: Final = Topic("place", "与机构的距离", "How near the institution is")
_DEMAND: Final = Topic("applied", "相似企业的申请意愿", "The will of similar enterprises to apply")
_APPETITE: Final = Topic("granted", "机构的审批倾向", "What the institution tends to grant")
_SINGLE: Final = {
    "amount_above_minimum": Said(_LIMITS, "需求金额与最低金额之比", "the amount to its minimum", ratio),
    "amount_below_maximum": Said(_LIMITS, "最高金额与需求金额之比", "its maximum to the amount", ratio),
    "term_below_maximum": Said(_TERM, "最长期限超出所需", "its longest term beyond the one asked for", _months),
    "rate_bp": Said(_PRICE, "利率", "rate", _rate),
    "rate_gap": Said(_PRICE, "利率高于最低者", "rate above the cheapest candidate's", _basis_points),
    "home_levels": Said(
        _PLACE, "机构与企业同属的地区级数", "levels of region shared with the institution", _count, "region"
    ),
    "home_km": Said(_PLACE, "机构距企业", "distance of the institution", _kilometres),
    "appetite_applied": Said(
        _DEMAND, "看到后提出申请的可能性（模型估计）", "chance of applying once seen, by the model", _log_share
    ),
    "appetite_granted": Said(
        _APPETITE, "申请后获批的可能性（未经校准）", "chance of a grant, before calibration", _log_share
    ),
}


def _levelled() -> dict[str, Said]:
    found = {}
    for level, (zh, en) in _SUBJECTS.items():
        for name, (theme, label_zh, label_en, shown, needs) in _LEVEL_LINES.items():
            theme_zh, theme_en = _THEMES[theme]
            topic = Topic(f"{level}_{theme}", theme_zh.format(zh), theme_en.format(en))
            found[f"{level}_{name}"] = Said(topic, label_zh, label_en, shown, needs)
    return found


SAID: Final[Mapping[str, Said]] = MappingProxyType({**_levelled(), **_SINGLE})
"""Every feature that is not the same for all candidates, by name."""
