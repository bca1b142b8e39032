"""The balancer's file, run by a real Caddy before two stand-ins for replicas: who fails is asked no more."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

FILE = (Path(__file__).parent.parent / "deploy" / "Caddyfile").read_text(encoding="utf-8")
BODY = b"a need" * 1000


def _caddy():
    """Why the file cannot be run here, or nothing."""
    if shutil.which("caddy") is None:
        return "no caddy is installed here"
    told = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in re.search(r"(\d+)\.(\d+)\.(\d+)", told).groups())
    return "" if version >= (2, 11, 2) else f"this caddy is older than the file asks for: {told.strip()}"


pytestmark = pytest.mark.skipif(bool(_caddy()), reason=_caddy() or "caddy is there")


class Replica(BaseHTTPRequestHandler):
    """Is ready, and tells how much it was sent; one that is broken hangs up instead."""

    protocol_version = "HTTP/1.1"
    broken = False

    def do_GET(self) -> None:
        self._answer(b"ready")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.broken:
            self.close_connection = True
        else:
            self._answer(str(len(sent)).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


class Broken(Replica):
    broken = True


@contextmanager
def replica(handler: type[Replica] = Replica) -> Iterator[int]:
    """A replica's port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def balanced(folder: Path, first: int, second: int) -> Iterator[http.client.HTTPConnection]:
    """A connection to Caddy as the file sets it up, on a port of its own, before replicas at these ports."""
    port = free_port()
    text = FILE.replace("first:8000", f"127.0.0.1:{first}").replace("second:8000", f"127.0.0.1:{second}")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text, encoding="utf-8")
    command = ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    given = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    given["MATCHING_SITE"] = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=folder, env=os.environ | given, stderr=subprocess.DEVNULL) as process:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            _wait(client)
            yield client
        finally:
            client.close()
            process.terminate()


def _wait(client: http.client.HTTPConnection) -> None:
    for _ in range(300):
        try:
            if asked(client, "GET", "/readyz") == (200, b"ready"):
                return
        except OSError:
            client.close()
        sleep(0.1)
    raise AssertionError("caddy did not come up")


def asked(client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    client.request(method, path, body)
    response = client.getresponse()
    return response.status, response.read()


def test_a_replica_that_hangs_up_fails_few_requests_though_it_calls_itself_ready(tmp_path):
    with replica() as first, replica(Broken) as second, balanced(tmp_path, first, second) as client:
        answers = [asked(client, "POST", "/v1/recommendations", BODY) for _ in range(40)]
    assert answers.count((200, b"6000")) >= 36


def test_when_a_replica_is_gone_each_request_is_answered_by_the_other_its_body_whole(tmp_path):
    with replica() as second:
        with replica() as first, balanced(tmp_path, first, second) as client:
            pass
        with balanced(tmp_path, first, second) as client:
            answers = [asked(client, "POST", "/v1/recommendations", BODY) for _ in range(40)]
    assert answers == [(200, b"6000")] * 40


def test_nobody_is_told_of_the_metrics(tmp_path):
    with replica() as first, replica() as second, balanced(tmp_path, first, second) as client:
        assert asked(client, "GET", "/metrics") == (404, b"")


@pytest.mark.parametrize(("site", "ports"), [(None, [":8000"]), ("match.example.com", [":443"])])
def test_by_itself_it_is_port_8000_and_under_a_name_https(tmp_path, site, ports):
    given = {name: value for name, value in os.environ.items() if name != "MATCHING_SITE"}
    given |= {"MATCHING_SITE": site} if site else {}
    (tmp_path / "Caddyfile").write_text(FILE, encoding="utf-8")
    command = ["caddy", "adapt", "--config", "Caddyfile", "--adapter", "caddyfile"]
    done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, check=True)
    servers = json.loads(done.stdout)["apps"]["http"]["servers"]
    assert [one["listen"] for one in servers.values()] == [ports]
