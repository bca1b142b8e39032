"""Facts in words: what a place, a trade or a cluster is called, and a fact with its unit."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from enum import Enum
from typing import Any, Final

from api.desk.screening import Screen
from api.pages.languages import NONE, Language
from matching import reference
from matching.codes import Coded
from matching.domain import Enterprise, Entity, Need
from matching.errors import InputError

NAMES_APART: Final = ("enterprise_id", "need_id", "name", "as_of", "latitude", "longitude")
_UNITS: Final = {
    "day": ("天", "days"),
    "year": ("年", "years"),
    "person": ("人", "people"),
    "patent": ("件", ""),
    "right": ("件", ""),
    "point": ("分", "points"),
    "degree": ("°", "°"),
    "bp": ("基点", "bp"),
}
_OWNERSHIP: Final = {
    "private": ("民营", "Private"),
    "state": ("国有", "State-owned"),
    "collective": ("集体", "Collective"),
    "foreign": ("外资", "Foreign"),
    "joint": ("合资", "Joint venture"),
}


def place(path: str | None, as_of: date, language: Language) -> str:
    """A region's name: of Chongqing's districts the name on that day, elsewhere the path's last parts."""
    if path is None:
        return NONE
    parts = path.split("/")
    try:
        found = reference.region(reference.successor(parts[2], as_of), as_of) if _in_city(path) else None
    except InputError:
        found = None
    return language.named(found) if found else "/".join(parts[1:]) or path


def trade(path: str | None, as_of: date, language: Language) -> str:
    """An industry's name: its division's in section C, elsewhere the path."""
    if path is None:
        return NONE
    parts = path.split("/")
    made = parts[0] == reference.MANUFACTURING and len(parts) > 1
    found = _row(reference.industries, parts[1], as_of) if made else None
    return f"{language.named(found)} ({parts[-1]})" if found else path


def cluster(code: str, as_of: date, language: Language) -> str:
    """A manufacturing cluster's name; its code where it has none on that day."""
    found = _row(reference.clusters, code, as_of)
    return language.named(found) if found else code


def facts(entity: Enterprise | Need, language: Language, currency: str) -> Iterator[tuple[str, str]]:
    """Each fact that is known, with its label; ids and names are shown elsewhere."""
    as_of = entity.as_of if isinstance(entity, Enterprise) else entity.posted_at
    for name, info in type(entity).model_fields.items():
        value = getattr(entity, name)
        if value is not None and name not in NAMES_APART:
            told: Any = info.json_schema_extra
            yield language.pick(told["zh"], told["en"]), _fact(name, value, told["unit"], as_of, language, currency)


def screened(screen: Screen | None, language: Language) -> str:
    """What a need's screen for the white list found, by whom and when."""
    if screen is None:
        return language.say("Not screened for the white list here.")
    values = {"by": screen.by, "on": language.day(screen.on)}
    if not screen.unchecked:
        return language.say("Screened for the white list by %(by)s on %(on)s: all five standards met.", **values)
    names = language.pick("、", ", ").join(language.label(one) for one in screen.unchecked)
    return language.say(
        "Screened for the white list by %(by)s on %(on)s. Not checked: %(names)s; the other standards are met.",
        names=names,
        **values,
    )


def unknown(entity: Entity, language: Language) -> list[str]:
    """The labels of the facts that are not known."""
    fields = type(entity).model_fields.items()
    missing: list[Any] = [
        info.json_schema_extra for name, info in fields if getattr(entity, name) is None and name not in NAMES_APART
    ]
    return [language.pick(told["zh"], told["en"]) for told in missing]


def _fact(name: str, value: Any, unit: str, as_of: date, language: Language, currency: str) -> str:
    if name == "region":
        return place(value, as_of, language)
    if name == "industry":
        return trade(value, as_of, language)
    if name == "cluster":
        return cluster(value, as_of, language)
    if name == "ownership":
        return language.pick(*_OWNERSHIP.get(value, (value, value)))
    return plain(value, unit, language, currency)


def _row(rows: Callable[[date], Mapping[str, Any]], code: str, as_of: date) -> Any:
    """The row of a dated table that a code has on a day; None where it has none, as before the table's first day."""
    try:
        return rows(as_of).get(code)
    except InputError:
        return None


def plain(value: Any, unit: str, language: Language, currency: str) -> str:
    """A value with its unit: money, shares, dates, codes and flags as the language writes them."""
    if isinstance(value, tuple):
        return language.pick("、", ", ").join(plain(one, unit, language, currency) for one in value)
    if isinstance(value, bool):
        return language.say("Yes") if value else language.say("No")
    if isinstance(value, Coded):
        return language.label(value)
    if isinstance(value, date):
        return language.day(value)
    if isinstance(value, (str, Enum)):
        return str(value)
    if unit.startswith("yuan"):
        return language.exact(value, currency)
    if unit == "month":
        return months(int(value), language)
    if unit == "share":
        return language.percent(value, 1)
    return f"{language.number(value, 2)} {language.pick(*_UNITS.get(unit, ('', '')))}".strip()


def months(term: int | None, language: Language) -> str:
    """A term; nothing where it is not stated."""
    return "" if term is None else language.words.ngettext("%(num)d month", "%(num)d months", term) % {"num": term}


def _in_city(path: str) -> bool:
    return path.startswith(reference.CITY + "/")
