from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from entrypoints.container import Container
from entrypoints.settings import Settings


@pytest.fixture(autouse=True)
def log() -> Iterator[list[dict[str, object]]]:
    """What the service logged."""
    with capture_logs() as entries:
        yield entries


Build = Callable[..., Container]


@pytest.fixture
def build() -> Iterator[Build]:
    """Builds the whole service by settings, over memory if they don't say otherwise."""
    built: list[Container] = []

    def made(**environment: str) -> Container:
        environment = {"ROSTER_DATABASE_URL": "memory://", **environment}
        built.append(Container(settings=Settings.of(environment)))
        return built[-1]

    yield made
    for container in built:
        if (pool := container.pool()) is not None:
            pool.dispose()


@pytest.fixture
def service(build: Build) -> Callable[..., FlaskClient]:
    """A client of the service, by settings."""
    return lambda **environment: build(**environment).app().test_client()


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Looks until it is true; fails if it does not become so in time."""

    def until(what: Callable[[], object]) -> None:
        end = monotonic() + 20
        while not what():
            assert monotonic() < end, "it did not come to be in time"
            sleep(0.01)

    return until
