"""Texts looked up among many others, by Arrow: pandas goes through the others one by one in Python."""

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def among(values: pd.Series, others: pd.Series | NDArray[np.str_] | Collection[str]) -> NDArray[np.bool_]:
    """Which of the texts `values` [n] are among `others`; NA is where they have NA."""
    found = pc.is_in(pa.array(values, pa.large_string()), value_set=pa.array(others, pa.large_string()))
    return np.asarray(found, dtype=np.bool_)
