"""A Dask cluster: connecting to its scheduler, and LightGBM's own Dask ranker fitting the forest on its workers."""

import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from matching.boosting import PARAMS, shuffled
from matching.catalogue import Rows
from matching.errors import Fault, InputError
from matching.features import FEATURES
from matching.forest import Booster
from matching.history import Codes, Numbers
from matching.ranker import LIBRARIES

SECONDS: Final = 30
PACKAGES: Final = ("bank-enterprise-matching", *LIBRARIES)  # on whose versions it depends what is ranked and trained
# What a fit notes down of how it ran. None of it is the model's: a bundle names no host and no port.
_OF_THE_RUN: Final = re.compile(r"^\[(machines|local_listen_port|num_threads|eval_at): .*\]$", re.MULTILINE)
_ALONE: Final = {"machines": "", "local_listen_port": "12400", "num_threads": "0", "eval_at": ""}


@contextmanager
def connected(scheduler: str, seconds: int = SECONDS) -> Iterator[Any]:
    """A client of the cluster.

    Raises `InputError` where the extra is missing, no scheduler answers or no worker is there in time, where a worker
    has other versions than this process, and where the cluster is lost later on.
    """
    try:
        from distributed import Client  # an extra: only who has a cluster needs it
    except ImportError:
        rule = "has its library: pip install 'bank-enterprise-matching[cluster]'"
        raise InputError("cluster", [Fault("--engine dask", rule)]) from None
    try:
        client = Client(scheduler, timeout=seconds)
    except (OSError, ValueError) as error:
        raise InputError("cluster", [Fault("--scheduler", f"answers at {scheduler}: {error}")]) from None
    with client, _kept(scheduler):
        try:
            client.wait_for_workers(1, timeout=seconds)
        except TimeoutError:
            raise InputError("cluster", [Fault("--scheduler", f"has a worker: {scheduler} has none")]) from None
        _of_one_version(client)
        yield client


def _of_one_version(client: Any) -> None:
    """Raises `InputError` where a worker has another version of a package, or lacks it: its part would be another's.

    What runs there is Python's own, as the worker may know nothing of this library.
    """
    for name in PACKAGES:
        here = version(name)
        for worker, there in client.run(version, name, on_error="return").items():
            if there != here:
                told = f"{name} {there}" if isinstance(there, str) else f"no {name}"
                rule = f"has workers of the versions here: {worker} has {told}, this process {here}"
                raise InputError("cluster", [Fault("--scheduler", rule)])


@contextmanager
def _kept(scheduler: str) -> Iterator[None]:
    """Turns what a lost scheduler or dying workers raise into an error that names them. Raises `InputError`."""
    from distributed import KilledWorker

    try:
        yield
    except (CancelledError, KilledWorker) as error:
        why = str(error).partition("\n")[0]
        rule = f"keeps its workers until the work is done: {scheduler} did not ({why})"
        raise InputError("cluster", [Fault("--scheduler", rule)]) from None


@dataclass(frozen=True)
class ClusterFit:
    """`matching.boosting.fit` on a cluster: every worker holds a share of the groups, and they grow one forest.

    With one worker it is the forest of `fit`. With more, each cuts its share of the features into bins by its own rows,
    so that the forest depends a little on who held what.
    """

    client: Any

    def __call__(
        self,
        features: Numbers,
        labels: Codes,
        groups: Codes,
        weights: Numbers,
        seed: int = 0,
        rounds: int = 120,
        _callbacks: Sequence[Any] = (),  # they would be called on the workers, where nobody looks
    ) -> Booster:
        """The forest."""
        from lightgbm import DaskLGBMRanker

        order = shuffled(groups, seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")  # nobody gave it
            ranker = DaskLGBMRanker(client=self.client, n_estimators=rounds, random_state=seed, **PARAMS)
            x, y, sizes, w = spread(self.client, (features[order], labels[order], groups, weights[order]), groups)
            ranker.fit(x, y, group=sizes, sample_weight=w, feature_name=list(FEATURES))
            return _anywhere(ranker.booster_)


def spread(client: Any, columns: Sequence[np.ndarray], groups: Codes) -> list[Any]:
    """Columns of a value a row, or of one a group, as Dask arrays: whole groups, about as many rows on each worker."""
    import dask.array as da
    from dask.delayed import delayed

    workers = list(client.nthreads())  # what `scheduler_info` tells, a client's own refreshing may empty meanwhile
    ends = np.cumsum(groups, dtype=np.intp)
    cuts = np.searchsorted(ends, np.arange(1, len(workers)) * ends[-1] / len(workers), side="left") + 1
    owned = [part for part in np.split(np.arange(len(groups)), cuts) if len(part)]
    spreads = []
    for column in columns:
        by_group = len(column) == len(groups)
        parts = [column[part] if by_group else column[_rows(ends, groups, part)] for part in owned]
        held = [client.scatter(part, workers=[worker]) for part, worker in zip(parts, workers, strict=False)]
        pieces = [da.from_delayed(delayed(one), part.shape, part.dtype) for one, part in zip(held, parts, strict=True)]
        spreads.append(da.concatenate(pieces))
    return spreads


def _rows(ends: Rows, groups: Codes, part: Rows) -> slice:
    """The rows of groups that follow each other."""
    return slice(int(ends[part[0]] - groups[part[0]]), int(ends[part[-1]]))


def _anywhere(booster: Booster) -> Booster:
    """The same forest without a word of the machines that it was grown on."""
    from lightgbm import Booster as Grown

    text = _OF_THE_RUN.sub(lambda found: f"[{found[1]}: {_ALONE[found[1]]}]", booster.model_to_string())
    grown: Booster = Grown(model_str=text)
    return grown
