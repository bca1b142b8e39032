"""Bundles in MLflow, for people to look through: a run and a version of the registered model each, exported one way.

Bundles stay the truth. Nothing is read back from the store: where it is deleted, the next call makes it anew. A bundle
that is gone stays in it. No model is copied into it, and nothing is sent to anybody: MLflow's telemetry is off, and
with a store on this machine no address is asked.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from matching.errors import Fault, InputError
from training.shelf import Bundle, Report, Shelf
from training.terminal import notes
from training.tracked import measures, parameters, text

NAME: Final = "matching"  # of the experiment and of the registered model
STORE: Final = "mlflow.db"
ARTIFACTS: Final = "mlartifacts"
MODEL_ID: Final = "model_id"
CONTENT: Final = "content"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
KIND: Final = {"mlflow.experimentKind": "custom_model_development"}  # else taken for a language model's
OF_A_WINDOW: Final = ("source", "from", "to", "gain")
SERVERS: Final = ("http://", "https://")


@dataclass
class Tracked:
    """What a call did: model ids by what became of their runs, and the versions in order with their aliases."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def track(models: Path, shelf: Shelf, into: str | None = None) -> Tracked:
    """Brings a store of MLflow, by default `mlflow.db` among the models, up to what lies on the shelf.

    Raises `InputError` where MLflow is not installed or the store cannot be used.
    """
    uri = into or f"sqlite:///{models / STORE}"
    client_of = _client_of()
    with _usable(uri):
        client = client_of(tracking_uri=uri, registry_uri=uri)
        experiment = _experiment(client, None if uri.startswith(SERVERS) else (models / ARTIFACTS).resolve().as_uri())
        runs = client.search_runs([experiment], max_results=50_000)
        known = {run.data.tags.get(MODEL_ID): run for run in runs}
        versions = _versions(client)
        told = Tracked()
        for bundle in shelf.bundles:
            run = known.get(bundle.model_id) or _begun(client, experiment, bundle)
            _exported(client, run, bundle, told)
            if bundle.model_id not in versions:
                tags = {MODEL_ID: bundle.model_id}
                client.create_model_version(NAME, run.info.artifact_uri, run.info.run_id, tags)
        versions = _versions(client)
        _promoted(client, shelf, versions)
        told.versions = {model_id: str(version.version) for model_id, version in versions.items()}
        told.aliases = _pointed(client, {CHAMPION: shelf.champion, CHALLENGER: shelf.challenger}, told.versions)
    return told


def _client_of() -> Any:
    """What makes a client. Raises `InputError` where MLflow is not installed."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # it looks once, while it is imported
    try:
        from mlflow import MlflowClient  # an extra, and two seconds to import: only who tracks waits
    except ImportError:
        rule = "is installed: pip install 'bank-enterprise-matching[tracking]'"
        raise InputError("track", [Fault("MLflow", rule)]) from None
    return MlflowClient


@contextmanager
def _usable(uri: str) -> Iterator[None]:
    """What a store refuses is the caller's to mend, in one line: raises `InputError`."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if not uri.startswith(SERVERS):
            _connect(uri)
        yield
    except (MlflowException, SQLAlchemyError, ModuleNotFoundError) as error:
        why = str(error).partition("\n")[0]
        raise InputError("track", [Fault("--into", f"is a database or a server that MLflow can use: {why}")]) from None


def _connect(uri: str) -> None:
    """Raises where a database does not answer: MLflow would go on trying for two minutes."""
    from sqlalchemy import create_engine, inspect

    engine = create_engine(uri)
    try:
        inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _experiment(client: Any, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(NAME)
    return str(found.experiment_id if found else client.create_experiment(NAME, artifacts, KIND))


def _versions(client: Any) -> dict[str, Any]:
    """By model its version, the first one first; the registered model is made where there is none."""
    if not client.search_registered_models(f"name='{NAME}'"):
        client.create_registered_model(NAME)
    found = client.search_model_versions(f"name='{NAME}'")
    return {one.tags[MODEL_ID]: one for one in sorted(found, key=lambda one: int(one.version)) if MODEL_ID in one.tags}


def _begun(client: Any, experiment: str, bundle: Bundle) -> Any:
    tags = {MODEL_ID: bundle.model_id}
    return client.create_run(experiment, int(bundle.made * 1000), tags, run_name=bundle.model_id)


def _exported(client: Any, run: Any, bundle: Bundle, told: Tracked) -> None:
    """Brings a run up to its bundle. What it was made from is noted last: a run that was cut short is made whole."""
    from mlflow.entities import Param, RunTag

    run_id, content, before = run.info.run_id, _content(bundle), run.data.tags.get(CONTENT)
    if content == before:
        told.there.append(bundle.model_id)
        return
    known = run.data.params  # MLflow never lets one change
    params = [Param(*named) for named in parameters(bundle.manifest).items() if named[0] not in known]
    client.log_batch(run_id, params=params)
    if bundle.reports:
        _measured(client, run_id, bundle.reports[-1])
    for path, part in bundle.files:
        client.log_artifact(run_id, str(path), part or None)
    client.set_terminated(run_id, end_time=int(bundle.made * 1000))
    client.log_batch(run_id, tags=[RunTag(CONTENT, content)])
    (told.updated if before else told.added).append(bundle.model_id)


def _measured(client: Any, run_id: str, report: Report) -> None:
    """A run's metrics, those of the latest report, and what it was measured on."""
    from mlflow.entities import Metric, RunTag

    at = int(report.file.stat().st_mtime * 1000)
    metrics = [Metric(name, value, at, 0) for name, value in measures(report.found).items()]
    tags = [RunTag(f"evaluated {name}", text(report.found.get(name) or "")) for name in OF_A_WINDOW]
    client.log_batch(run_id, metrics, tags=tags)


def _content(bundle: Bundle) -> str:
    """A hash of all that is exported of a bundle."""
    told = [[str(path.relative_to(bundle.folder.parent)), part] for path, part in bundle.files]
    hashes = [sha256(path.read_bytes()).hexdigest() for path, _ in bundle.files]
    return sha256(json.dumps([told, hashes]).encode()).hexdigest()


def _promoted(client: Any, shelf: Shelf, versions: Mapping[str, Any]) -> None:
    """Each line of the log as a tag of its champion's version, by its number in the log."""
    for number, line in enumerate(shelf.promotions, 1):
        version, name = versions.get(line["champion"]), f"promotion {number}"
        evidence = text({key: value for key, value in line.items() if key != "champion"})
        if version and version.tags.get(name) != evidence:
            client.set_model_version_tag(NAME, str(version.version), name, evidence)


def _pointed(client: Any, wanted: Mapping[str, str | None], versions: Mapping[str, str]) -> dict[str, str]:
    """Sets each alias on the model it is wanted on and takes away one that is wanted on none; by model its alias."""
    now = {alias: str(version) for alias, version in client.get_registered_model(NAME).aliases.items()}
    found = {}
    for alias, model_id in wanted.items():
        version = versions.get(model_id) if model_id else None
        if model_id and version:
            found[model_id] = alias
        if version and version != now.get(alias):
            client.set_registered_model_alias(NAME, alias, version)
        elif not version and alias in now:
            client.delete_registered_model_alias(NAME, alias)
    return found


def track_command(
    models: Annotated[Path, typer.Argument(metavar="MODELS", help="The folder of bundles.")],
    into: Annotated[
        str | None, typer.Option(metavar="URI", help="MLflow's store; by default sqlite:///MODELS/mlflow.db.")
    ] = None,
) -> None:
    """Show the bundles to people in MLflow: a run and a version each, with aliases; a second call adds what is new."""
    shelf = Shelf.of(models)
    for why in shelf.damaged:
        notes.print(f"passed over: {why}", style="red", markup=False, highlight=False, soft_wrap=True)
    told = track(models, shelf, into)
    print(f"{models}: {len(told.added)} added, {len(told.updated)} updated, {len(told.there)} there already")
    for model_id, version in told.versions.items():
        print(f"version {version}: {model_id} {told.aliases.get(model_id, '')}".rstrip())
