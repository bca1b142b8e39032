"""What the service logs online is what is built offline for the same need: the same candidates, the same bits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from api.store import arrays, queries
from matching.features import FEATURES, Builder
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.tables import records, write
from tests import bundles
from training.batch import rank_all
from training.dataset import World, query, with_enterprises


@pytest.fixture(scope="module")
def market():
    return bundles.market()


@pytest.fixture(scope="module")
def offline(market):
    """Each need and its enterprise as the tables have them."""
    return World.of(market), list(with_enterprises(market, market.needs))


def logged(client, need):
    """The record of what was answered for a need on the day it was posted."""
    body = {
        "enterprise_id": need.enterprise_id,
        "need": need.model_dump(mode="json", exclude_none=True),
        "as_of": str(need.posted_at),
    }
    response = client.post("/v1/recommendations", json=body)
    assert response.status_code == 201, response.text
    with client.app.state.service.store.reading() as session:
        return queries.recommendation(session, response.json()["id"], features=True)


def test_features_logged_online_equal_those_built_offline(client, bundle, offline):
    world, pairs = offline
    ranker = Ranker.load(bundle)
    builder = Builder.of(world.history, ranker.kernels, world.catalogue)
    for need, firm in pairs[::3]:
        row = logged(client, need)
        rows = np.flatnonzero(np.isin(world.catalogue.ids, arrays.unpack_ids(row.product_ids)))
        features = builder.build(firm, need, need.posted_at, rows)
        assert row.feature_names == list(FEATURES)
        assert arrays.unpack_matrix(row.features, len(FEATURES)).tobytes() == features.tobytes()
        assert arrays.unpack_vector(row.scores).tobytes() == ranker.score(features).tobytes()


def test_the_service_ranks_as_evaluation_does(client, bundle, offline):
    world, pairs = offline
    ranker = replace(Ranker.load(bundle), history=world.history)
    matcher = Matcher(world.catalogue, ranker)
    for need, firm in pairs[-3:]:
        row = logged(client, need)
        asked = query(world, need, firm, {})
        ranking = matcher.rank(firm, need, as_of=asked.as_of)
        assert arrays.unpack_ids(row.product_ids) == world.catalogue.ids[ranking.rows].tolist()
        assert [match["product_id"] for match in row.answer["matches"]] == [m.product_id for m in ranking.matches]
        narrower = matcher.rank(firm, need, as_of=asked.as_of, among=asked.rows)
        assert narrower.rows.tolist() == asked.rows.tolist()


def test_the_batch_ranks_as_the_service_does(client, bundle, market, tmp_path):
    undecided = replace(market, outcomes=market.outcomes[market.outcomes["need_id"] != "N23"].reset_index(drop=True))
    need = records("needs", market.needs[market.needs["need_id"] == "N23"])[0]
    write(undecided, tmp_path)
    rank_all(tmp_path, bundle, tmp_path / "list.parquet", need["posted_at"])
    ranked = pd.read_parquet(tmp_path / "list.parquet")
    (found,) = [pair for pair in with_enterprises(market, market.needs) if pair[0].need_id == "N23"]
    answer = logged(client, found[0]).answer["matches"]
    assert ranked["product_id"].tolist() == [match["product_id"] for match in answer]
    assert ranked["score"].tolist() == [match["score"] for match in answer]
