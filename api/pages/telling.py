"""What is wrong with an input, in the visitor's words: the desk's faults are written for the API's clients."""

from collections.abc import Mapping
from typing import Final

from api.desk.cases import HIGHEST_RATE
from api.desk.coordination import LONGEST_OFFICE
from api.desk.reasons import LONGEST
from api.pages.languages import Language, marked
from matching.domain import MAX_MONEY
from matching.errors import InputError

_MOST: Final[Mapping[str, int]] = {
    "text": LONGEST,
    "amount": MAX_MONEY,
    "rate_bp": HIGHEST_RATE // 100,
    "office": LONGEST_OFFICE,
}
TOLD: Final[dict[str, str]] = {  # by field, what the desk asks of it
    "reasons": marked("Choose among the reasons that this step offers, one to four."),
    "text": marked(
        "The text says why another product is suggested or what another reason is, in at most %(most)s characters."
    ),
    "product_id": marked("Choose another product that your institution offers today."),
    "amount": marked(
        "The amount is above 0 and at most %(most)s, for a drawdown at most what was granted; others have none."
    ),
    "rate_bp": marked("The rate is from 0 to %(most)s percent a year, and is for a grant or a drawdown alone."),
    "office": marked("Name the department or district that is to see to it, in at most %(most)s characters."),
    "until": marked("The day is today or later."),
    "result": marked("Choose what came of it."),
    "key": marked("The form is not as the page made it. Load the page again."),
    "form": marked("The form has too many fields, or is no text. Load the page again."),
    "cursor": marked("The address of this page is of another order of the queue. Begin at the first page."),
}
OTHERWISE: Final = marked("Something in the address or the form is not as it should be.")


COORDINATED: Final[dict[str, str]] = {  # what a field is asked for elsewhere is not what coordination asks
    "text": marked("Where the result is other, a note says what came of it; it has at most %(most)s characters."),
}


def told(error: InputError, language: Language, own: dict[str, str] | None = None) -> list[str]:
    """Each fault once, in the visitor's language; one of a field that no page sends is told in general.

    `own` are a page's sentences by field, which go before those of all pages.
    """
    return list(dict.fromkeys(_told(fault.field, language, own or {}) for fault in error.faults))


def _told(field: str, language: Language, own: dict[str, str]) -> str:
    most = _MOST.get(field)
    values = {} if most is None else {"most": language.number(most)}
    return language.say((TOLD | own).get(field, OTHERWISE), **values)
