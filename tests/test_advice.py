"""Which failing products are worth a fix: by effort, then by the rank that each would have."""

from dataclasses import replace

import numpy as np
import pytest

from matching.advice import advise
from matching.catalogue import Catalogue
from matching.domain import Kind
from matching.fixes import applied
from matching.matcher import Matcher
from tests import bundles
from tests.factories import DAY, enterprise, institution, need, product

WHO = enterprise(reserve_list=False, region="US/CA")
CAPPED = {"max_amount": 1_000_000}
LISTED = {"rules": [{"rule_id": "listed", "field": "reserve_list", "operator": "==", "value": True, "clause": ""}]}


@pytest.fixture(scope="module")
def ranker(bundle):
    return bundles.Ranker.load(bundle)


def matcher(ranker, *offered):
    return Matcher(Catalogue.of(offered, [institution(), institution(institution_id="I2", kind="lessor")]), ranker)


def test_the_rank_is_that_of_the_product_once_the_changes_are_made(ranker):
    offered = [product(product_id=f"P{i}", **(CAPPED if i in (1, 3) else LISTED if i == 2 else {})) for i in range(5)]
    served = matcher(ranker, *offered)
    found = advise(served, WHO, need(), as_of=DAY)
    assert {fix.product_id for fix in found} == {"P1", "P2", "P3"}
    for fix in found:
        ranking = served.rank(*applied(fix.changes, WHO, need()), as_of=DAY)
        assert fix.candidates == len(ranking.rows)
        assert [match.rank for match in ranking.matches if match.product_id == fix.product_id] == [fix.rank]


@pytest.mark.parametrize(("about", "unit"), [({}, "yuan"), ({"currency": "CNY"}, "yuan"), ({"currency": "USD"}, "USD")])
def test_advice_is_in_the_currency_that_the_model_learned_in(ranker, about, unit):
    learned = replace(ranker, manifest={**ranker.manifest, **about})
    (fix,) = advise(matcher(learned, product(**CAPPED)), WHO, need(), as_of=DAY)
    assert fix.changes[0].text_en == f"bring the amount needed from 2,000,000 to 1,000,000 {unit}"


def test_least_effort_comes_first_and_the_better_rank_among_equals(ranker):
    offered = [product(product_id=f"P{i}", **(LISTED if i == 0 else CAPPED)) for i in range(5)]
    found = advise(matcher(ranker, *offered), WHO, need(), as_of=DAY)
    assert found[-1].product_id == "P0"
    assert [fix.effort_days for fix in found] == [1, 1, 1, 1, 60]
    assert [fix.rank for fix in found] == [1, 2, 3, 4, 1]


def test_equal_scores_rank_by_product_as_in_a_ranking(ranker):
    offered = [product(product_id=f"Q{i}", **CAPPED) for i in range(4)]
    found = advise(matcher(ranker, *offered), WHO, need(), as_of=DAY)
    assert [(fix.product_id, fix.rank) for fix in found] == [("Q0", 1), ("Q1", 2), ("Q2", 3), ("Q3", 4)]


def test_limit_keeps_the_best_of_all_that_cost_the_same(ranker):
    offered = [product(product_id=f"P{i}", max_amount=1_000_000 - i) for i in range(5)]
    served = matcher(ranker, *offered)
    (best,) = advise(served, WHO, need(), as_of=DAY, limit=1)
    assert best.rank == 1


def test_of_many_fixes_alike_the_one_that_scores_best_is_found_wherever_it_stands(ranker):
    served = matcher(ranker, *(product(product_id=name, **CAPPED) for name in ("P1", "P2", "P3", "P4", "Z0")))
    (best,) = advise(served, WHO, need(), as_of=DAY, limit=1)  # three of the five are ranked
    assert (best.product_id, best.rank) == ("Z0", 1)


def test_what_is_eligible_or_beyond_repair_gets_no_advice(ranker):
    served = matcher(ranker, product(), product(product_id="P2", industries=["A"]))
    assert advise(served, WHO, need(), as_of=DAY) == ()


def test_kinds_and_rows_limit_the_advice_as_they_limit_a_ranking(ranker):
    lease = {"institution_id": "I2", "kind": "leasing", "type": "direct_lease"}
    served = matcher(ranker, product(product_id="P1", **CAPPED), product(product_id="P4", **CAPPED, **lease))
    leased = advise(served, WHO, need(), as_of=DAY, kinds=[Kind.LEASING])
    assert [fix.product_id for fix in leased] == ["P4"]
    among = advise(served, WHO, need(), as_of=DAY, among=np.array([0]))
    assert [(fix.product_id, fix.candidates) for fix in among] == [("P1", 1)]
