"""What a feature is: its name, its side and its family."""

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """What a feature depends on: the request alone, the product (and the history) alone, or both."""

    ENTERPRISE = "enterprise"
    PRODUCT = "product"
    PAIR = "pair"


@dataclass(frozen=True)
class Feature:
    """A feature's name, side and family (the unit of ablation)."""

    name: str
    side: Side
    family: str
