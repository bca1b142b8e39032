"""What is served: the champion over the catalogue, swapped whole, and never for something that does not work."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from api import serving
from api.app import create_app
from api.loading import load
from api.store import queries
from api.store.database import Store
from api.store.desk_models import CatalogueRow
from api.store.models import ProductRow
from api.store.outages import StoreError
from matching import tables
from matching.bundles import POINTER
from matching.domain import Product
from matching.features import FEATURES
from matching.ranker import Ranker
from tests import bundles, forests
from tests.conftest import NOON
from tests.servers import environment
from tests.test_architecture import ROOT
from training.promote import promote as promote_again

GOOD = {"enterprise_id": "E1", "need": {"amount": 2_000_000}}
UNREADABLE = "product 'P0' was stored by another version of the service, this one cannot read its later_field"
COMPILED_BY_REQUESTS = """
import json, sys
from numba.core.dispatcher import Dispatcher
from starlette.testclient import TestClient
from api.app import from_environment

def compiled():
    modules = [module for name, module in sys.modules.items() if name.startswith("matching")]
    found = {id(one): one for module in modules for one in vars(module).values() if isinstance(one, Dispatcher)}
    return {f"{one.py_func.__name__} {signature}" for one in found.values() for signature in one.signatures}

with TestClient(from_environment()) as client:
    before = compiled()
    for request in json.loads(sys.argv[1]):
        assert client.post("/v1/recommendations", json=request).json()["matches"]
    print(json.dumps([len(before), sorted(compiled() - before)]))
"""


@pytest.fixture(scope="module")
def challenger(tmp_path_factory):
    return bundles.ranker(seed=1).save(tmp_path_factory.mktemp("challenger"))


@pytest.fixture
def serve(deploy):
    clients = []

    def make(**changes):
        client = TestClient(create_app(deploy(**changes), now=lambda: NOON))
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__()


def models(client):
    return client.app.state.service.settings.models


def promote(client, bundle):
    if not (models(client) / bundle.name).exists():
        shutil.copytree(bundle, models(client) / bundle.name)
    bundles.promote(models(client), bundle.name)


def test_ready_tells_the_model_the_catalogue_and_where_its_rows_come_from(serve, bundle):
    ready = serve().get("/readyz")
    assert ready.status_code == 200
    assert len(ready.json().pop("catalogue_version")) == 16
    assert {name: value for name, value in ready.json().items() if name != "catalogue_version"} == {
        "status": "ready",
        "model_id": bundle.name,
        "products": 7,
        "institutions": 2,
        "source": "made up",
        "currency": "CNY",
        "attribution": "",
        "simulated": True,
    }


def test_without_a_champion_the_service_is_alive_but_not_ready(serve, caplog):
    client = serve(promoted=False)
    assert f"no champion in {models(client)}: train one, then" in caplog.text
    caplog.clear()
    for response in (client.get("/readyz"), client.post("/v1/recommendations", json=GOOD)):
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"] == "no model is in service: the service's log says what to do"
    assert "no champion" not in caplog.text  # the log has it once
    assert client.get("/healthz").status_code == 200


def test_without_a_catalogue_the_service_is_alive_but_not_ready(serve):
    client = serve(loaded=False)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["detail"] == "the catalogue is empty: load tables with `python -m api load DATA`"
    assert client.get("/healthz").status_code == 200


def test_a_model_of_another_currency_is_not_served(deploy):
    settings = deploy(promoted=False)
    learned = bundles.ranker()
    foreign = replace(learned, manifest={**learned.manifest, "id": "in-dollars", "currency": "USD"})
    foreign.save(settings.models)
    bundles.promote(settings.models, "in-dollars")
    with TestClient(create_app(settings)) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["detail"] == "in-dollars learned in USD, the tables in service are in CNY"
        assert client.get("/healthz").status_code == 200


def test_a_service_whose_catalogue_this_version_cannot_read_is_alive_and_ready_once_it_can(deploy, caplog):
    """As where an earlier version is started again over products of a later one, which has another field."""
    settings = deploy()
    store = Store(settings.database_url)

    def change(**fields):
        with store.writing() as session:
            row = session.scalars(select(ProductRow)).first()
            row.document = {name: v for name, v in (row.document | fields).items() if v is not None}

    change(later_field=1)
    with TestClient(create_app(settings, now=lambda: NOON)) as client:
        assert client.get("/signin").status_code == 200
        answers = [client.get("/readyz"), client.post("/v1/recommendations", json=GOOD)]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert {answer.json()["detail"] for answer in answers} == {
            "no model is in service: the service's log says what to do"
        }
        for url in ("/v1/products", "/v1/products/P0", "/v1/products?limit=1"):
            response = client.get(url)
            assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
            assert response.json()["detail"] == UNREADABLE
        assert client.get("/v1/products?offset=1").status_code == 200
        assert f"over the catalogue: {UNREADABLE}" in caplog.text
        change(later_field=None)
        assert client.get("/readyz").status_code == 200
    store.close()


def test_a_champion_that_is_not_there_is_told_without_a_path(serve, caplog):
    client = serve(promoted=False)
    bundles.promote(models(client), "20990101-nowhere")
    response = client.get("/readyz")
    assert response.json()["detail"] == "no model is in service: the service's log says what to do"
    assert f"the champion '20990101-nowhere' is not in {models(client)}" in caplog.text


def test_a_champion_promoted_later_is_served_by_the_next_request(serve, bundle):
    client = serve(promoted=False)
    promote(client, bundle)
    assert client.post("/v1/recommendations", json=GOOD).json()["model_id"] == bundle.name


def test_another_champion_is_served_by_the_next_request_and_old_records_keep_theirs(serve, bundle, challenger):
    client = serve()
    before = client.post("/v1/recommendations", json=GOOD).json()
    promote(client, challenger)
    assert client.post("/v1/recommendations", json=GOOD).json()["model_id"] == challenger.name
    kept = client.get(f"/v1/recommendations/{before['id']}?replay=true").json()
    assert (kept["model_id"], kept["replay"]["equal"]) == (bundle.name, True)
    promote(client, bundle)
    assert client.post("/v1/recommendations", json=GOOD).json()["model_id"] == bundle.name


def test_a_damaged_champion_does_not_replace_the_one_in_service(serve, bundle, challenger, caplog):
    client = serve()
    promote(client, challenger)
    forest = models(client) / challenger.name / "forest.txt"
    forest.write_text(forest.read_text() + " ")
    for _ in range(3):
        assert client.get("/readyz").json()["model_id"] == bundle.name
    assert caplog.text.count("forest.txt was altered since training") == 2  # once in words, once in the traceback
    promote(client, bundle)
    assert client.get("/readyz").json()["model_id"] == bundle.name


def test_a_damaged_champion_that_was_mended_is_served_once_it_is_promoted_again(serve, bundle, challenger):
    client = serve()
    shutil.copytree(challenger, models(client) / challenger.name)
    forest = models(client) / challenger.name / "forest.txt"
    forest.write_text("half a copy")
    bundles.promote(models(client), challenger.name)
    assert client.get("/readyz").json()["model_id"] == bundle.name
    shutil.copy(challenger / "forest.txt", forest)
    promote_again(models(client), challenger.name, NOON)
    assert client.get("/readyz").json()["model_id"] == challenger.name


def test_a_damaged_first_champion_is_a_problem_that_says_what_to_do(serve, bundle):
    client = serve(promoted=False)
    (models(client) / bundle.name / "history.npz").unlink()
    promote(client, bundle)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["detail"].endswith("history.npz is missing; copy the whole bundle again")


@pytest.mark.parametrize("pointer", ["20990101-nowhere", "../elsewhere", ""])
def test_an_unknown_model_as_champion_leaves_the_old_one_in_service(serve, bundle, pointer):
    client = serve()
    bundles.promote(models(client), pointer)
    assert client.get("/readyz").json()["model_id"] == bundle.name


def test_a_pointer_that_cannot_be_read_leaves_the_old_one_in_service(serve, bundle):
    client = serve()
    (models(client) / POINTER).write_bytes(b"\xff")
    assert client.get("/readyz").json()["model_id"] == bundle.name


def load_more(client, folder):
    """A load of every product a second time, under another id."""
    market = bundles.market()
    products = [Product.model_validate(row) for row in tables.records("products", market.products)]
    more = [product.model_copy(update={"product_id": f"Q{i}"}) for i, product in enumerate(products)]
    changed = {**dict(market), "products": tables.frame_of("products", [*products, *more])}
    tables.write(tables.Tables(**changed, currency="CNY"), folder)
    load(client.app.state.service.store, folder, NOON)


def test_a_changed_catalogue_is_served_by_the_next_request_and_the_model_is_not_read_again(
    serve, tmp_path, monkeypatch
):
    client = serve()
    before = client.get("/readyz").json()
    monkeypatch.setattr(Ranker, "load", lambda _: pytest.fail("the model was read again"))
    load_more(client, tmp_path / "data")
    after = client.get("/readyz").json()
    assert (before["products"], after["products"]) == (7, 14)
    assert before["catalogue_version"] != after["catalogue_version"]
    assert "Q0" in {match["product_id"] for match in client.post("/v1/recommendations", json=GOOD).json()["matches"]}


@pytest.mark.parametrize("asked_between", [True, False])
@pytest.mark.parametrize("wrong", ["damaged", "unknown"])
def test_a_changed_catalogue_is_served_while_the_champion_cannot_be(
    serve, bundle, challenger, tmp_path, caplog, wrong, asked_between
):
    client = serve()
    promote(client, challenger)
    if wrong == "damaged":
        (models(client) / challenger.name / "forest.txt").write_text("half a copy")
    else:
        shutil.rmtree(models(client) / challenger.name)
    if asked_between:
        assert client.get("/readyz").json()["products"] == 7
    load_more(client, tmp_path / "data")
    for _ in range(3):
        found = client.get("/readyz").json()
        assert (found["model_id"], found["products"]) == (bundle.name, 14)
    assert caplog.text.count("Traceback") == (1 + asked_between if wrong == "damaged" else 0)
    shutil.rmtree(models(client) / challenger.name, ignore_errors=True)
    shutil.copytree(challenger, models(client) / challenger.name)
    promote_again(models(client), challenger.name, NOON)
    assert client.get("/readyz").json()["model_id"] == challenger.name


@pytest.mark.parametrize("cut_off", ["catalogue", "keep_catalogue"])
def test_what_an_outage_kept_out_of_service_is_served_when_the_store_is_back(serve, challenger, monkeypatch, cut_off):
    client = serve()
    before = client.get("/readyz").json()["model_id"]
    promote(client, challenger)

    def fail(*_):
        raise StoreError("gone for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(queries, cut_off, fail)
        assert client.get("/readyz").json()["model_id"] == before
    assert client.get("/readyz").json()["model_id"] == challenger.name


@pytest.mark.parametrize("first", [True, False])
def test_while_only_the_keeping_of_a_catalogue_fails_a_model_is_loaded_once(serve, bundle, challenger, first):
    client = serve(promoted=not first)
    wanted = bundle if first else challenger
    loaded, load_ranker = [], Ranker.load

    def load_and_count(folder):
        loaded.append(folder.name)
        return load_ranker(folder)

    def fail(*_):
        raise StoreError("gone for a moment")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ranker, "load", load_and_count)
        with pytest.MonkeyPatch.context() as outage:
            outage.setattr(queries, "keep_catalogue", fail)
            promote(client, wanted)
            assert {client.get("/readyz").status_code for _ in range(3)} == {503 if first else 200}
        assert client.get("/readyz").json()["model_id"] == wanted.name
    assert loaded == [wanted.name]


def row_of(served):
    """As `keep_catalogue` would add it that did not see the other's."""
    return CatalogueRow(version=served.version, document=b"")


def test_a_catalogue_that_another_replica_keeps_at_the_same_moment_is_served(serve, monkeypatch):
    settings = serve().app.state.service.settings  # which has kept it
    monkeypatch.setattr(queries, "keep_catalogue", lambda session, served: session.add(row_of(served)))
    with TestClient(create_app(settings, now=lambda: NOON)) as late:
        assert late.get("/readyz").status_code == 200


def test_an_unchanged_champion_and_catalogue_are_read_once(serve, monkeypatch):
    client = serve()
    client.get("/readyz")
    monkeypatch.setattr(queries, "catalogue", lambda _: pytest.fail("the catalogue was read again"))
    assert client.post("/v1/recommendations", json=GOOD).status_code == 201


def test_an_app_that_was_shut_down_serves_again(deploy):
    app = create_app(deploy(), now=lambda: NOON)
    for _ in range(2):
        with TestClient(app) as client:
            assert client.post("/v1/recommendations", json=GOOD).status_code == 201


def test_a_forest_that_only_lightgbm_scores_is_served_but_not_explained(serve, tmp_path):
    stock = forests.forest(objective="poisson", whole=True, width=len(FEATURES))
    client = serve()
    promote(client, replace(bundles.ranker(seed=2), booster=stock).save(tmp_path))
    assert client.post("/v1/recommendations", json=GOOD).status_code == 201
    refused = client.post("/v1/recommendations", json=GOOD | {"explain": True})
    assert refused.status_code == 503
    assert "its forest cannot be explained; train it with trees that can" in refused.json()["detail"]


@pytest.mark.parametrize(("compiled", "promoted", "lines"), [(False, True, 1), (True, True, 0), (False, False, 0)])
def test_a_first_start_says_that_routines_are_compiled_before_it_loads_the_model(
    deploy, caplog, monkeypatch, compiled, promoted, lines
):
    settings = deploy(promoted=promoted)
    monkeypatch.setattr(serving, "anything_compiled", lambda: compiled)
    caplog.clear()
    with caplog.at_level("INFO", "api"):
        create_app(settings).state.service.close()
    said = [record.message for record in caplog.records if record.name == "api"]
    assert sum("routines are compiled first, about a minute" in line for line in said) == lines
    assert [line.split(":")[0] for line in said][lines] == ("in service" if promoted else "no model is in service")
    assert lines == 0 or said[0].startswith("loading the model: ")


def test_a_start_without_a_champion_says_that_routines_are_compiled_once_there_is_one(
    serve, bundle, caplog, monkeypatch
):
    monkeypatch.setattr(serving, "anything_compiled", lambda: False)
    client = serve(promoted=False)
    assert "routines are compiled first" not in caplog.text
    promote(client, bundle)
    with caplog.at_level("INFO", "api"):
        assert client.get("/readyz").status_code == 200
    said = [
        record.message.split(":")[0] for record in caplog.records if record.levelname == "INFO" and record.name == "api"
    ]
    assert said[-2:] == ["loading the model", "in service"]


def test_no_recommendation_waits_for_a_routine_to_be_compiled(deploy):
    asked = [GOOD | {"explain": True}, GOOD | {"as_of": "2024-06-05", "explain": True}]
    command = [sys.executable, "-c", COMPILED_BY_REQUESTS, json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, env=environment(deploy()), capture_output=True, text=True, check=True)
    before, later = json.loads(done.stdout)
    assert before > 20
    assert not later, later
