"""A client of the tested server, with helpers for frequent requests."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from conformance.description import Resource

JSONAPI = "application/vnd.api+json"
ATOMIC = "https://jsonapi.org/ext/atomic"
CURSORS = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination"
IN_OPERATIONS = f'{JSONAPI};ext="{ATOMIC}"'

Json = dict[str, Any]
Headers = Mapping[str, str | Sequence[str] | None]
_run = uuid4().int % 10**9
_numbers = count(1)


class Client:
    """Sends requests about one resource to a server.

    Bodies have the JSON:API type unless the headers contain another.
    """

    def __init__(self, http: httpx.Client, resource: Resource) -> None:
        self.http = http
        self.resource = resource

    def send(
        self, method: str, url: str, body: Any = None, headers: Headers | None = None
    ) -> httpx.Response:
        """Sends a request. A body other than bytes is sent as JSON.

        A header is omitted if its value is None, and repeated if it has several values.
        """
        defaults = {"Accept": JSONAPI, **({} if body is None else {"Content-Type": JSONAPI})}
        content = {"content": body} if isinstance(body, bytes | None) else {"json": body}
        request = self.http.build_request(method, url, **content)
        del request.headers["Accept"]
        lines = [(name, value) for name, value in request.headers.items() if name != "content-type"]
        for name, values in {**defaults, **(headers or {})}.items():
            lines += [(name, v) for v in ([values] if isinstance(values, str) else values or ())]
        request.headers = httpx.Headers(lines)
        return self.http.send(request)

    def get(self, url: str, **headers: str) -> httpx.Response:
        return self.send("GET", url, headers=headers)

    # -- resources -----------------------------------------------------------------------------

    def attributes(self, **attributes: Any) -> Json:
        """Valid attributes of a new resource, updated with those passed."""
        return {**numbered(self.resource.new), **attributes}

    def new(self, attributes: Json | None = None, **members: Any) -> Json:
        """A document that creates a resource. `members` are added to the resource object."""
        found = self.attributes() if attributes is None else attributes
        return {"data": {"type": self.resource.type, "attributes": found, **members}}

    def change(self, of: Json, attributes: Json, **members: Any) -> Json:
        """A document that changes a resource."""
        which = {"type": self.resource.type, "id": of["id"]}
        return {"data": {**which, "attributes": attributes, **members}}

    def create(self, **attributes: Any) -> Json:
        """Creates a resource, and returns its resource object."""
        document = self.new(self.attributes(**attributes))
        response = self.send("POST", self.resource.collection, document)
        assert response.status_code == 201, response.text
        return response.json()["data"]

    def url(self, of: Json) -> str:
        return f"{self.resource.collection}/{of['id']}"

    def deleted(self) -> Json:
        """Creates and deletes a resource, and returns its resource object."""
        found = self.create()
        assert self.send("DELETE", self.url(found)).is_success
        return found

    def operate(self, *operations: Json, **headers: str) -> httpx.Response:
        """Sends operations."""
        document = {"atomic:operations": list(operations)}
        return self.send(
            "POST",
            self.resource.operations,
            document,
            {"Content-Type": IN_OPERATIONS, "Accept": IN_OPERATIONS, **headers},
        )

    # -- lists ---------------------------------------------------------------------------------

    def group(self, size: int) -> "Group":
        """Creates resources in a new group."""
        value = unused(self.resource.group_value)
        created = [self.create(**{self.resource.group: value}) for _ in range(size)]
        return Group(self, value, created)


class Group:
    """Resources that a filter selects, in the order of their creation."""

    def __init__(self, client: Client, value: str, members: Sequence[Json]) -> None:
        self._client = client
        self.value = value
        self.members = list(members)
        self._collection = client.resource.collection
        self._query = {client.resource.group_filter: value}

    @property
    def ids(self) -> list[str]:
        return [member["id"] for member in self.members]

    def url(self, **parameters: object) -> str:
        """The URL of their list. `page_size` is the parameter page[size]."""
        query = dict(self._query)
        for name, value in parameters.items():
            family, _, member = name.partition("_")
            query[f"{family}[{member}]" if member else family] = str(value)
        return f"{self._collection}?{urlencode(query)}"

    def get(self, **parameters: object) -> httpx.Response:
        return self._client.get(self.url(**parameters))

    def document(self, **parameters: object) -> Json:
        """The document of their list."""
        response = self.get(**parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def cursors(self) -> list[str]:
        """The cursors of the resources, in their order."""
        by_id = {
            item["id"]: item["meta"]["page"]["cursor"]
            for item in self.document(page_size=len(self.members))["data"]
        }
        return [by_id[each] for each in self.ids]


class RelatedGroup(Group):
    """Resources of a group that are related to a resource, at a URL of the relationship."""

    def __init__(self, group: Group, url: str) -> None:
        super().__init__(group._client, group.value, group.members)
        self._collection = url
        self._query = {}


def ids(document: Json) -> list[str]:
    """The ids of the resources in a document."""
    return [item["id"] for item in document["data"]]


def unused(template: str) -> str:
    """The text with a number that was never used, even in earlier runs."""
    return template.replace("{n}", f"{_run}{next(_numbers):06}")


def numbered(values: Mapping[str, Any]) -> Json:
    """The values with numbers that were never used."""
    return {
        name: unused(value) if isinstance(value, str) else value for name, value in values.items()
    }
