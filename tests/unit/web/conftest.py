from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from api_client import ApiClient
from structlog.testing import capture_logs

from entrypoints.container import Container
from entrypoints.settings import Settings


@pytest.fixture(autouse=True)
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log entries of the service."""
    with capture_logs() as entries:
        yield entries


Build = Callable[..., Container]


@pytest.fixture
def build() -> Iterator[Build]:
    """Builds the whole service with settings. By default it has an in-memory store."""
    built: list[Container] = []

    def build_service(**environment: str) -> Container:
        environment = {"ROSTER_DATABASE_URL": "memory://", **environment}
        built.append(Container(settings=Settings.of(environment)))
        return built[-1]

    yield build_service
    for container in built:
        if (pool := container.pool()) is not None:
            pool.dispose()


@pytest.fixture
def service(build: Build) -> Callable[..., ApiClient]:
    """Builds the service with settings, and returns a client of it."""
    return lambda **environment: ApiClient(build(**environment).app())
