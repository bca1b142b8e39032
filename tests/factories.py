"""Small factories with defaults: one valid entity each, every fact open to change by name."""

from datetime import date
from typing import Any

from matching.domain import Enterprise, Institution, Need, Outcome, Product
from matching.tables import Tables, check, frame_of

DAY = date(2025, 1, 10)


def enterprise(**facts: Any) -> Enterprise:
    """A small machine builder in Yuzhong with a few facts known."""
    defaults = {
        "enterprise_id": "E1",
        "as_of": date(2024, 12, 31),
        "region": "CN/500000/500103",
        "industry": "C/34/344",
        "founded": date(2015, 3, 1),
        "employees": 120,
        "revenue": 30_000_000,
    }
    return Enterprise.model_validate(defaults | facts)


def need(**facts: Any) -> Need:
    """A need of two million for a year of working capital, posted by `E1` on `DAY`."""
    defaults = {
        "need_id": "N1",
        "enterprise_id": "E1",
        "posted_at": DAY,
        "amount": 2_000_000,
        "term_months": 12,
        "purpose": "working_capital",
    }
    return Need.model_validate(defaults | facts)


def institution(**facts: Any) -> Institution:
    """A bank."""
    defaults = {"institution_id": "I1", "name_zh": "甲银行", "name_en": "Bank One", "kind": "bank"}
    return Institution.model_validate(defaults | facts)


def product(**facts: Any) -> Product:
    """A working-capital loan of `I1` without any limit."""
    defaults = {
        "product_id": "P1",
        "valid_from": date(2020, 1, 1),
        "institution_id": "I1",
        "name_zh": "流动资金贷款",
        "name_en": "Working capital loan",
        "kind": "credit",
        "type": "working_capital",
    }
    return Product.model_validate(defaults | facts)


def outcome(**facts: Any) -> Outcome:
    """`N1` granted under `P1` ten days after it was posted."""
    defaults = {"need_id": "N1", "product_id": "P1", "stage": "granted", "at": date(2025, 1, 20)}
    return Outcome.model_validate(defaults | facts)


def tables(
    enterprises: list[Enterprise] | None = None,
    institutions: list[Institution] | None = None,
    products: list[Product] | None = None,
    needs: list[Need] | None = None,
    outcomes: list[Outcome] | None = None,
    **about: Any,
) -> Tables:
    """Checked tables of these rows; a table left out holds its factory's one default row."""
    rows: dict[str, list[Any]] = {
        "enterprises": [enterprise()] if enterprises is None else enterprises,
        "institutions": [institution()] if institutions is None else institutions,
        "products": [product()] if products is None else products,
        "needs": [need()] if needs is None else needs,
        "outcomes": [outcome()] if outcomes is None else outcomes,
    }
    return check(Tables(**{name: frame_of(name, entities) for name, entities in rows.items()}, **about))
