"""The pages' two languages: words from the .po file beside the templates, numbers and days as each writes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_currency, format_currency, format_decimal, format_percent
from babel.support import Translations

CODES: Final = {"zh-CN": "zh_CN", "en": "en"}
DEFAULT: Final = "zh-CN"
NAMES: Final = {"zh-CN": "中文", "en": "English"}
LOCALES: Final = Path(__file__).parent / "locale"
NONE: Final = "–"
_EXACT: Final = 10_000  # a smaller amount of money is written out
_FINEST: Final = 5  # decimals of a percentage: what is nearer to nothing or to all than they tell counts as that


@dataclass(frozen=True)
class Language:
    """One language's words and forms; every method takes None for what is unknown and writes a dash."""

    code: str
    locale: Locale
    words: Translations

    @property
    def chinese(self) -> bool:
        """Whether it is Chinese."""
        return self.code == DEFAULT

    def say(self, text: str, **values: Any) -> str:
        """A text of the catalogue, its `%(name)s` filled in."""
        return self.words.gettext(text) % values if values else self.words.gettext(text)

    def pick(self, zh: str, en: str) -> str:
        """The one of two texts that is in this language."""
        return zh if self.chinese else en

    def half(self, both: str) -> str:
        """This language's half of a text like "贷款期限 / Term of the loan"; a text of one half is for both."""
        parts = both.split(" / ")
        return both if len(parts) != 2 else self.pick(*parts)

    def label(self, coded: Any) -> str:
        """What a code or a field is called: anything with `zh` and `en`."""
        return NONE if coded is None else self.pick(coded.zh, coded.en)

    def named(self, thing: Any) -> str:
        """The name of what has `name_zh` and `name_en`; its other name where one is empty."""
        names = (thing.name_zh, thing.name_en)
        return self.pick(*names) or names[0] or names[1]

    def number(self, value: float | Decimal | None, digits: int = 0) -> str:
        """A plain number with at most `digits` decimals."""
        return NONE if value is None else format_decimal(value, "#,##0." + "#" * digits, self.locale)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share of 1 as a percentage; what is neither nothing nor all is rounded to neither."""
        if share is None:
            return NONE
        if 0 < share < 1:
            digits = next((n for n in range(digits, _FINEST + 1) if 0 < round(share, n + 2) < 1), digits)
        rounded = round(share, digits + 2) + 0.0  # no -0%
        return format_percent(rounded, "0." + "0" * digits + "%", self.locale)

    def money(self, amount: int | None, currency: str = "CNY") -> str:
        """An amount in few characters: 420 万 or 4.2M."""
        if amount is None:
            return NONE
        if abs(amount) < _EXACT:
            return self.exact(amount, currency)
        return format_compact_currency(amount, currency, locale=self.locale, fraction_digits=2)

    def exact(self, amount: int | None, currency: str = "CNY") -> str:
        """An amount to the last unit."""
        if amount is None:
            return NONE
        return format_currency(amount, currency, "¤#,##0", self.locale, currency_digits=False)

    def counted(self, label: str, currency: str) -> str:
        """An amount's label with the unit that it is written in."""
        return self.pick(f"{label}（{'元' if currency == 'CNY' else currency}）", f"{label} ({currency})")

    def sorted(self, named: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Pairs of a key and a name by their names: GB 18030 has the common characters in the order of their sounds."""
        return sorted(named, key=lambda one: one[1].encode("gb18030") if self.chinese else one[1].encode())

    def day(self, day: date | None) -> str:
        """A date."""
        return NONE if day is None else format_date(day, "medium", self.locale)

    def month(self, day: date) -> str:
        """The month of a date."""
        return format_skeleton("yMMMM", day, locale=self.locale)

    def moment(self, at: datetime | None) -> str:
        """A time where the service stands."""
        if at is None:
            return NONE
        return format_datetime(local(at), self.pick("y年M月d日 HH:mm", "MMM d, y, HH:mm"), locale=self.locale)


def marked(text: str) -> str:
    """The text itself: marks it for the catalogue where it is looked up later."""
    return text


def local(at: datetime) -> datetime:
    """A time where the service stands; one without a zone is UTC, as the store keeps it."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone()


@cache
def language(code: str) -> Language:
    """The language of a code; the default one where the code is unknown."""
    known = code if code in CODES else DEFAULT
    return Language(known, Locale.parse(CODES[known]), _words(CODES[known]))


def _words(name: str) -> Translations:
    """The catalogue's text form is read at start, so that installing needs no compilation."""
    path = LOCALES / name / "LC_MESSAGES" / "pages.po"
    if not path.is_file():
        return Translations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=name))
    compiled.seek(0)
    return Translations(compiled)
