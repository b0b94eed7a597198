from collections.abc import Callable, Iterator

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


@pytest.fixture
def service() -> Callable[..., FlaskClient]:
    """A client of the whole service over memory, by settings."""

    def made(**environment: str) -> FlaskClient:
        environment = {"ROSTER_DATABASE_URL": "memory://", **environment}
        return Container(settings=Settings.of(environment)).app().test_client()

    return made
