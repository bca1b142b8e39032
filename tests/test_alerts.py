"""The alerts for Prometheus ask for what the service really tells, and are raised when they should be, not before."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import Settings
from tests.desks import models_of

ROOT = Path(__file__).parent.parent
ALERTS = (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8")
TRIED = (ROOT / "tests" / "alerts.yml").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RULES = [rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]
SERIES = [one["series"] for test in yaml.safe_load(TRIED)["tests"] for one in test["input_series"]]
OF_PROMETHEUS = {"job", "instance"}
checked = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Prometheus, is not installed here")


@pytest.fixture
def told(market_database, tmp_path, bundle):
    """The labels of each series that the service tells, by its name."""
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle), keys="never")
    with TestClient(create_app(settings)) as client:
        client.post("/v1/recommendations", json={"enterprise_id": "E1", "need": {"amount": 2_000_000}})
        text = client.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: {*sample.labels} for sample in samples}


def asked(text):
    """Each series that is asked for, with its labels."""
    found = re.findall(r"\b(matching_\w+)(?:\{(.*?)\})?", text)
    return [(name, {*re.findall(r"(\w+)!?[=~]+\"", labels)}) for name, labels in found]


def test_what_the_alerts_ask_for_is_told_by_the_service(told):
    wanted = [one for rule in RULES for one in asked(rule["expr"])]
    assert len(wanted) >= len(RULES)
    assert [(name, labels) for name, labels in wanted if not labels <= told.get(name, set())] == []


def test_the_alerts_are_tried_on_series_as_the_service_writes_them(told):
    wanted = [one for series in SERIES for one in asked(series)]
    assert len(wanted) > len(RULES)
    assert [(name, labels) for name, labels in wanted if labels - OF_PROMETHEUS != told.get(name)] == []


def test_the_readme_has_every_alert():
    assert re.findall(r"^\| `(Matching\w+)` \|", README, re.MULTILINE) == [rule["alert"] for rule in RULES]


@checked
def test_each_alert_is_raised_when_it_should_be_and_not_before():
    done = subprocess.run(["promtool", "test", "rules", "tests/alerts.yml"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@checked
def test_prometheus_takes_what_the_readme_says_to_set(tmp_path):
    (tmp_path / "prometheus.yml").write_text(re.search(r"```yaml\n(rule_files:.*?)```", README, re.DOTALL)[1])
    (tmp_path / "alerts.yml").write_text(ALERTS)
    command = ["promtool", "check", "config", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout + done.stderr
    assert "job_name: matching\n" in (tmp_path / "prometheus.yml").read_text()
