"""Where an enterprise stands on the ladder of tiers and boards, as a page shows it: its rungs and the next step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from api.pages.languages import Language
from matching.domain import Enterprise
from matching.errors import InputError
from matching.readiness import Standing, Step, readiness


@dataclass(frozen=True)
class Rung:
    """A tier or board: `done` where it is held, `next` where it is the one above, `ahead` where it lies beyond."""

    name: str
    state: str


@dataclass(frozen=True)
class Ladder:
    """All rungs, the lowest first, and what the next one takes."""

    rungs: Sequence[Rung]
    step: str


def ladder(enterprise: Enterprise, day: date, language: Language) -> Ladder | None:
    """By the rules of a day; None before there were any."""
    try:
        standing = readiness(enterprise, day)
    except InputError:
        return None
    rungs = [Rung(language.named(one), _state(one, standing)) for one in standing.ladder]
    return Ladder(rungs, language.pick(standing.step_zh, standing.step_en))


def _state(step: Step, standing: Standing) -> str:
    if step.held:
        return "done"
    return "next" if step.tier is standing.next else "ahead"
