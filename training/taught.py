"""What a model was taught on: which products, and whose needs; it says what it never learned of all the same."""

from collections.abc import Iterator
from typing import Any, Final

from matching.ranker import Ranker
from training.dataset import Where

INDUSTRIES: Final = ("manufacturing first", "all industries alike")


def taught(ranker: Ranker) -> dict[str, Any]:
    """`where` and `all_industries` of its training."""
    about = ranker.manifest
    return {"where": about.get("where", {}), "all_industries": about.get("all_industries", False)}


def unlike(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """In which respects two trainings, or a training and what is asked, differ, each in words."""
    if _kept(ours["where"]) != _kept(theirs["where"]):
        yield _products(ours["where"]), _products(theirs["where"])
    if ours["all_industries"] != theirs["all_industries"]:
        yield INDUSTRIES[ours["all_industries"]], INDUSTRIES[theirs["all_industries"]]


def _kept(where: Where) -> dict[str, frozenset[str]]:
    """What products were kept, in whatever order it was said."""
    return {column: frozenset(values) for column, values in where.items()}


def _products(where: Where) -> str:
    return " and ".join(f"{column}={','.join(values)}" for column, values in sorted(where.items())) or "all products"
