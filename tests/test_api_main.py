"""`python -m api`: its commands."""

import re

import pytest

from api.__main__ import main
from api.store import queries
from api.store.database import Store
from tests.servers import environment


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line here; gives back what it printed."""

    def call(settings, *arguments):
        monkeypatch.setattr("sys.argv", ["api", *arguments])
        for name, value in environment(settings).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, ended.value.code
        return capsys.readouterr().out

    return call


def test_tables_are_loaded_once(run, deploy, market_folder):
    settings = deploy(loaded=False)
    assert run(settings, "load", str(market_folder)) == "Loaded 2 institutions, 7 products, 8 enterprises, 24 needs.\n"
    assert run(settings, "load", str(market_folder)) == "These tables are in the store already.\n"


def test_a_mistake_is_one_line_and_a_bad_exit_code(monkeypatch):
    monkeypatch.setenv("MATCHING_PORT", "eighty")
    monkeypatch.setattr("sys.argv", ["api", "migrate"])
    with pytest.raises(SystemExit, match=r"^error: environment: MATCHING_PORT: is a whole number, not 'eighty'$"):
        main()


def test_a_misspelt_setting_is_told_and_stops_nothing(run, deploy, monkeypatch, capsys):
    monkeypatch.setenv("MATCHING_WORKER", "2")
    monkeypatch.setattr("api.listening.serve", lambda _app, **_options: print(capsys.readouterr().err, end=""))
    told = "warning: environment: MATCHING_WORKER is no setting and changes nothing: is MATCHING_WORKERS meant?\n"
    assert run(deploy()) == told


def test_a_folder_that_cannot_be_made_is_one_line_too(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MATCHING_DATABASE_URL", f"sqlite:///{tmp_path}/file/service.db")
    monkeypatch.setattr("sys.argv", ["api", "migrate"])
    with pytest.raises(SystemExit, match=r"^error: .*File exists: .*file'$"):
        main()


def test_migrate_brings_a_new_store_up_to_date(run, deploy, tmp_path):
    settings = deploy(loaded=False).model_copy(update={"database_url": f"sqlite:///{tmp_path}/new.db"})
    assert run(settings, "migrate") == "The store is up to date.\n"
    store = Store(settings.database_url)
    assert store.glance(queries.REVISION) is None
    store.close()


@pytest.mark.parametrize(("arguments", "port"), [([], 8000), (["serve"], 8000), (["--port", "7"], 7)])
def test_serving_is_what_happens_without_a_command(run, deploy, monkeypatch, arguments, port):
    served = []
    monkeypatch.setattr("api.listening.serve", lambda app, **options: served.append((app, options)))
    run(deploy(), *arguments)
    web = {"host": "127.0.0.1", "port": port, "log_level": "info", "workers": 1}
    assert served == [("api.app:from_environment", web)]


@pytest.mark.parametrize("option", [["--port", "7"], ["--port", "0"], ["--host", "::"]])
def test_where_to_listen_is_not_lost_before_a_command(monkeypatch, capsys, option):
    monkeypatch.setattr("sys.argv", ["api", *option, "serve"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main()
    unboxed = " ".join(re.findall(r"[^\s│]+", capsys.readouterr().err))
    assert "--host, --port: stand after serve: before a command they would be lost" in unboxed


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_store_that_cannot_be_used_is_told_before_any_process_is_started(monkeypatch, tmp_path, workers):
    (tmp_path / "service.db").write_text("no database" * 99)
    monkeypatch.setenv("MATCHING_DATABASE_URL", f"sqlite:///{tmp_path}/service.db")
    monkeypatch.setenv("MATCHING_WORKERS", workers)
    monkeypatch.setattr("sys.argv", ["api"])
    monkeypatch.setattr("api.listening.serve", lambda app, **options: pytest.fail("it was served"))
    with pytest.raises(SystemExit, match=r"^error: database: database_url: is a store .*: file is not a database$"):
        main()


def test_an_account_is_made_given_another_password_and_shut(run, deploy):
    settings = deploy()
    made = run(settings, "user", "add", "Wang", "--role", "officer", "--institution", "I1")
    password = re.fullmatch(r"Account Wang, password \(shown this once\): (\S{16})\n", made)[1]
    assert password not in run(settings, "user", "password", "wang")
    assert run(settings, "user", "disable", "wang") == "Account wang is disabled.\n"


def test_an_account_is_for_a_person_and_not_for_a_platform(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["api", "user", "add", "Wang", "--role", "platform"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "'platform' is not one of 'officer'" in capsys.readouterr().err


def test_a_key_is_made_listed_and_revoked_by_its_id_or_whole(run, deploy):
    settings = deploy()
    made = [run(settings, "key", "add", label, "--scope", "read", "--scope", "outcomes") for label in ("a", "b")]
    keys = [text.rsplit(" ", 1)[1].strip() for text in made]
    ids = [key.split("_")[1] for key in keys]
    assert run(settings, "key", "revoke", keys[0]) == f"Key {ids[0]} is revoked.\n"
    assert run(settings, "key", "revoke", ids[1]) == f"Key {ids[1]} is revoked.\n"
    listed = run(settings, "key", "list")
    assert re.findall(r"^(\w{12})  (\w)  outcomes, read  revoked \d{4}-\d\d-\d\d$", listed, re.MULTILINE)
    assert not any(key in listed for key in keys)


def test_the_clocks_are_looked_at_on_demand(run, deploy):
    assert run(deploy(), "sweep") == "0 cases expired, 0 handed on, 0 recommendations forgotten.\n"


def test_something_to_try_prints_accounts_and_a_key_once(run, deploy):
    settings = deploy()
    first = run(settings, "try")
    assert re.search(r"^  officer +\S{12}  of I\d ", first, re.MULTILINE)
    assert re.search(r"^  match_\w{12}_\S{43}$", first, re.MULTILINE)
    assert run(settings, "try").startswith("The desk is filled already")
