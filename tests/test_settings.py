"""The settings: defaults, what each variable may say, and how a bad one is refused."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from api.settings import COUNTS, Settings, counting_together, counts_folder, unknown, variables
from matching.errors import InputError


def test_an_empty_environment_gives_the_defaults():
    assert Settings.from_environment({}) == Settings()
    assert Settings().database_url == "sqlite:///var/service.db"
    assert Settings().max_body == 256 * 1024
    assert Settings().screen == "optional"


def test_each_setting_is_read_from_its_variable():
    environment = {
        "MATCHING_DATABASE_URL": "postgresql+psycopg://u:p@db/matching",
        "MATCHING_MODELS": "/srv/models",
        "MATCHING_HOST": "0.0.0.0",
        "MATCHING_PORT": "9000",
        "MATCHING_MAX_BODY": "4096",
        "MATCHING_LOG_LEVEL": "warning",
        "MATCHING_SCREEN": "required",
    }
    settings = Settings.from_environment(environment)
    assert settings.model_dump(exclude_defaults=True) == {
        "database_url": "postgresql+psycopg://u:p@db/matching",
        "models": Path("/srv/models"),
        "host": "0.0.0.0",
        "port": 9000,
        "max_body": 4096,
        "log_level": "warning",
        "screen": "required",
    }


def test_every_field_has_a_variable_and_a_description():
    assert variables()["max_body"] == "MATCHING_MAX_BODY"
    assert set(variables()) == set(Settings.model_fields)
    assert all(info.description for info in Settings.model_fields.values())


def test_an_empty_variable_counts_as_unset_and_others_are_left_alone():
    assert Settings.from_environment({"MATCHING_PORT": "", "PORT": "1", "MATCHING_ELSE": "x"}) == Settings()


def test_a_variable_that_looks_like_a_setting_is_told_with_the_one_of_the_closest_name():
    given = {"MATCHING_SERVICE_HOST": "10.0.0.1", "MATCHING_KEY": "always", "MATCHING_ELSE": "", "KEYS": "always"}
    assert unknown(given | dict.fromkeys(variables().values(), "1")) == [
        "MATCHING_KEY is no setting and changes nothing: is MATCHING_KEYS meant?",
        "MATCHING_SERVICE_HOST is no setting and changes nothing",
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MATCHING_PORT", "tcp://10.0.0.1:8000", "MATCHING_PORT: is a whole number, not 'tcp://10"),
        ("MATCHING_PORT", "65536", "MATCHING_PORT: is at most 65535"),
        ("MATCHING_MAX_BODY", "1023", "MATCHING_MAX_BODY: is at least 1024"),
        ("MATCHING_LOG_LEVEL", "loud", "MATCHING_LOG_LEVEL: is one of debug, info, warning, error"),
        ("MATCHING_SCREEN", "always", "MATCHING_SCREEN: is one of optional, required, not 'always'"),
        ("MATCHING_DATABASE_URL", "sqlite://", "MATCHING_DATABASE_URL: names a file"),
        ("MATCHING_DATABASE_URL", "sqlite:///:memory:", "MATCHING_DATABASE_URL: names a file"),
    ],
)
def test_a_bad_value_is_refused_by_the_variables_name(name, value, message):
    with pytest.raises(InputError, match=message):
        Settings.from_environment({name: value})


def test_all_bad_values_are_named_at_once():
    with pytest.raises(InputError, match=r"MATCHING_PORT.*MATCHING_MAX_BODY"):
        Settings.from_environment({"MATCHING_PORT": "x", "MATCHING_MAX_BODY": "y"})


@pytest.mark.parametrize("url", ["user:secret@host", "postgresql+psycopg://user:secret@host:port/name"])
def test_a_bad_database_url_is_not_echoed_since_it_may_hold_a_password(url):
    with pytest.raises(InputError, match="MATCHING_DATABASE_URL: is like") as caught:
        Settings.from_environment({"MATCHING_DATABASE_URL": url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["pass@secret", "pass@x/secret", "pass@x?secret"])
def test_a_password_that_ends_at_an_at_sign_of_its_own_is_refused_before_its_rest_is_told_as_a_host(password):
    with pytest.raises(InputError, match="MATCHING_DATABASE_URL: writes %40 for each @ but the one before") as caught:
        Settings.from_environment({"MATCHING_DATABASE_URL": f"postgresql+psycopg://user:{password}@host/name"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql+psycopg://user:pass%40word@host/name", "sqlite:////a@b/c@d.db"])
def test_an_at_sign_is_taken_where_it_ends_no_password(url):
    assert Settings.from_environment({"MATCHING_DATABASE_URL": url}).database_url == url


def test_several_processes_count_in_a_folder_of_their_own_that_is_gone_at_the_end():
    environment = {COUNTS: "of an earlier run"}

    @counting_together(2, environment)
    def refused():
        used.append(Path(counts_folder(environment)))
        (used[0] / "counter_1.db").touch()
        sys.exit(1)  # as where the port is taken

    used = []
    with pytest.raises(SystemExit):
        refused()
    assert not used[0].exists()
    assert environment == {}


def test_a_single_process_counts_for_itself_whatever_the_environment_says():
    environment = {COUNTS: "of an earlier run"}
    with counting_together(1, environment):
        assert counts_folder(environment) is None


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1
