"""The month's card of grants: what they were like, and how many applications were granted by group."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

from api.desk.grants import ELSEWHERE
from api.desk.views import Grants, Group, Share
from api.pages import words
from api.pages.languages import NONE, Language
from api.pages.views import Bar
from matching.codes import Size
from matching.reference import Zone

HANDFUL: Final = 5  # of fewer a percentage says more than is known
Naming = Callable[[Any], str]


def card(grants: Grants, first: date, language: Language, currency: str) -> dict[str, Any]:
    """Figures, and bars by title, as the page shows them; nothing where nothing was granted."""
    if not grants.count:
        return {"granted": [], "parted": []}
    shares = (language.say("Of the grants"), _shares(grants, language))
    return {
        "granted": _figures(grants, language, currency),
        "parted": [shares, *_groups(grants, first, language)],
    }


def _figures(grants: Grants, language: Language, currency: str) -> list[tuple[str, str]]:
    return [
        (language.say("Grants"), language.number(grants.count)),
        (language.say("Mean ticket"), language.money(grants.mean_ticket, currency)),
        (language.say("Mean loan by enterprise"), language.money(grants.mean_loan, currency)),
        (language.say("Mean spread over the LPR"), _spread(grants, language)),
    ]


def _spread(grants: Grants, language: Language) -> str:
    if grants.spread_bp is None:
        return NONE
    many, points = grants.spread_of, language.number(grants.spread_bp)
    told = language.words.ngettext("%(points)s bp, %(num)d rate", "%(points)s bp, %(num)d rates", many)
    return told % {"points": points, "num": many}


def _shares(grants: Grants, language: Language) -> list[Bar]:
    told = (
        (language.say("First loans"), grants.first_loan),
        (language.say("Unsecured loans"), grants.unsecured),
        (language.say("Medium and long-term loans"), grants.long_term),
    )
    return [_bar(label, share.count, share.of, language, _unknown(share, language)) for label, share in told]


def _unknown(share: Share, language: Language) -> str:
    return language.say("%(count)s not known", count=language.number(share.unknown)) if share.unknown else ""


def _groups(grants: Grants, first: date, language: Language) -> list[tuple[str, list[Bar]]]:
    """By title, a bar for each group that applied or was granted."""

    def cluster(code: str) -> str:
        return words.cluster(code, first, language)

    told: Iterable[tuple[str, tuple[Group, ...], Naming]] = (
        (language.say("By size class"), grants.by_size, lambda code: language.label(Size(code))),
        (language.say("By zone"), grants.by_zone, lambda code: _zone(code, language)),
        (language.say("First loan or not"), grants.by_first_loan, lambda new: _borrower(new, language)),
        (language.say("By manufacturing cluster"), grants.by_cluster, cluster),
    )
    return [(title, [_group(one, named, language) for one in groups if _any(one)]) for title, groups, named in told]


def _any(group: Group) -> bool:
    return bool(group.applied or group.granted)


def _group(group: Group, named: Naming, language: Language) -> Bar:
    label = language.say("Not known") if group.group is None else named(group.group)
    return _bar(label, group.granted, group.applied, language)


def _zone(code: str, language: Language) -> str:
    return language.say("Outside Chongqing") if code == ELSEWHERE else language.label(Zone(code))


def _borrower(new: bool, language: Language) -> str:
    return language.say("First loan") if new else language.say("Had loans before")


def _bar(label: str, count: int, of: int, language: Language, more: str = "") -> Bar:
    """A share with its counts, which stand alone where they are few; grants may be more than the month's applications.

    The bar is full from all on.
    """
    said = {"count": language.number(count), "of": language.number(of)}
    counts = language.say("%(count)s of %(of)s", **said) if count or of else ""
    share = min(1.0, count / of) if of else 0.0
    texts = [language.percent(count / of)] if of >= HANDFUL else []
    text, *notes = [one for one in (*texts, counts, more) if one] or [NONE]
    return Bar(label, share, text, language.pick("，", ", ").join(notes))
