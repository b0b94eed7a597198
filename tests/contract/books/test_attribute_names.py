"""Attributes with the names of members of the classes that generic code uses."""

from collections.abc import Iterator
from typing import Any, Final

import marshmallow
import pytest
from api_client import ApiClient
from contract.books.conftest import JSONAPI
from contract.books.plain import new_metadata, plain_resource, plain_type
from marshmallow_jsonapi import Schema
from sqlalchemy import ColumnCollection, Table

from adapters.jsonapi.resource import Attribute, Resource
from adapters.sql import schema
from application.audit import Event
from application.entities import EntityType
from application.imports import ImportOptions, Record
from application.ports import Context
from domain.attributes import AttributeRules, EntityChanges, NewEntity, Versioned
from entrypoints.container import Container
from entrypoints.settings import Settings

pytestmark = pytest.mark.slow

CLASSES: Final[tuple[type, ...]] = (
    *(NewEntity, Versioned, EntityChanges, EntityType, AttributeRules, Attribute, Resource),
    *(Record, Event, tuple, dict, marshmallow.Schema, Schema, ColumnCollection, Table),
)
NAMES: Final = sorted(
    {
        name
        for each in CLASSES
        for name in dir(each)
        if name[0] != "_" and name.islower() and len(name) <= 40
    }
    - {"id", "type", "version", "relationships"}  # the API uses these itself
    - {"with_changes", "require_version"}  # all entities have these methods
    | {"self", "cls", "entity_id", "at", "before", "ids", "first_id", "last_id", "offset"}
)


@pytest.fixture(params=["memory", "sqlite", "postgresql_18"])
def container(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Container]:
    metadata = new_metadata()
    resource = plain_resource(plain_type("things", NAMES), metadata)
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/roster.db"}
    url = urls.get(request.param) or request.getfixturevalue(request.param).new_database()
    container = Container(settings=Settings.of({"ROSTER_DATABASE_URL": url}), resources=[resource])
    if request.param != "memory":
        schema.upgrade(container.engine())
        metadata.create_all(container.engine())
    yield container
    if request.param != "memory":
        container.engine().dispose()


def test_an_attribute_may_have_the_name_of_a_member(container: Container) -> None:
    client = ApiClient(container.app())
    first = {name: f"First {name}" for name in NAMES}
    second = {name: f"Second {name}" for name in NAMES}

    def send(method: str, url: str, attributes: Any = None) -> dict[str, Any]:
        identity = {"id": "1"} if method == "PATCH" else {}
        data = {"type": "things", **identity, "attributes": attributes}
        typed = {"json": {"data": data}, "content_type": JSONAPI} if attributes else {}
        response = client.open(f"/api/v1/things{url}", method=method, **typed)
        assert response.status_code < 300, response.text
        document: dict[str, Any] = response.json if response.status_code != 204 else {}
        return document

    created = send("POST", "", first)["data"]["attributes"]
    assert created == created | first
    for name in NAMES:
        changed = send("PATCH", "/1", {name: second[name]})["data"]["attributes"]
        assert changed[name] == second[name]
        query = (
            f"?filter[{name}]={second[name]}&sort=-{name}&page[total]=true&fields[things]={name}"
        )
        (found,) = send("GET", query)["data"]
        assert found["attributes"] == {name: second[name]}
    events = send("GET", "/1/history?page[size]=1000")["data"]
    assert len(events) == len(NAMES) + 1
    options = ImportOptions()
    imports = container.services()["things"].imports
    records = [Record(1, first)]
    summary = imports(records, Context(), options, lambda rejected: pytest.fail(str(rejected)))
    assert summary.created == 1
    imported = send("GET", "/2")["data"]["attributes"]
    assert imported == imported | first
    send("DELETE", "/1")
