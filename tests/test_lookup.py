"""Texts among many others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.lookup import among

WORDS = st.lists(st.none() | st.text(alphabet="ab企業", max_size=2), max_size=8)
FORMS = st.sampled_from(["str", object])


@given(WORDS, WORDS, FORMS, FORMS, st.booleans())
def test_each_text_is_asked_whether_the_others_have_it(values, others, form, other_form, in_chunks):
    """Also where a column lies in several pieces, as one of several files does."""
    column, known = pd.Series(values, dtype=form), pd.Series(others, dtype=other_form)
    if in_chunks:
        values = [*values, *values[:3]]
        column, known = (pd.concat([part, part.iloc[:3]], ignore_index=True) for part in (column, known))
    assert among(column, known).tolist() == [value in others for value in values]


@pytest.mark.parametrize(
    "others",
    [["a", "c"], {"a", "c"}, {"a": 1, "c": 2}.keys(), np.array(["a", "c"]), np.array(["a", "c"], dtype=object)],
    ids=["list", "set", "keys", "array", "objects"],
)
def test_others_are_any_collection_of_texts(others):
    assert among(pd.Series(["a", "b", None, "c"]), others).tolist() == [True, False, False, True]


@pytest.mark.parametrize("others", [[], np.array([], dtype=np.str_), pd.Series([], dtype="str")])
def test_none_is_among_nothing(others):
    assert among(pd.Series(["a", None]), others).tolist() == [False, False]


def test_of_no_texts_none_is_found():
    assert among(pd.Series([], dtype="str"), ["a"]).tolist() == []
