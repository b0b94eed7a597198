"""The metrics of the service at /metrics."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_client import ApiClient
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

from application.ports import Context
from domain.users import NewUser
from entrypoints.mail import make_delivery

Service = Callable[..., ApiClient]
Labels = dict[str, str]
PASSWORD = "correct horse battery staple"


def samples(client: ApiClient, name: str) -> list[tuple[Labels, float]]:
    text = client.get("/metrics").text
    families = text_string_to_metric_families(text)
    found = (sample for family in families for sample in family.samples)
    return [(sample.labels, sample.value) for sample in found if sample.name == name]


def requests(client: ApiClient) -> dict[tuple[str, str, str], float]:
    """The number of requests by method, route and status."""
    found = samples(client, "http_server_request_duration_seconds_count")
    names = ("http_request_method", "http_route", "http_response_status_code")
    return {(labels[names[0]], labels[names[1]], labels[names[2]]): n for labels, n in found}


def test_counts_requests_by_route_method_and_status(service: Service) -> None:
    client = service()
    document = {"data": {"type": "users", "attributes": {"email": "ann@x.org", "name": "Ann"}}}
    client.post("/api/v1/users", json=document)
    client.post("/api/v1/users", json=document)
    client.get("/api/v1/users/1")
    client.get("/api/v1/users/1.json")
    client.head("/api/v1/users/2")
    assert requests(client) == {
        ("POST", "/api/v1/users", "201"): 1,
        ("POST", "/api/v1/users", "409"): 1,
        ("GET", "/api/v1/users/{user_id}", "200"): 2,
        ("HEAD", "/api/v1/users/{user_id}", "404"): 1,
    }


def test_labels_contain_no_text_that_clients_choose(service: Service) -> None:
    client = service()
    for number in range(50):
        client.get(f"/path{number}")
        client.get(f"/api/v1/users/{number + 1}?a={number}")
        client.open("/api/v1/users", method=f"METHOD{number}")
        client.get(f"/docs/ann{number}@example.org")
    assert requests(client) == {
        ("GET", "_OTHER", "404"): 50,
        ("GET", "/api/v1/users/{user_id}", "400"): 50,
        ("_OTHER", "_OTHER", "405"): 50,
        ("GET", "/docs/{name}", "404"): 50,
    }


def test_the_request_for_the_metrics_is_active(service: Service) -> None:
    client = service()
    client.get("/api/v1")
    assert samples(client, "http_server_active_requests") == [({}, 1)]
    assert samples(client, "http_server_active_requests") == [({}, 1)]


def test_durations_fall_into_buckets_of_seconds(service: Service) -> None:
    client = service()
    client.get("/healthz")
    ((_, seconds),) = samples(client, "http_server_request_duration_seconds_sum")
    assert 0 < seconds < 5
    buckets = samples(client, "http_server_request_duration_seconds_bucket")
    counts = [n for labels, n in buckets if labels["http_route"] == "/healthz"]
    assert counts == sorted(counts)
    assert counts[-1] == 1


def test_reports_the_connection_pool_and_the_failures_of_the_database(
    service: Service, sqlite_url: str
) -> None:
    client = service(ROSTER_DATABASE_URL=sqlite_url, ROSTER_POOL_SIZE="3")
    assert client.get("/api/v1/users").status_code == 503  # it is not migrated
    assert client.get("/api/v1/users/1").status_code == 503
    assert samples(client, "db_client_connection_max") == [({}, 3)]
    assert samples(client, "db_client_connection_used") == [({}, 0)]
    assert samples(client, "db_client_connection_pending_requests") == [({}, 0)]
    # Failures of other services in this process are listed with the count 0.
    failures = samples(client, "roster_database_failures_total")
    assert [sample for sample in failures if sample[1]] == [({"code": "not_migrated"}, 2)]


@pytest.fixture
def accounts(build: Callable[..., Any], tmp_path: Path) -> Any:
    """The container of a service with accounts, and the user ann@example.org."""
    container = build(
        ROSTER_ACCOUNTS="on",
        ROSTER_LOGIN_FAILURES="2/15m",
        ROSTER_ARGON2="m=7168,t=5,p=1",
        ROSTER_LOG_FORMAT="text",
        ROSTER_MAIL_FOLDER=str(tmp_path / "mail"),
    )
    new = NewUser(email="ann@example.org", name="Ann", is_active=True)
    container.services()["users"].commands(container.run()).create(new, Context())
    container.accounts().use_cases.passwords.set("ann@example.org", PASSWORD, Context())
    return container


def log_in(client: ApiClient, password: str) -> int:
    attributes = {"email": "ann@example.org", "password": password}
    document = {"data": {"type": "sessions", "attributes": attributes}}
    return client.post("/api/v1/sessions", json=document).status_code


def test_counts_and_logs_logins_by_result_without_the_address(
    accounts: Any, log: list[dict[str, object]]
) -> None:
    client = ApiClient(accounts.app())
    statuses = [log_in(client, each) for each in (PASSWORD, "wrong", "wrong", PASSWORD)]
    assert statuses == [201, 401, 401, 429]
    assert samples(client, "roster_logins_total") == [
        ({"result": "succeeded"}, 1),
        ({"result": "invalid_credentials"}, 2),
        ({"result": "too_many_failures"}, 1),
        ({"result": "busy"}, 0),
    ]
    logins = [line for line in log if line.get("route") == "/api/v1/sessions"]
    assert [line.get("login_refused") for line in logins] == [
        None,
        "invalid_credentials",
        "invalid_credentials",
        "too_many_failures",
    ]
    assert "ann" not in str(log)


def test_counts_emails(accounts: Any) -> None:
    client = ApiClient(accounts.app())
    document = {"data": {"type": "recoveries", "attributes": {"email": "ann@example.org"}}}
    assert client.post("/api/v1/recoveries", json=document).status_code == 202
    waiting = samples(client, "roster_emails_waiting")
    assert [value for _, value in waiting] == [1]
    services = accounts.accounts()
    settings, run, counts = accounts.settings(), accounts.run(), services.emails
    assert make_delivery(settings, services.config, run, counts, None).send_next()
    assert services.emails.read() == {"sent": 1, "retried": 0, "failed": 0}


def test_counts_requests_that_wait_for_a_connection(
    build: Callable[..., Any], sqlite_url: str
) -> None:
    container = build(ROSTER_DATABASE_URL=sqlite_url, ROSTER_POOL_SIZE="1")
    client = ApiClient(container.app())
    with ThreadPoolExecutor() as threads, container.engine().connect():
        waiting = threads.submit(ApiClient(container.app()).get, "/api/v1/users")
        pending = "db_client_connection_pending_requests"
        until(lambda: samples(client, pending) == [({}, 1)])
        assert samples(client, "db_client_connection_used") == [({}, 1)]
        assert not waiting.done()
    assert waiting.result().status_code == 503  # it is not migrated
    until(lambda: samples(client, pending) == [({}, 0)])  # the text is cached for a second


def test_the_text_is_cached_for_a_second(service: Service) -> None:
    client = service()

    def text() -> str:
        client.get("/healthz")  # this request is counted, so the text would change
        return client.get("/metrics").text

    until(lambda: text() == text())  # unless a second ends between the two
    before = text()
    until(lambda: text() != before)


def test_is_prometheus_text_without_versions(service: Service) -> None:
    client = service()
    client.get("/api/v1")
    response = client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert not re.search(r"python|version|_info\b|\d\.\d+\.\d", response.text)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_the_metrics_need_no_token(service: Service, headers: dict[str, str]) -> None:
    client = service(ROSTER_JWT_SECRET="hush" * 8)
    assert client.get("/metrics", headers=headers).status_code == 200


def test_a_setting_disables_metrics(service: Service) -> None:
    response = service(ROSTER_METRICS="off").get("/metrics")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    assert response.get_json()["errors"][0]["code"] == "not_found"
