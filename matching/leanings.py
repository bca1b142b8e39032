"""What each slope of an appetite says in words: how a product, an institution or a type leans, by which fact."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from matching.appetite import SOURCES
from matching.features import APPETITES
from matching.levels import LEVELS
from matching.topics import Said, Topic, ratio

_LEANINGS: Final = {
    ("applied", "product"): ("企业申请该产品", "How readily this product finds applicants"),
    ("applied", "institution"): ("企业向该机构申请", "How readily this institution finds applicants"),
    ("applied", "type"): ("企业申请该类产品", "How readily products of this type find applicants"),
    ("granted", "product"): ("该产品获批", "How readily this product is granted"),
    ("granted", "institution"): ("该机构批准申请", "How readily this institution grants"),
    ("granted", "type"): ("该类产品获批", "How readily products of this type are granted"),
}
_THEMES: Final = {
    "level": ("总体", ""),
    "region": ("在企业所在地", " in the enterprise's area"),
    "industry": ("在企业所属行业", " in the enterprise's industry"),
    "cluster": ("在企业所属产业集群", " in the enterprise's cluster"),
    "size": ("对同规模企业", " at the enterprise's size"),
    "ownership": ("对同所有制企业", " under the enterprise's ownership"),
    "tax": ("对同纳税等级企业", " at the enterprise's tax grade"),
    "age": ("对相近年限企业", " at the enterprise's age"),
    "debt": ("对相近负债率企业", " at the enterprise's debt ratio"),
    "purpose": ("用于该用途", " for this purpose"),
    "amount": ("按该金额", " at this amount"),
    "term": ("按该期限", " at this term"),
}
_FACTS: Final = {
    "level": ("level", "总体", "in all"),
    "region_2": ("region", "按区县", "by district"),
    "region_3": ("region", "按街镇", "by town"),
    "industry_2": ("industry", "按行业大类", "by industry division"),
    "industry_3": ("industry", "按行业中类", "by industry group"),
    "size": ("size", "按企业规模", "by size class"),
    "ownership": ("ownership", "按所有制", "by ownership"),
    "purpose": ("purpose", "按用途", "by purpose"),
    "tax_grade": ("tax", "按纳税等级", "by tax grade"),
    "cluster": ("cluster", "按产业集群", "by cluster"),
    "amount": ("amount", "按金额", "by amount"),
    "term": ("term", "按期限", "by term"),
    "revenue": ("size", "按营业收入", "by revenue"),
    "employees": ("size", "按员工人数", "by employees"),
    "age": ("age", "按成立年限", "by age"),
    "debt_ratio": ("debt", "按资产负债率", "by debt ratio"),
    "place": ("amount", "按金额在产品额度内的位置", "by its place between the limits"),
    "place_squared": ("amount", "按金额与产品额度中间的距离", "by its distance from the middle of the limits"),
}


def _said(stage: str, level: str, source: str) -> Said:
    theme, fact_zh, fact_en = _FACTS[source]
    (zh, en), (theme_zh, theme_en) = _LEANINGS[stage, level], _THEMES[theme]
    topic = Topic(f"{stage}_{level}_{theme}", f"{zh}的倾向（{theme_zh}）", f"{en}{theme_en}")
    return Said(topic, f"{fact_zh}，相对平均水平（发生比）", f"{fact_en}, odds to the average", ratio)


LEANINGS: Final[Mapping[str, Said]] = MappingProxyType(
    {
        f"{stage}_{level}_{source}": _said(stage, level, source)
        for stage in APPETITES
        for level in LEVELS
        for source in SOURCES
    }
)
"""Every slope of the appetites, by name."""
