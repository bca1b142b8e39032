"""The screen before the white list: the five national standards of a need, who looked at them and when."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from api.desk.coordination import LONGEST_OFFICE
from matching.codes import Coded
from matching.domain import Day, Entity
from matching.errors import Fault, InputError

EXAMPLE_SCREEN: Final = {
    "lawful_operation": True,
    "fixed_premises": True,
    "real_need": True,
    "good_credit": True,
    "lawful_use": True,
    "by": "沙坪坝区经济和信息化委员会",
    "on": "2026-01-12",
}
Office = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_OFFICE, pattern=r"^[^\x00-\x1f]*$"),
]


class Standard(Coded):
    """What a need on the white list is screened for."""

    LAWFUL_OPERATION = "lawful_operation", "合规持续经营", "Operates lawfully and continuously"
    FIXED_PREMISES = "fixed_premises", "固定经营场所", "Fixed premises"
    REAL_NEED = "real_need", "真实融资需求", "A real need"
    GOOD_CREDIT = "good_credit", "信用状况良好", "Good credit"
    LAWFUL_USE = "lawful_use", "资金用途依法合规", "Lawful use of funds"


def _met(standard: Standard) -> Any:
    """Whether a standard is met; left out where nobody looked."""
    words: dict[str, Any] = {"zh": standard.zh, "en": standard.en}
    return Field(default=None, title=standard.en, description="Absent: not checked", json_schema_extra=words)


class Screen(Entity):
    """What was found when a need was screened for the white list, and by whom."""

    lawful_operation: bool | None = _met(Standard.LAWFUL_OPERATION)
    fixed_premises: bool | None = _met(Standard.FIXED_PREMISES)
    real_need: bool | None = _met(Standard.REAL_NEED)
    good_credit: bool | None = _met(Standard.GOOD_CREDIT)
    lawful_use: bool | None = _met(Standard.LAWFUL_USE)
    by: Office = Field(description="The office that screened")
    on: Day = Field(description="The day on which it did, today at the latest")

    @property
    def unchecked(self) -> tuple[Standard, ...]:
        """The standards that nobody looked at."""
        return tuple(one for one in Standard if getattr(self, one.value) is None)


def check_met(screen: Screen | None) -> None:
    """Raises `InputError` naming each standard that was found not to be met, or where none was looked at at all."""
    if screen is None:
        return
    unmet = [one for one in Standard if getattr(screen, one.value) is False]
    faults = [_fault(one, "false") for one in unmet]
    if len(screen.unchecked) == len(Standard):
        faults = [Fault("screen", "says of one standard at least that it is met")]
    if faults:
        raise InputError("request", faults)


def check_complete(screen: Screen | None, asked: Literal["optional", "required"]) -> None:
    """Raises `InputError` naming each standard that nobody looked at, where a screen is required."""
    unchecked = tuple(Standard) if screen is None else screen.unchecked
    if asked == "required" and unchecked:
        raise InputError("request", [_fault(one, "missing") for one in unchecked])


def _fault(standard: Standard, found: str) -> Fault:
    return Fault(f"screen.{standard.value}", f"is true for a need on the white list ({standard.en}), not {found}")
