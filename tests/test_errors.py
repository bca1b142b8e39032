"""Errors say what is wrong, where, and how much more there is."""

import pickle

import pytest

from matching.errors import BundleError, Fault, InputError, MatchingError, NotFoundError


def test_a_fault_names_field_row_and_rule():
    assert str(Fault("amount", "is above 0", 3)) == "amount (row 3): is above 0"


def test_a_fault_of_no_row_names_field_and_rule():
    assert str(Fault("amount", "column is missing")) == "amount: column is missing"


def test_an_input_error_names_where_and_each_fault():
    error = InputError("needs", [Fault("amount", "is above 0", 1), Fault("term_months", "is at least 1", 2)])
    assert str(error) == "needs: amount (row 1): is above 0; term_months (row 2): is at least 1"
    assert error.where == "needs"


def test_an_input_error_shows_five_faults_and_counts_the_rest():
    error = InputError("needs", [Fault("amount", "is above 0", row) for row in range(1, 8)])
    assert str(error).count("is above 0") == 5
    assert str(error).endswith("; and 2 more")
    assert len(error.faults) == 7


def test_an_input_error_of_five_faults_counts_no_rest():
    assert "more" not in str(InputError("needs", [Fault("amount", "is above 0", row) for row in range(5)]))


def test_a_missing_member_is_named():
    error = NotFoundError("product", "P9")
    assert str(error) == "product 'P9' does not exist"
    assert (error.what, error.key) == ("product", "P9")


@pytest.mark.parametrize("error", [InputError("needs", []), NotFoundError("need", "N9"), BundleError("is damaged")])
def test_every_error_is_a_matching_error(error):
    assert isinstance(error, MatchingError)


@pytest.mark.parametrize(
    "error",
    [InputError("needs", [Fault("amount", "is above 0", 3)]), NotFoundError("product", "P1"), BundleError("no")],
)
def test_an_error_comes_whole_from_another_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
