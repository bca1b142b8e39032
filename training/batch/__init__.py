"""The white list at once: every open need's best products, in bounded memory, on all cores or on a cluster."""

from training.batch.engines import Cluster, Engine, Local
from training.batch.output import check_name
from training.batch.rows import Options, columns
from training.batch.running import PART_NEEDS, Done, rank_all, unfinished

__all__ = [
    "PART_NEEDS",
    "Cluster",
    "Done",
    "Engine",
    "Local",
    "Options",
    "check_name",
    "columns",
    "rank_all",
    "unfinished",
]
