"""Tables with names that statements may also use for parts of themselves, on every database."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from api_client import ApiClient
from contract.books.conftest import JSONAPI, SQL
from contract.books.plain import new_metadata, plain_resource, plain_type
from sqlalchemy import MetaData

from adapters.sql import schema
from application.relationships import Association, ToOne
from entrypoints.container import Container
from entrypoints.resources import RegisteredResource
from entrypoints.settings import Settings

pytestmark = pytest.mark.slow

NAMES: Final = (
    *("sources", "others", "first", "pairs", "page", "counted", "keys", "joined", "row_of_key"),
    *("anon_1", "x_1", "x", "x_2", "order", "true"),
)
PLAIN: Final = tuple(f"type{number}" for number in range(len(NAMES)))


def chain_of(
    names: Sequence[str], pairs: Sequence[str], metadata: MetaData
) -> list[RegisteredResource]:
    """Returns resources each of which refers to the next one in both ways."""
    types = [plain_type(name, ("label",), ("next",)) for name in names]
    types = [*types, types[0]]
    to_one = [ToOne("next", source, target) for source, target in pairwise(types)]
    associations = [
        Association(name, name, source, "many", target, "back")
        for name, (source, target) in zip(pairs, pairwise(types), strict=True)
    ]
    inverses = [associations[-1], *associations]
    return [
        plain_resource(each, metadata, to_one=[one], associations=[many], inverse=[inverse])
        for each, one, many, inverse in zip(types, to_one, associations, inverses, strict=False)
    ]


QUERIES: Final = (
    "include=next,many,back&page[size]=2",
    "sort=-label&page[size]=1&page[total]=true",
    "filter[next.label]=c&sort=-label",
    "filter[many.label]=c",
    "filter[many.label]=c&filter[label]=A&page[total]=true",
    "filter[many]=1&page[total]=true",
    "filter[many]=1,2,3",
    "filter[back.label]=b&page[number]=1",
    "filter[not][next.label]=c",
    "filter[not][many.label]=c&filter[not][back.label]=b",
    "filter[or][1][next.label]=c&filter[or][2][many.label]=b",
    "filter[or][1][label]=a&filter[or][2][id]=2&page[total]=true",
)
"""Queries of a collection. Each gets pages until the end."""


def responses(container: Container, names: Iterable[str]) -> dict[str, Any]:
    """Creates related resources, and returns what the queries return, by URL."""
    client = ApiClient(container.app())
    found: dict[str, Any] = {}

    def send(method: str, url: str, document: Any = None) -> Any:
        typed = {"content_type": JSONAPI} if document is not None else {}
        response = client.open(url, method=method, json=document, **typed)
        assert response.status_code < 300, (method, url, response.text)
        return response.json if response.status_code != 204 else None

    names = [*names]
    following = dict(pairwise([*names, names[0]]))
    for name in names:
        for label in ("a", "b", "c", None):
            data = {"type": name, "attributes": {"label": label}}
            send("POST", f"/api/v1/{name}", {"data": data})
    for name in names:
        for source, targets in ((1, "23"), (2, "134"), (3, "")):
            many = [{"type": following[name], "id": each} for each in targets]
            send("POST", f"/api/v1/{name}/{source}/relationships/many", {"data": many})
            one = {"type": following[name], "id": str(4 - source)}
            url = f"/api/v1/{name}/{source}/relationships/next"
            send("PATCH", url, {"data": one})
    for name in names:
        distant = following[following[name]]
        queries = [*QUERIES, f"include=next.next&fields[{distant}]=label"]
        for url in (f"/api/v1/{name}?{query}" for query in queries):
            pages = []
            next_url: str | None = url
            while next_url:
                page = send("GET", next_url)
                pages.append([page["data"], page.get("included"), page.get("meta")])
                next_url = page["links"].get("next")
            found[url] = _without_times(pages)
    for name in names:
        removed = {"data": [{"type": following[name], "id": "1"}]}
        send("DELETE", f"/api/v1/{name}/2/relationships/many", removed)
        send("PATCH", f"/api/v1/{name}/1/relationships/many", {"data": []})
        url = f"/api/v1/{name}?include=many,next"
        found[url] = _without_times(send("GET", url))
    return found


def _without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    if isinstance(value, dict):
        left_out = ("creation_time", "update_time", "cursor")
        return {name: _without_times(each) for name, each in value.items() if name not in left_out}
    return value


@pytest.fixture(
    params=[
        pytest.param((NAMES, PLAIN), id="types"),
        pytest.param((PLAIN, NAMES), id="pairs"),
    ]
)
def names(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the types and of the tables of pairs."""
    types, pairs = request.param
    return types, pairs


@pytest.fixture(params=SQL)
def container(
    request: pytest.FixtureRequest, names: tuple[tuple[str, ...], tuple[str, ...]], tmp_path: Any
) -> Iterator[Container]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    metadata = new_metadata()
    container = Container(
        settings=Settings.of({"ROSTER_DATABASE_URL": url}), resources=chain_of(*names, metadata)
    )
    schema.upgrade(container.engine())
    metadata.create_all(container.engine())
    yield container
    container.engine().dispose()


def test_a_table_may_have_any_name(
    container: Container, names: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    in_memory = Container(
        settings=Settings.of({"ROSTER_DATABASE_URL": "memory://"}),
        resources=chain_of(*names, new_metadata()),
    )
    types, _ = names
    expected = responses(in_memory, types)
    found = responses(container, types)
    different = [url for url in expected if found[url] != expected[url]]
    assert different == []
