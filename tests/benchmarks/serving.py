"""The service under load, beside what else one could run: `python -m tests.benchmarks.serving`.

Real servers on loopback, one at a time and in turns, and a load generator in a process of its own. Ours answers with
rules, features, scores, ten matches with reasons, and a durable record; its rivals only score. Asked a second time,
ours leaves the reasons away, as they do. `--mlflow PYTHON` names an interpreter that has mlflow and lightgbm.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep

import numpy as np
from rich.console import Console

from api.loading import load
from api.store.database import Store
from matching import tables as gate
from tests import bundles
from tests import factories as make
from tests.benchmarks import naive
from tests.benchmarks.batch import market, ranker
from tests.benchmarks.scoring import candidates

SIZES = (200, 1000)
ASKED = 200
BARE = "asked-bare"
OURS = {"the service": "asked", "without reasons": BARE}  # what is posted
TURNS = 3
PATIENCE = 120
SETTLING = 5  # seconds: one worker is ready before the others, and would get all connections
SAVE = (
    "import sys, lightgbm, mlflow.lightgbm as flavour;"
    "flavour.save_model(lightgbm.Booster(model_file=sys.argv[1]), sys.argv[2])"
)
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Server:
    """How to start a server, where it says that it is ready, and what to post to it where."""

    name: str
    command: Command
    ready: str
    path: str
    bodies: Path
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What the load generator found, in milliseconds and answers a second."""

    times: list[float]
    rate: float

    @property
    def p50(self) -> float:
        return median(self.times)

    @property
    def p99(self) -> float:
        return quantiles(self.times, n=100)[98]


NOTHING = Load([], 0.0)


def prepare(folder: Path, products: int) -> None:
    """A market with a bundle of 300 trees of 31 leaves, loaded and promoted; the rivals' models; what to post."""
    tables = market(ASKED, products)
    gate.write(tables, folder / "data")
    bundles.promote(folder / "models", ranker(tables).save(folder / "models").name)
    store = Store(f"sqlite:///{folder}/service.db")
    store.migrate()
    load(store, folder / "data", datetime.now(UTC))
    store.close()
    naive.prepare(tables, folder)
    for bodies in OURS.values():
        (folder / bodies).write_text("\n".join(_asked(i, bodies != BARE) for i in range(ASKED)))
    rng = np.random.default_rng(4)
    (folder / "rows").write_text("\n".join(_rows(candidates(products, rng)) for _ in range(8)))


def _asked(i: int, explain: bool) -> str:
    """A request by value."""
    firm = make.enterprise(enterprise_id=f"E{i}", revenue=1_000_000 * (i + 1)).model_dump(
        mode="json", exclude_none=True
    )
    need = {"amount": 500_000 + 10_000 * i, "term_months": 12, "purpose": "working_capital"}
    return json.dumps({"enterprise": firm, "need": need, "as_of": "2025-01-10", "explain": explain})


def _rows(rows: np.ndarray) -> str:
    """The features of all candidates, as MLflow takes them."""
    values = np.where(np.isnan(rows), None, rows.astype(object)).tolist()
    return json.dumps({"dataframe_split": {"columns": [f"Column_{i}" for i in range(rows.shape[1])], "data": values}})


def ours(folder: Path, workers: int, name: str = "the service") -> Server:
    """The service, asked with reasons or without."""
    environment = {
        "MATCHING_DATABASE_URL": f"sqlite:///{folder}/service.db",
        "MATCHING_MODELS": str(folder / "models"),
        "MATCHING_WORKERS": str(workers),
        "MATCHING_LOG_LEVEL": "warning",
    }
    command = (sys.executable, "-m", "api", "--port", "PORT")
    return Server(name, command, "/readyz", "/v1/recommendations", folder / OURS[name], environment)


def rival(folder: Path, workers: int, create: str, name: str) -> Server:
    """One of `naive`'s applications."""
    web = ("--log-level", "warning", "--no-access-log", "--port", "PORT", "--workers", str(workers))
    command = (sys.executable, "-m", "uvicorn", f"tests.benchmarks.naive:{create}", "--factory", *web)
    return Server(name, command, "/docs", "/recommend", folder / BARE, {naive.FOLDER: str(folder)})


def mlflow(folder: Path, workers: int, python: str) -> Server:
    """MLflow's scoring server over the same forest; each request brings its rows of features."""
    model = folder / "mlflow"
    if not model.exists():
        subprocess.run([python, "-c", SAVE, folder / naive.FOREST, model], check=True, capture_output=True)
    told = ("--env-manager", "local", "--port", "PORT", "--workers", str(workers))
    command = (python, "-m", "mlflow", "models", "serve", "--model-uri", model, *told)
    path = f"{Path(python).parent}:{os.environ['PATH']}"  # it looks for its web server there
    return Server("MLflow serving", command, "/ping", "/invocations", folder / "rows", {"PATH": path})


@contextmanager
def running(server: Server) -> Iterator[str]:
    """Starts a server and gives its address once it is ready; stops it afterwards."""
    port = _free_port()
    command = [str(port) if part == "PORT" else str(part) for part in server.command]
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}  # `training` set it
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=inherited | server.environment, stdout=log, stderr=log)
        try:
            _wait(process, f"http://127.0.0.1:{port}{server.ready}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = perf_counter() + PATIENCE
    while perf_counter() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except OSError:
            sleep(0.02)
        else:
            return
    raise RuntimeError(f"{url} did not answer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def loaded(server: Server, connections: int, seconds: float) -> Load:
    """Starts a server, loads it, stops it."""
    with running(server) as address:
        sleep(SETTLING)
        generator = [sys.executable, "-m", "tests.benchmarks.load", address + server.path, server.bodies]
        done = subprocess.run([*generator, str(connections), str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Load(**json.loads(done.stdout))


def starts(folder: Path) -> tuple[float, float]:
    """Seconds from start to ready, and of `import lightgbm`: the shortest of three each."""
    found: list[tuple[float, float]] = []
    for _ in range(3):
        begin = perf_counter()
        with running(ours(folder, 1)):
            ready = perf_counter() - begin
        begin = perf_counter()
        subprocess.run([sys.executable, "-c", "import lightgbm"], check=True)
        found.append((ready, perf_counter() - begin))
    return min(ready for ready, _ in found), min(imported for _, imported in found)


def rivals(folder: Path, workers: int, python: str | None) -> dict[str, Server]:
    """All servers over a prepared folder by name, ours first."""
    found = [
        ours(folder, workers),
        ours(folder, workers, "without reasons"),
        rival(folder, workers, "create", "the naive app"),
        rival(folder, workers, "plain", "plain Booster"),
    ]
    if python:
        found.append(mlflow(folder, workers, python))
    return {server.name: server for server in found}


def compare(console: Console, servers: dict[str, Server], connections: int, seconds: float) -> dict[str, Load]:
    """Loads all in turns, since the speed of a shared machine drifts, and prints each one's best turn."""
    found: dict[str, Load] = {}
    for _ in range(TURNS):
        for name, server in servers.items():
            found[name] = max(found.get(name, NOTHING), loaded(server, connections, seconds), key=lambda one: one.rate)
    for name, one in found.items():
        console.print(f"  {name:<15} p50 {one.p50:8.2f} ms   p99 {one.p99:8.2f} ms   {one.rate:8.1f} requests/s")
    return found


def _ratio(what: str, values: Sequence[float], target: str) -> str:
    return f"  {what}: {'; '.join(f'{value:.1f} x' for value in values)} ({target})"


def main() -> None:
    """Prints a block a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlflow", metavar="PYTHON")
    parser.add_argument("--seconds", type=float, default=5)
    given, console = parser.parse_args(), Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as place:
        folders = {products: Path(place) / str(products) for products in SIZES}
        for products, folder in folders.items():
            folder.mkdir()
            prepare(folder, products)
        measure(console, folders, given.seconds, given.mlflow)


def measure(console: Console, folders: dict[int, Path], seconds: float, python: str | None) -> None:
    """All figures."""
    small, large = (folders[products] for products in SIZES)
    for title, folder, workers, connections in (
        (f"{SIZES[1]:,} products, one connection", large, 1, 1),
        (f"{SIZES[0]} products, 16 connections, two workers", small, 2, 16),
    ):
        console.print(title)
        of = compare(console, rivals(folder, workers, python), connections, seconds)
        console.print(*_ratios(of, connections), sep="\n")
    console.print(f"{SIZES[0]} products, 64 connections, two workers")
    many = compare(console, {"the service": ours(small, 2)}, 64, seconds)["the service"]
    console.print(_ratio("p99 ÷ p50", [many.p99 / many.p50], "at most 5"))
    ready, imported = starts(small)
    console.print(f"start to ready {ready:.2f} s; import lightgbm + 1 s: {imported + 1:.2f} s")


def _ratios(of: dict[str, Load], connections: int) -> list[str]:
    if connections == 1:
        ratios = [of["the naive app"].p50 / of[name].p50 for name in OURS]
        return [_ratio("p50 against the naive app; without reasons", ratios, "at least 8")]
    lines = [_ratio("requests/s against the naive app; without reasons", _rates(of, "the naive app"), "at least 15")]
    if "MLflow serving" not in of:
        return [*lines, "  MLflow serving: not measured; name an interpreter that has it with --mlflow"]
    return [*lines, _ratio("against MLflow serving; without reasons", _rates(of, "MLflow serving"), "at least 15")]


def _rates(of: dict[str, Load], rival: str) -> list[float]:
    """Answers a second, with reasons and without, to those of a rival."""
    return [of[name].rate / of[rival].rate for name in OURS]


if __name__ == "__main__":
    main()
