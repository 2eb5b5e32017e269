"""The examples for Prometheus speak of what a server really shows."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from reconciler.model.payment import PaymentState
from reconciler.web.metrics import Metrics
from reconciler.web.operators import Operator
from reconciler.wire.arc import Standing

EXAMPLES = Path(__file__).parents[3] / "examples" / "prometheus"
ALERTS = [rule for group in yaml.safe_load((EXAMPLES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
PROMETHEUS = frozenset({"up"})
"""What Prometheus knows by itself."""


@pytest.fixture
async def shown(database) -> set[str]:
    """The names of all samples."""
    metrics = Metrics(database, Operator(), clock=lambda: 1_800_000_000.0)
    metrics._count({"method": "GET", "path": "/"}, 200, 1, 0.1)
    metrics._heard("submit", "seen", 0.1)
    app = Starlette(routes=[metrics.route()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
        text = (await http.get("/metrics")).text
    families = list(text_string_to_metric_families(text))
    return {sample.name for family in families for sample in family.samples} | {family.name for family in families}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
async def test_an_alert_asks_for_what_there_is_and_says_what_it_means(alert, shown):
    asked = set(re.findall(r"\b(?:overlay_[a-z_]+|up)\b", alert["expr"]))
    assert asked
    assert asked <= shown | PROMETHEUS
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    assert alert["expr"].count("(") == alert["expr"].count(")")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_names_states_and_answers_that_there_are(alert):
    states = set(re.findall(r'state="([^"]*)"', alert["expr"]))
    answers = {each for text in re.findall(r'answer=~"([^"]*)"', alert["expr"]) for each in text.split("|")}
    assert states <= {state.value for state in PaymentState}
    assert answers <= {*(standing.value for standing in Standing), "unreachable", "failed"}


def test_the_scrape_example_reads_the_alerts_and_asks_where_they_look():
    example = yaml.safe_load((EXAMPLES / "prometheus.yaml").read_text())
    assert example["rule_files"] == ["alerts.yaml"]
    assert {job["job_name"] for job in example["scrape_configs"]} == {"overlay", "overlay-elsewhere"}
