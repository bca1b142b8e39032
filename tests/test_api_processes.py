"""The service as processes: killed or stopped under load it has lost nothing it answered; two share one database."""

import http.client
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

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


def test_two_workers_write_into_one_sqlite_file(deploy):
    settings = deploy(workers=2)
    with running(settings) as service, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda i: service.recommend(f"E{i % AT_ONCE}"), range(5 * AT_ONCE)))
    assert recorded(settings, [answer["id"] for answer in answers]) == answers


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
