"""A catalogue's rows in a history's codes: where the two meet, made once for the pair."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.catalogue import Catalogue
from matching.history import Codes, History


@dataclass(frozen=True)
class Roster:
    """A catalogue's rows in a history's codes; what has no past gets the code one past the last."""

    product: Codes
    institution: Codes
    type: Codes

    @classmethod
    def of(cls, catalogue: Catalogue, history: History) -> "Roster":
        """Made once for a catalogue and a history."""
        types = [f"{p.kind}:{p.type}" for p in catalogue.products]
        return cls(
            _known(catalogue.ids, history.products),
            _known(catalogue.institution_ids, history.institutions),
            _known(np.array(types, dtype=np.str_), history.types),
        )


def _known(names: NDArray[np.str_], known: NDArray[np.str_]) -> Codes:
    code = {str(name): i for i, name in enumerate(known)}
    return np.array([code.get(str(name), len(known)) for name in names], dtype=np.int32)
