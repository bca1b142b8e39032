"""A case's events in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from api.desk.identity import SYSTEM
from api.desk.outcomes import reported_by
from api.desk.stages import CaseStage, Step
from api.desk.views import EventShown
from api.pages.languages import Language, marked

ACTORS: Final = {SYSTEM.name: marked("the desk itself"), "simulated": marked("made-up work")}  # as `api.trying` signs


@dataclass(frozen=True)
class EventTold:
    """An event as the history lists it; `lines` are what belongs to it beside the text."""

    at: datetime
    actor: str
    title: str
    lines: tuple[str, ...]
    text: str
    late: bool


DIGITS: Final = 17  # a double has no more


def told(event: EventShown, language: Language, currency: str, names: Mapping[str, str]) -> EventTold:
    """An event's step, who took it, and what was said; `names` are those of products, by id."""
    reasons = language.pick("、", ", ").join(language.label(reason) for reason in event.reasons)
    lines = (reasons, *_details(event, language, currency, names), _reported(event, language))
    actor = actor_of(event.actor, language)
    return EventTold(event.at, actor, _title(event, language), tuple(filter(None, lines)), _written(event), event.late)


def said(event: EventShown, language: Language) -> str:
    """What was said of a step beside its reasons: somebody's words, or of a reported outcome the day that it had."""
    return _reported(event, language) or _written(event)


def actor_of(name: str, language: Language) -> str:
    """Who took a step: an account or a key by its name, what no person did in words."""
    return language.say(ACTORS[name]) if name in ACTORS else name


def _title(event: EventShown, language: Language) -> str:
    if event.step is Step.OPEN:
        return language.say("Came to the institution")
    if event.step is Step.SUGGEST:
        return language.say("Another own product suggested")
    return language.label(CaseStage(event.to_stage))


def _details(event: EventShown, language: Language, currency: str, names: Mapping[str, str]) -> tuple[str, ...]:
    detail = event.detail
    amount, rate = detail.get("amount"), detail.get("rate_bp")
    before, after = detail.get("from"), detail.get("to")
    return (
        language.exact(amount, currency) if amount is not None else "",
        language.say("%(rate)s%% a year", rate=_percent(rate, language)) if rate is not None else "",
        f"{names.get(before, before)} → {names.get(after, after)}" if before and after else "",
    )


def _reported(event: EventShown, language: Language) -> str:
    """Of an outcome that was reported, the day that it had: the event's own is that of the report."""
    at = event.detail.get("at")
    return (
        language.say("Reported over the API; it was on %(day)s", day=language.day(date.fromisoformat(at))) if at else ""
    )


def _written(event: EventShown) -> str:
    """The words that somebody wrote: what the desk keeps of a reported outcome is said in the page's language."""
    return "" if event.text == reported_by(event.actor) else event.text


def _percent(rate_bp: float, language: Language) -> str:
    """To its last digit, as it was granted."""
    return language.number(Decimal(str(rate_bp)) / 100, DIGITS)
