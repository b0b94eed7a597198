"""The Grafana dashboard shows all metrics, and only those that exist."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest

DASHBOARD = Path(__file__).parents[3] / "docs" / "deploy" / "grafana-dashboard.json"
BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
OF_PROMETHEUS = {"up", "job", "instance", "le"}
# Their names are tested in tests/http/api/test_positions.py.
OF_REPLICAS = {"roster_reads_total", "roster_replicas_used", "roster_replica_lag_seconds"}
FUNCTIONS = {"by", "sum", "rate", "increase", "histogram_quantile", "or", "vector"}


def expressions() -> Iterator[str]:
    for panel in SHOWN:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            assert re.fullmatch(r"label_values\(.*, \w+\)", query)
            yield query.removeprefix("label_values(").rpartition(", ")[0]


def names(expression: str) -> set[str]:
    """The metrics, labels and functions of an expression."""
    text = re.sub(r'"[^"]*"', "", expression)
    text = re.sub(r"\[[^\]]*\]", "", text)
    return set(re.findall(r"(?<![\w$.])[a-z_]\w*", text))


@pytest.fixture(scope="module")
def scrape(serve_many: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics of a service with accounts after a request."""
    directory = tmp_path_factory.mktemp("metrics")
    base_url = serve_many(
        f"sqlite:///{directory}/roster.db",
        ROSTER_ACCOUNTS="on",
        ROSTER_MAIL_FOLDER=f"{directory}/mail",
    )
    assert httpx.get(f"{base_url}/api/v1/users").status_code == 401
    return httpx.get(f"{base_url}/metrics").text


def test_every_expression_uses_metrics_and_labels_that_exist(scrape: str) -> None:
    metrics = set(re.findall(r"^(\w+)[ {]", scrape, re.MULTILINE))
    labels = set(re.findall(r'[{,](\w+)="', scrape))
    assert len(metrics) > 5
    assert labels >= {"code", "http_route"}
    used = {name for expression in expressions() for name in names(expression)}
    assert used - FUNCTIONS - OF_PROMETHEUS - OF_REPLICAS - metrics - labels == set()


def test_every_metric_is_shown(scrape: str) -> None:
    metrics = set(re.findall(r"^# TYPE (\w+) ", scrape, re.MULTILINE)) | OF_REPLICAS
    used = {name for expression in expressions() for name in names(expression)}
    assert {name for name in metrics if not any(each.startswith(name) for each in used)} == set()


@pytest.mark.parametrize("expression", list(expressions()))
def test_the_brackets_of_an_expression_match(expression: str) -> None:
    text = re.sub(r'"[^"]*"', "", expression)
    before = ""
    while text != before:
        before, text = text, re.sub(r"\([^(){}\[\]]*\)|\{[^(){}\[\]]*\}|\[[^(){}\[\]]*\]", "", text)
    assert not re.search(r"[(){}\[\]]", text), expression


def test_legends_use_labels_that_their_expression_keeps() -> None:
    for panel in SHOWN:
        for target in panel["targets"]:
            labels = set(re.findall(r"\w+", "".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, target


def test_every_panel_reads_the_chosen_source_and_has_a_description() -> None:
    variables = {f"${each['name']}" for each in BOARD["templating"]["list"]}
    assert variables == {"$datasource", "$job", "$instance"}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in SHOWN:
        assert panel["title"]
        assert panel["description"]
        for source in (panel["datasource"], *(each["datasource"] for each in panel["targets"])):
            assert source == {"type": "prometheus", "uid": "${datasource}"}
    for expression in expressions():
        assert set(re.findall(r"\$\w+", expression)) <= variables | {"$__rate_interval"}


def test_no_two_panels_overlap() -> None:
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_down = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_across or apart_down, (one, other)
        assert one["x"] + one["w"] <= 24
