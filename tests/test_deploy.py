"""The compose file: it parses, keeps no password, and its parts name each other as they should."""

import re
from pathlib import Path

import pytest
import yaml

from api import listening
from api.settings import variables

DEPLOY = Path(__file__).parent.parent / "deploy"
TEXT = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
REPLICAS = [name for name, service in SERVICES.items() if service["image"] == "matching"]


def test_there_are_a_database_two_replicas_and_a_balancer():
    assert sorted(SERVICES) == ["balancer", "database", "first", "second"]
    assert REPLICAS == ["first", "second"]


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_is_set_up_by_known_settings_alone(name):
    assert set(SERVICES[name]["environment"]) <= {*variables().values(), "FORWARDED_ALLOW_IPS", "TZ"}


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_has_the_days_of_where_it_is_used(name):
    """By those of UTC what happened in China before eight in the morning was tomorrow, and is refused."""
    assert SERVICES[name]["environment"]["TZ"] == "${TZ:-Asia/Shanghai}"


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_believes_the_balancer_that_it_was_asked_over_https_and_nobody_else_reaches_it(name):
    assert SERVICES[name]["environment"]["FORWARDED_ALLOW_IPS"] == "*"
    assert "ports" not in SERVICES[name]


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_has_the_time_to_compile_its_routines_before_it_counts_as_ill(name):
    assert SERVICES[name]["healthcheck"]["start_period"] == "180s"


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_that_is_stopped_while_it_starts_stops(name):
    """As a container's first process it would hear no signal before it serves, and be killed after all of its grace."""
    assert SERVICES[name]["init"] is True


def test_replicas_share_the_database_and_the_bundle_folder():
    urls = {SERVICES[name]["environment"]["MATCHING_DATABASE_URL"] for name in REPLICAS}
    assert len(urls) == 1
    assert urls.pop().endswith("@database/matching")
    assert [SERVICES[name]["volumes"] for name in REPLICAS] == [["models:/models"]] * 2


def test_every_password_comes_from_the_environment_and_must_be_given():
    values = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    passwords = [value for value in values if "PASSWORD" in str(value)]
    assert len(passwords) == 1 + len(REPLICAS)
    assert all("${POSTGRES_PASSWORD:?" in value for value in passwords)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_mounts_and_waits_for_is_there(name):
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file()
    assert set(SERVICES[name].get("depends_on", ())) <= set(SERVICES)


def test_the_balancer_knows_every_replica():
    upstreams = re.search(r"reverse_proxy (.*) \{", (DEPLOY / "Caddyfile").read_text(encoding="utf-8"))[1]
    assert upstreams.split() == [f"{name}:8000" for name in REPLICAS]


def test_the_balancer_leaves_out_who_failed_and_is_new_enough_to_send_a_body_twice():
    """An older Caddy's second try fails by a body that is closed already, and takes the other replica for dead."""
    assert "fail_duration 10s" in (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert SERVICES["balancer"]["image"] == "caddy:2.11"


def test_a_replica_that_is_ready_again_is_asked_before_the_requests_that_wait_for_it_are_given_up():
    """When both are replaced, the second one stops as soon as the first one is ready: until then all requests wait."""
    text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    interval, patience = (int(re.search(rf"{name} (\d+)s", text)[1]) for name in ("health_interval", "lb_try_duration"))
    assert interval <= patience / 2


def test_the_balancer_hangs_up_before_a_replica_does_which_may_be_as_a_request_is_on_its_way_to_it():
    kept = re.search(r"transport http \{\s+keepalive (\d+)s", (DEPLOY / "Caddyfile").read_text(encoding="utf-8"))[1]
    assert int(kept) < listening.KEPT


def test_the_balancer_passes_on_no_scrape_which_would_reach_now_one_replica_and_now_the_other():
    lines = (DEPLOY / "Caddyfile").read_text(encoding="utf-8").splitlines()
    assert [line.split("#")[0].split() for line in lines if "/metrics" in line] == [["respond", "/metrics", "404"]]


def test_under_a_name_the_balancer_is_reached_by_https_and_keeps_its_certificates():
    https = yaml.safe_load((DEPLOY / "https.yml").read_text(encoding="utf-8"))
    assert sorted(https["services"]) == ["balancer"]
    balancer = https["services"]["balancer"]
    assert balancer["environment"]["MATCHING_SITE"].startswith("${MATCHING_SITE:?")
    assert balancer["ports"] == ["80:80", "443:443", "443:443/udp"]
    assert balancer["volumes"] == ["certificates:/data"]
    assert "certificates" in https["volumes"]
    assert "{$MATCHING_SITE::8000} {" in (DEPLOY / "Caddyfile").read_text(encoding="utf-8")


def test_the_image_runs_as_a_user_of_its_own():
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines.index("USER matching") < lines.index('CMD ["python", "-m", "api"]')
    copied = {part for line in lines if line.startswith("COPY ") for part in line.split()[1:-1]}
    assert {part for part in copied if not (DEPLOY.parent / part).exists()} == set()


def test_the_image_has_its_routines_compiled_by_the_user_that_runs_it():
    """Else every new container compiles them before its first answer, and all that start together at the same time."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    compiling = [line for line in text.split("USER matching\n")[1].splitlines() if line.startswith("RUN ")]
    assert len(compiling) == 1
    assert re.findall(r"python -m training (\w+)", compiling[0]) == ["simulate", "train", "rank"]
    assert compiling[0].endswith("rm -r /tmp/m")


def test_nothing_is_sent_to_the_builder_but_what_the_image_is_made_of():
    """Not the store with its accounts, nor gigabytes of environment, nor what was compiled for the machine here."""
    lines = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {part for line in dockerfile if line.startswith("COPY ") for part in line.split()[1:-1]}
    rules = [line for line in lines if not line.startswith("#")]
    assert (rules[0], rules[-1]) == ("*", "**/__pycache__")
    assert {rule.removeprefix("!") for rule in rules[1:-1]} == copied


def test_to_restore_the_replicas_stop_the_database_is_emptied_and_read_and_only_then_they_start():
    """A dump cannot be read into tables that are there, and a replica that starts makes them, on a new volume too."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8").split("To restore")[1]
    lines = re.search(r"```sh\n(.*?)\n```", text, re.DOTALL)[1].splitlines()
    steps = ("stop first second", "--wait database", "dropdb", "createdb", "psql", "/models -x", "up --detach")
    assert [step in line for step, line in zip(steps, lines, strict=True)] == [True] * len(steps)
    assert lines[-1].endswith("up --detach")


def test_no_replica_is_started_in_a_way_that_the_next_start_of_all_takes_for_a_change():
    """Compose 2.26 takes `--no-deps` for another setting of the container, and the next `up` makes all anew at once."""
    lines = (DEPLOY / "README.md").read_text(encoding="utf-8").splitlines()
    starts = [line for line in lines if re.search(r"compose\.yml up .*--wait (first|second)", line)]
    assert len(starts) == 3
    assert [line for line in starts if "--no-deps" in line] == []


def test_whoever_adds_a_replica_is_told_to_let_the_balancer_read_its_file_again():
    """A file that is mounted is read when the container starts, and `up` sees no change in it."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8").split("## Add a replica")[1].split("\n## ")[0]
    assert text.index("up --detach") < text.index("restart balancer")
