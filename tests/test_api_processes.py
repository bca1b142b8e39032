"""The service as processes: killed or stopped under load it has lost nothing it answered; two share one database."""

import http.client
import json
import os
import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle
from time import sleep

import pytest

from api.settings import Settings
from api.store import queries
from api.store.database import Store
from tests.desks import models_of
from tests.servers import JSON, asked, running

AT_ONCE = 8
killable = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system cannot kill a process at once")


def recorded(settings, ids):
    """The answers of these records, as they stand in the store."""
    store = Store(settings.database_url)
    with store.reading() as session:
        found = [queries.recommendation(session, one, features=True).answer for one in ids]
    store.close()
    return found


def ask_until_it_is_gone(service):
    """The answers that came before the connection broke."""
    answers = []
    try:
        while True:
            answers.append(service.recommend())
    except (OSError, http.client.HTTPException):  # refused, reset, or cut off within an answer
        return answers


@killable
def test_a_service_killed_among_commits_has_lost_nothing_it_answered(deploy):
    settings = deploy()
    with running(settings) as service, ThreadPoolExecutor(AT_ONCE) as pool:
        clients = [pool.submit(ask_until_it_is_gone, service) for _ in range(AT_ONCE)]
        for _ in range(3):
            service.recommend()
        service.process.kill()
        answers = [answer for client in clients for answer in client.result(60)]
    assert answers
    assert recorded(settings, [answer["id"] for answer in answers]) == answers


def test_a_service_told_to_stop_answers_what_it_has_begun(deploy):
    settings = deploy(threads=1)
    with running(settings) as service:
        clients = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=60) for _ in range(AT_ONCE)]
        for client in clients:
            client.connect()
        for i, client in enumerate(clients):
            client.request("POST", "/v1/recommendations", json.dumps(asked(f"E{i}")), JSON)
        first = clients[0].getresponse()  # by then all have been read, and most wait for their turn
        service.process.terminate()
        responses = [first, *(client.getresponse() for client in clients[1:])]
        answers = [json.load(response) for response in responses]
        service.process.wait(60)
        for client in clients:
            client.close()
    assert [response.status for response in responses] == [201] * AT_ONCE
    assert [answer["enterprise_id"] for answer in answers] == [f"E{i}" for i in range(AT_ONCE)]
    assert recorded(settings, [answer["id"] for answer in answers]) == answers


def test_two_workers_write_into_one_sqlite_file_and_their_log_tells_of_no_probe(deploy, capfd):
    settings = deploy(workers=2)
    with running(settings) as service, ThreadPoolExecutor(AT_ONCE) as pool:  # it is probed until it is ready
        answers = list(pool.map(lambda i: service.recommend(f"E{i % AT_ONCE}"), range(5 * AT_ONCE)))
    assert recorded(settings, [answer["id"] for answer in answers]) == answers
    log = capfd.readouterr().out
    assert log.count('"POST /v1/recommendations HTTP/1.1" 201') == 5 * AT_ONCE
    assert '"GET /readyz HTTP/1.1" 200' not in log


def counted(service):
    """Of products asked for how many requests and how many in the histogram; ranked and recorded how many."""
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    names = (
        'matching_http_requests_total{method="GET",route="/v1/products/{product_id}",status="2xx"}',
        'matching_http_request_duration_seconds_count{route="/v1/products/{product_id}"}',
        "matching_ranking_seconds_count",
        "matching_recording_seconds_count",
    )
    return [float(found.get(name, 0)) for name in names]


def counted_at_last(service, counts):
    """As `counted`, as soon as it says so many: a worker tells the others a moment later."""
    for _ in range(600):
        if counted(service) == counts:
            return True
        sleep(0.05)
    return False


def workers_that_count(service, folder):
    """Their process ids, as soon as there are two: connections are dealt among them by chance."""
    for _ in range(600):
        service.fetch("/healthz")
        files = list(folder.glob("matching-counts-*/counter_*.db"))
        if len(files) == 2:
            break
        sleep(0.01)
    return [int(file.stem.split("_")[1]) for file in files]


def end(worker):
    """Kills it, and waits until its parent has seen that it is gone."""
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
        while True:
            os.kill(worker, 0)
            sleep(0.01)


@killable
def test_whichever_worker_is_scraped_tells_the_sum_of_all_those_that_died_too(deploy, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running(deploy(workers=2)) as service:
        workers = workers_that_count(service, tmp_path)
        assert len(workers) == 2
        for i in range(8):
            service.fetch("/v1/products/P4")
            service.recommend(f"E{i}")
        assert counted_at_last(service, [8, 8, 8, 8]), counted(service)
        scrapes = [counted(service) for _ in range(8)]
        end(workers[0])
        scrapes.append(counted(service))
        service.process.terminate()
        service.process.wait(60)
    assert scrapes == [[8, 8, 8, 8]] * 9
    assert list(tmp_path.iterdir()) == []


@killable
def test_workers_whose_parent_was_killed_end_and_leave_the_port(deploy):
    with running(deploy(workers=2)) as service:
        service.process.kill()
        said = service.process.communicate(timeout=60)[1]  # to its end: no process is left that could say more
        assert said.count("Finished server process") == 2
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.port))


def test_two_replicas_on_one_postgresql_read_each_others_records(postgres, loaded_postgres, bundle, tmp_path):
    url = postgres.create(loaded_postgres)
    settings = Settings(database_url=url, models=models_of(tmp_path, bundle))
    with running(settings) as first, running(settings) as second:
        both = cycle([first, second])
        answers = [next(both).recommend(f"E{i}") for i in range(4)]
        next(both)
        records = [next(both).fetch(f"/v1/recommendations/{answer['id']}") for answer in answers]
    assert [{name: record[name] for name in answers[0]} for record in records] == answers


def test_replicas_that_start_together_on_an_empty_postgresql_migrate_one_after_the_other(postgres):
    url = postgres.create()
    stores = [Store(url) for _ in range(3)]
    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(Store.migrate, stores))
    assert stores[0].glance(queries.REVISION) is None
    for store in stores:
        store.close()
