"""Bank-enterprise matching: what a match is and how it is ranked.

catalogue = Catalogue.of(products, institutions)
matcher = Matcher(catalogue, Ranker.load(champion(Path("var/models"))))
ranking = matcher.rank(enterprise, need, as_of=date(2026, 6, 30), top_k=10)
"""

from pathlib import Path

from matching.advice import advise
from matching.assignment import Assignment, assign
from matching.bundles import bundle, champion
from matching.catalogue import Catalogue
from matching.codes import Order
from matching.compiled import forget_outdated as _forget_outdated
from matching.domain import (
    Change,
    Enterprise,
    Fix,
    Institution,
    Kind,
    Match,
    Need,
    Outcome,
    Product,
    Reason,
    Rule,
    Stage,
    Verdict,
)
from matching.errors import BundleError, Fault, InputError, MatchingError, NotFoundError
from matching.exposure import Exposure
from matching.features import FEATURES, Builder
from matching.financing import Financing, Stack, Stacks
from matching.fixes import applied, fixes_of
from matching.history import History
from matching.matcher import Matcher, Ranking
from matching.ranker import Ranker
from matching.readiness import Standing, readiness
from matching.reasons import explained, why
from matching.rules import Rulebook, Verdicts
from matching.sizing import Sizing, Suggestion, size_need, suggest

__all__ = [
    "FEATURES",
    "Assignment",
    "Builder",
    "BundleError",
    "Catalogue",
    "Change",
    "Enterprise",
    "Exposure",
    "Fault",
    "Financing",
    "Fix",
    "History",
    "InputError",
    "Institution",
    "Kind",
    "Match",
    "Matcher",
    "MatchingError",
    "Need",
    "NotFoundError",
    "Order",
    "Outcome",
    "Product",
    "Ranker",
    "Ranking",
    "Reason",
    "Rule",
    "Rulebook",
    "Sizing",
    "Stack",
    "Stacks",
    "Stage",
    "Standing",
    "Suggestion",
    "Verdict",
    "Verdicts",
    "advise",
    "applied",
    "assign",
    "bundle",
    "champion",
    "explained",
    "fixes_of",
    "readiness",
    "size_need",
    "suggest",
    "why",
]

_forget_outdated(Path(__file__).parent)
