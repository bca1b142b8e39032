"""Where long work is done: on the cores of this machine or on a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from matching.boosting import fit
from matching.errors import Fault, InputError
from training.cluster import ClusterFit, connected
from training.train import Fitter


class Engines(StrEnum):
    """What works: the cores of this machine or a Dask cluster."""

    LOCAL = "local"
    DASK = "dask"


Engine = Annotated[Engines, typer.Option(help="All cores of this machine, or a Dask cluster.")]
Scheduler = Annotated[str | None, typer.Option(metavar="URL", help="The cluster's, tcp://HOST:8786.")]


def cluster_of(command: str, engine: Engines, scheduler: str | None) -> str | None:
    """The address of the cluster that is to work, if one is.

    Raises `InputError` where a scheduler is named without a cluster being asked for, or the other way round.
    """
    if (scheduler is None) == (engine is Engines.DASK):
        raise InputError(command, [Fault("--scheduler", "is given with --engine dask, and only then")])
    return scheduler


@contextmanager
def fitter(address: str | None) -> Iterator[Fitter]:
    """What fits the forest. A cluster that does not answer says so before the long work, not after it."""
    if address is None:
        yield fit
    else:
        with connected(address) as client:
            yield ClusterFit(client)
