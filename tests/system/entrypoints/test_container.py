"""The composition root."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from api_client import ApiClient
from dependency_injector import providers

from adapters.memory.store import MemoryStore
from adapters.sql.store import SqlStore
from application.access import InsufficientScope, ScopePolicy
from application.groups import GROUP_TYPE
from application.ports import Context
from application.search import Search
from entrypoints.container import Container, utc_now
from entrypoints.settings import Settings


@pytest.fixture(
    params=[
        "memory://",
        "sqlite:///{}/roster.db",
        "postgresql://localhost/roster",
        "mysql+pymysql://localhost/roster",
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def test_every_provider_builds(url: str) -> None:
    container = Container(settings=Settings.of({"ROSTER_DATABASE_URL": url}))
    if url == "memory://":
        for name in ("engine", "pool", "exporters", "reads"):
            del container.providers[name]
    for name in ("accounts", "replication", "changes_file"):  # None by default
        del container.providers[name]
    for name, provider in container.providers.items():
        assert provider() is not None, name


def test_everything_is_built_once(url: str) -> None:
    container = Container(settings=Settings.of({"ROSTER_DATABASE_URL": url}))
    for name in ("store", "readers", "services", "app"):
        provider: providers.Provider[object] = getattr(container, name)
        assert provider() is provider(), name


def test_the_url_selects_the_store(url: str) -> None:
    store = Container(settings=Settings.of({"ROSTER_DATABASE_URL": url})).store()
    assert isinstance(store, MemoryStore if url == "memory://" else SqlStore)


def test_commands_and_reader_share_one_store() -> None:
    container = Container(settings=Settings.of({"ROSTER_DATABASE_URL": "memory://"}))
    client = ApiClient(container.app())
    document = {"data": {"type": "users", "attributes": {"email": "ann@x.org", "name": "Ann"}}}
    created = client.post("/api/v1/users", json=document)
    assert created.status_code == 201
    assert client.get(created.location).get_json()["data"]["attributes"]["name"] == "Ann"


def test_the_clock_returns_whole_milliseconds_in_utc() -> None:
    now = utc_now()
    assert now.utcoffset() == timedelta()
    assert now.microsecond % 1000 == 0


class NoAccess(ScopePolicy):
    """Permits no action on any resource."""

    def authorize(self, *_: object, **__: object) -> None:
        raise InsufficientScope("none")

    authorize_relationship = authorize


def test_all_use_cases_share_one_policy() -> None:
    settings = {"ROSTER_DATABASE_URL": "memory://", "ROSTER_ACCOUNTS": "on"}
    container = Container(settings=Settings.of(settings))
    container.policy.override(providers.Object(NoAccess()))
    services, users = container.accounts(), container.services()["users"]
    assert services is not None
    accounts = services.use_cases
    groups = container.relationship_services().queries
    members = container.relationship_services().relationships.to_many(GROUP_TYPE)[0]
    uses: list[Callable[[], object]] = [
        lambda: users.queries.page(Search(), None),
        lambda: users.history.page(1, Search(), None),
        lambda: groups.page(members, 1, Search(), None, resources=False),
        lambda: accounts.session_queries.page(1, Search(), None),
        lambda: accounts.sessions.end_all(1, Context()),
        lambda: accounts.overview.of(1, None),
        lambda: accounts.links.invite(1, Context()),
    ]
    for use in uses:
        with pytest.raises(InsufficientScope):
            use()
