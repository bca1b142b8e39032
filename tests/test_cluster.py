"""A Dask cluster fits the forest: one worker grows the very same, two grow one as good, and no host is in it."""

import sys
from contextlib import contextmanager
from importlib import metadata
from time import sleep

import numpy as np
import pytest

from matching.boosting import fit
from matching.errors import InputError
from matching.features import FEATURES
from matching.ranker import Ranker
from training.cluster import ClusterFit, connected, spread
from training.metrics import ndcg
from training.train import train

dask = pytest.importorskip("dask", reason="the extra `cluster` is not installed")
distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


def rows(groups=60, each=20):
    """Groups in which the first feature says, with noise, which rows are worth something."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(groups * each, len(FEATURES)))
    labels = (features[:, 0] + rng.normal(size=len(features)) > 1).astype(np.int32)
    weights = np.repeat(rng.uniform(0.5, 1.5, groups), each)
    return features, labels, np.full(groups, each, dtype=np.int32), weights


def mean_ndcg(booster, features, labels, sizes):
    scores = booster.predict(features)
    ends = np.cumsum(sizes)
    parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return np.mean([ndcg(scores[part], labels[part]) for part in parts])


@contextmanager
def cluster_of(workers):
    """A client of a real cluster of processes on this machine."""
    options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, connected(cluster.scheduler_address) as client:
        yield client


@pytest.fixture(scope="module")
def pair():
    with cluster_of(2) as client:
        yield client


@pytest.fixture(scope="module")
def single():
    with cluster_of(1) as client:
        yield client


def test_one_worker_gives_the_bundle_that_this_machine_gives(single, loyal, tmp_path):
    here = train(loyal, tmp_path / "here", rounds=3)
    there = train(loyal, tmp_path / "there", rounds=3, fitter=ClusterFit(single))
    assert there.model_id == here.model_id
    assert there.model_id == here.model_id
    assert Ranker.load(tmp_path / "there" / there.model_id).model_id == here.model_id


def test_two_workers_grow_one_forest_about_as_good(pair):
    features, labels, sizes, weights = rows()
    here = fit(features, labels, sizes, weights, 0, 30)
    there = ClusterFit(pair)(features, labels, sizes, weights, 0, 30)
    assert there.num_trees() == here.num_trees() == 30
    assert there.feature_name() == list(FEATURES)
    assert mean_ndcg(there, features, labels, sizes) > mean_ndcg(here, features, labels, sizes) - 0.03


def test_the_forest_names_no_host_and_no_port(pair):
    text = ClusterFit(pair)(*rows(groups=20), 0, 2).model_to_string()
    assert "127.0.0.1" not in text
    assert "[machines: ]" in text
    assert "[local_listen_port: 12400]" in text


def test_every_worker_holds_whole_groups_and_all_rows_are_there_in_order(pair):
    sizes = np.array([5, 1, 9, 2, 3], dtype=np.int32)
    values = np.arange(sizes.sum(), dtype=float)
    spreads = spread(pair, (values, sizes), sizes)
    whole, groups = (column.compute() for column in spreads)
    assert whole.tolist() == values.tolist()
    assert groups.tolist() == sizes.tolist()
    assert spreads[0].chunks == ((5 + 1 + 9, 2 + 3),)  # half of 20 rows lies within the third group
    assert spreads[1].chunks == ((3, 2),)


def test_more_workers_than_groups_leave_some_without_work(pair):
    (values,) = spread(pair, (np.zeros(4),), np.array([4]))
    assert values.chunks == ((4,),)


def test_rows_are_spread_however_often_the_client_refreshes_what_it_knows_of_the_scheduler(single):
    restless = {"distributed.client.scheduler-info-interval": "1ms"}  # each time it forgets the workers
    with dask.config.set(restless), distributed.Client(single.scheduler.address, set_as_default=False) as client:
        for _ in range(60):
            spread(client, (np.zeros(4),), np.array([4]))


def test_without_a_scheduler_or_the_extra_there_is_no_cluster(monkeypatch):
    nowhere = "tcp://127.0.0.1:9"
    with pytest.raises(InputError, match=r"--scheduler: answers at tcp://127\.0\.0\.1:9"), connected(nowhere, 1):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    rule = r"--engine dask: has its library: pip install '.*\[cluster\]'"
    with pytest.raises(InputError, match=rule), connected(nowhere):
        pass


def test_a_cluster_without_a_worker_says_so_before_the_work():
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        with pytest.raises(InputError, match=f"--scheduler: has a worker: {address} has none"), connected(address, 1):
            pass


def test_a_cluster_that_is_lost_during_the_work_is_said_in_words():
    def lose(cluster):
        with connected(cluster.scheduler_address) as client:
            working = client.submit(sleep, 60)
            cluster.close()
            working.result()

    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    lost = r"--scheduler: keeps its workers until the work is done: tcp://.* did not \(.*connection-lost"
    with distributed.LocalCluster(**options) as cluster, pytest.raises(InputError, match=lost):
        lose(cluster)


@pytest.mark.parametrize(("there", "told"), [("0.1", "lightgbm 0.1"), (None, "no lightgbm")])
def test_a_worker_of_another_version_is_named_before_the_work(pair, there, told):
    worker = min(pair.nthreads())

    def pretend():
        real = metadata.version

        def found(name):
            if name == "lightgbm" and there is None:
                raise metadata.PackageNotFoundError(name)
            return there if name == "lightgbm" else real(name)

        metadata.version, found.real = found, real

    def undo():
        metadata.version = metadata.version.real

    rule = f"has workers of the versions here: {worker} has {told}, this process {metadata.version('lightgbm')}"
    pair.run(pretend, workers=[worker])
    try:
        with pytest.raises(InputError) as refused, connected(pair.scheduler.address):
            pass
    finally:
        pair.run(undo, workers=[worker])
    assert str(refused.value) == f"cluster: --scheduler: {rule}"
    with connected(pair.scheduler.address):
        pass
