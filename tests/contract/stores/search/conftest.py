"""A directory of twelve users for all tests of a module, which only read it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from contract.stores.conftest import KINDS, new_directory
from contract.stores.directories import Directory
from contract.stores.search.people import add_people
from sqlalchemy import Engine

from domain.users import User


class Populated(NamedTuple):
    """A directory and its users, in the order of their ids."""

    directory: Directory
    people: list[User]


@pytest.fixture(scope="module", params=KINDS)
def populated(request: pytest.FixtureRequest, engines: Callable[[str], Engine]) -> Populated:
    directory = new_directory(request.param, engines)
    return Populated(directory, add_people(directory))


@pytest.fixture
def directory(populated: Populated) -> Directory:
    return populated.directory


@pytest.fixture
def people(populated: Populated) -> list[User]:
    return [*populated.people]
