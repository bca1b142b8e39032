"""The service's port: what it writes leaves at once, and several processes get their shares of the connections."""

import logging
import select
import socket
from copy import deepcopy
from multiprocessing.reduction import ForkingPickler
from types import SimpleNamespace

import pytest
import uvicorn
from uvicorn.config import LOGGING_CONFIG

from api import listening
from api.listening import DEALT, KEPT, Listening, Port, Unprobed

dealt = pytest.mark.skipif(not DEALT, reason="this system does not deal connections among sockets")


def free(**options):
    return Listening("api.app:from_environment", factory=True, workers=2, host="127.0.0.1", port=0, **options)


def accepted(listeners, clients):
    """How many connections each listener has accepted, of so many that are made."""
    made, counts = [], [0] * len(listeners)
    for _ in range(clients):
        made.append(socket.create_connection(listeners[0].getsockname()))
        ready, _, _ = select.select(listeners, [], [], 10)
        for listener in ready:
            made.append(listener.accept()[0])
            counts[listeners.index(listener)] += 1
    for one in made:
        one.close()
    return counts


def test_an_accepted_connection_sends_at_once():
    with free().bind_socket() as port:
        port.listen()
        with socket.create_connection(port.getsockname()) as client, port.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert client.getpeername() == connection.getsockname()


@dealt
def test_each_worker_gets_a_socket_of_its_own_and_some_of_the_connections():
    with free().bind_socket() as port:
        workers = [ForkingPickler.loads(ForkingPickler.dumps(port)) for _ in range(2)]
        assert {worker.getsockname() for worker in workers} == {port.getsockname()}
        assert len({worker.fileno() for worker in workers} | {port.fileno()}) == 3
        for worker in workers:
            worker.listen()
        counts = accepted(workers, 64)
        for worker in workers:
            worker.close()
    assert sum(counts) == 64
    assert min(counts) > 0  # by chance one in 2**63


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Uvicorn leaves its socket open as it exits
def test_a_port_that_another_service_listens_on_is_refused(capfd):
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit):
        Listening("api.app:from_environment", host="127.0.0.1", port=other.getsockname()[1]).bind_socket()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_silent_connection_is_kept_for_longer_than_callers_keep_theirs(monkeypatch, workers):
    """A minute is the usual patience of balancers and of clients' pools; whoever has less hangs up first as well."""
    found = []

    def supervised(config, sockets):
        found.append(config)
        sockets[0].close()
        return SimpleNamespace(run=lambda: None)

    monkeypatch.setattr(listening.uvicorn, "run", lambda app, **options: found.append(uvicorn.Config(app, **options)))
    monkeypatch.setattr(listening, "Multiprocess", supervised)
    listening.serve("api.app:from_environment", workers, host="127.0.0.1", port=0)
    assert [config.timeout_keep_alive for config in found] == [KEPT]
    assert KEPT > 60


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/readyz", 200, False),
        ("/healthz?from=balancer", 200, False),
        ("/metrics", 200, False),
        ("/readyz", 503, True),
        ("/metrics", 401, True),
        ("/v1/recommendations", 201, True),
        ("/v1/products?q=/readyz", 200, True),
    ],
)
def test_the_access_log_leaves_out_probes_that_were_answered_well(path, status, told):
    said = ('%s - "%s %s HTTP/%s" %d', ("127.0.0.1:1", "GET", path, "1.1", status))
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, *said, None)
    assert Unprobed().filter(record) is told


def test_the_access_log_of_uvicorn_itself_stays_as_it_is():
    before = deepcopy(LOGGING_CONFIG)
    assert listening._logging()["loggers"]["uvicorn.access"]["filters"] == ["unprobed"]
    assert before == LOGGING_CONFIG


@dealt
def test_a_port_says_where_it_listens():
    with Port.opened(socket.AF_INET, ("127.0.0.1", 0)) as port:
        assert port.getsockname()[0] == "127.0.0.1"
        assert port.getsockname()[1] > 0
