"""One need as rows of the list: its matches and, where asked, why they stand there, their best stack, and fixes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

import pyarrow as pa

from matching.advice import advise
from matching.domain import Enterprise, Fix, Match, Need, Reason
from matching.financing import Financing
from matching.matcher import Matcher
from matching.reasons import explained

_TEXTS: Final = pa.list_(pa.string())
_BASE: Final = (
    ("need_id", pa.string()),
    ("enterprise_id", pa.string()),
    ("as_of", pa.timestamp("us")),
    ("rank", pa.int64()),
    ("product_id", pa.string()),
    ("institution_id", pa.string()),
    ("score", pa.float64()),
    ("chance", pa.float64()),
    ("model_id", pa.string()),
)
_REASONS: Final = (
    ("reason_codes", _TEXTS),
    ("reason_weights", pa.list_(pa.float64())),
    ("reasons_zh", _TEXTS),
    ("reasons_en", _TEXTS),
)
_STACK: Final = (
    ("stack", _TEXTS),
    ("stack_percent", pa.float64()),
    ("stack_yuan", pa.int64()),
    ("stack_chance", pa.float64()),
)
_FIX: Final = (
    ("fix_fields", _TEXTS),
    ("fixes_zh", _TEXTS),
    ("fixes_en", _TEXTS),
    ("fix_days", pa.int64()),
    ("fix_rank", pa.int64()),
)


@dataclass(frozen=True)
class Options:
    """How many products a need gets, and what is said of them beside score and chance."""

    top_k: int = 10
    explain: bool = False
    fix: bool = False
    stack: bool = False


def columns(options: Options) -> pa.Schema:
    """The list's columns: `reason…`, `stack…` and `fix…` only where they are asked for."""
    asked = ((options.explain, _REASONS), (options.stack, _STACK), (options.fix, _FIX))
    return pa.schema([*_BASE, *(field for wanted, fields in asked if wanted for field in fields)])


@dataclass(frozen=True)
class Desk:
    """Makes the rows of needs on one day."""

    matcher: Matcher
    as_of: date
    options: Options

    def rows(self, need: Need, firm: Enterprise) -> Iterator[dict[str, Any]]:
        """The matches by rank; then, where asked, failing products within reach: they have no rank."""
        ranking = self.matcher.rank(firm, need, as_of=self.as_of, top_k=self.options.top_k, tell=False)
        if self.options.explain:
            ranking = explained(self.matcher, ranking, firm, need)
        financing = Financing(firm, need, self.as_of) if self.options.stack and ranking.matches else None
        for match, row in zip(ranking.matches, ranking.rows[ranking.first].tolist(), strict=True):
            yield (
                self._named(need, row)
                | {"rank": match.rank, "score": match.score, "chance": match.chance}
                | (_reasoned(match.reasons or ()) if self.options.explain else {})
                | (self._stacked(financing, row, match) if financing else {})
            )
        if self.options.fix:
            yield from self._fixes(need, firm)

    def _named(self, need: Need, row: int) -> dict[str, Any]:
        return {
            "need_id": need.need_id,
            "enterprise_id": need.enterprise_id,
            "as_of": datetime.combine(self.as_of, time()),
            "product_id": str(self.matcher.catalogue.ids[row]),
            "institution_id": str(self.matcher.catalogue.institution_ids[row]),
            "model_id": self.matcher.ranker.model_id,
        }

    def _stacked(self, financing: Financing, row: int, match: Match) -> dict[str, Any]:
        catalogue = self.matcher.catalogue
        best = financing.of(catalogue.products[row], float(catalogue.rate_bp(self.as_of)[row]), match.chance).best
        return {
            "stack": list(best.enhancements),
            "stack_percent": None if best.percent is None else float(best.percent),
            "stack_yuan": best.yuan,
            "stack_chance": best.chance,
        }

    def _fixes(self, need: Need, firm: Enterprise) -> Iterator[dict[str, Any]]:
        found = advise(self.matcher, firm, need, as_of=self.as_of)
        rows = self.matcher.catalogue.known_as_of(self.as_of)
        row_of = dict(zip(self.matcher.catalogue.ids[rows].tolist(), rows.tolist(), strict=True)) if found else {}
        for fix in found:
            yield self._named(need, row_of[fix.product_id]) | _fixed(fix)


def _reasoned(reasons: Sequence[Reason]) -> dict[str, Any]:
    return {
        "reason_codes": [reason.code for reason in reasons],
        "reason_weights": [reason.weight for reason in reasons],
        "reasons_zh": [f"{reason.effect.zh}：{reason.text_zh}" for reason in reasons],
        "reasons_en": [f"{reason.effect.en}: {reason.text_en}" for reason in reasons],
    }


def _fixed(fix: Fix) -> dict[str, Any]:
    return {
        "fix_fields": [change.field for change in fix.changes],
        "fixes_zh": [change.text_zh for change in fix.changes],
        "fixes_en": [change.text_en for change in fix.changes],
        "fix_days": fix.effort_days,
        "fix_rank": fix.rank,
    }
