"""The service as processes of its own, for tests that stop, kill or double it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from api.settings import Settings

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Running:
    """A service that answers at `url`."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def recommend(self, enterprise_id: str = "E1") -> dict[str, Any]:
        """An answer to a request by id."""
        return self.fetch("/v1/recommendations", asked(enterprise_id))

    def fetch(self, path: str, body: object = None) -> dict[str, Any]:
        data = body and json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=JSON if body else {})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def asked(enterprise_id: str) -> dict[str, Any]:
    """A request of one of the small market's enterprises."""
    return {"enterprise_id": enterprise_id, "need": {"amount": 2_000_000}, "as_of": "2025-01-10"}


def environment(settings: Settings) -> dict[str, str]:
    """This environment with these settings and no others."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MATCHING_")}
    given = settings.model_dump(include={"database_url", "models", "workers", "threads"})
    left = {"TMPDIR": str(settings.models.parent)}  # what a killed service leaves goes with the test's folder
    return left | plain | {f"MATCHING_{name.upper()}": str(value) for name, value in given.items()}


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Starts `python -m api`, waits until it is ready, ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "api", "--port", str(port)]
    with subprocess.Popen(command, env=environment(settings), stderr=subprocess.PIPE, text=True) as process:
        try:
            service = Running(process, port)
            _wait(service)
            yield service
        finally:
            process.terminate()


def _wait(service: Running) -> None:
    for _ in range(600):
        assert service.process.poll() is None, service.process.stderr.read()
        try:
            service.fetch("/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the service did not come up")
