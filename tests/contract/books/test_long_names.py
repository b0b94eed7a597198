"""Names of the greatest length, on every database."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from api_client import ApiClient
from contract.books.conftest import SQL
from contract.books.plain import new_metadata, plain_resource, plain_type

from adapters.sql import schema
from application.imports import ImportOptions, Record
from application.ports import Context
from entrypoints.container import Container
from entrypoints.settings import Settings

NAME: Final = "n" * 40
ATTRIBUTE: Final = "a" * 40


@pytest.fixture(params=SQL)
def container(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Container]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    metadata = new_metadata()
    entity_type = plain_type(NAME, (ATTRIBUTE,), unique=(ATTRIBUTE,))
    resource = plain_resource(entity_type, metadata)
    settings = Settings.of({"ROSTER_DATABASE_URL": url})
    container = Container(settings=settings, resources=[resource])
    schema.upgrade(container.engine())
    metadata.create_all(container.engine())
    yield container
    container.engine().dispose()


def test_a_taken_value_is_a_conflict(container: Container) -> None:
    client = ApiClient(container.app())
    data = {"type": NAME, "attributes": {ATTRIBUTE: "x"}}
    assert client.post(f"/api/v1/{NAME}", json={"data": data}).status_code == 201
    response = client.post(f"/api/v1/{NAME}", json={"data": data})
    (error,) = response.json["errors"]
    assert (response.status_code, error["code"]) == (409, f"{ATTRIBUTE}_taken")
    assert error["source"] == {"pointer": f"/data/attributes/{ATTRIBUTE}"}
    codes: list[str] = []
    summary = container.services()[NAME].imports(
        [Record(line, {ATTRIBUTE: value}) for line, value in enumerate("yxyz", start=1)],
        Context(),
        ImportOptions(skip_errors=True),
        lambda rejected: codes.extend(each.code for each in rejected.errors),
    )
    assert (summary.created, codes) == (2, [f"{ATTRIBUTE}_taken"] * 2)
