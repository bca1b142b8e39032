"""What goes over the wire for a step of a need's coordination."""

from typing import Final

from pydantic import Field

from api.desk.coordination import LONGEST_OFFICE, CoordinationStep, Settlement
from api.messages import KEY_SAID, Key
from matching.domain import Day, Entity

EXAMPLE_DISPATCH: Final = {
    "step": "dispatch",
    "version": 1,
    "office": "渝北区经济和信息化委员会",
    "text": "请协助补齐纳税信用资料",
}


class CoordinationRequest(Entity):
    """A step of the coordination of a need that nobody is left for."""

    step: CoordinationStep = Field(description="Which are legal now the need's `legal` says")
    version: int = Field(ge=1, le=10**9, description="The need's version as it was read")
    office: str | None = Field(
        default=None,
        max_length=LONGEST_OFFICE,
        description="To dispatch: the department or district that is to see to it",
    )
    until: Day | None = Field(default=None, description="To dispatch: the day by which it is to be done, if one is set")
    result: Settlement | None = Field(default=None, description="To settle: what came of it")
    text: str = Field(default="", max_length=2000, description="In your words; needed with the result other")
    key: Key | None = Field(default=None, description=KEY_SAID)
