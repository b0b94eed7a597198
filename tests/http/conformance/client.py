"""A client of the server that is judged: plain HTTP, and what the tests would write often."""

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
    """Asks one server about the resource that was described.

    Bodies are sent as they are given, of the JSON:API type unless the headers say otherwise.
    """

    def __init__(self, http: httpx.Client, resource: Resource) -> None:
        self.http = http
        self.resource = resource

    def ask(
        self, method: str, url: str, body: Any = None, headers: Headers | None = None
    ) -> httpx.Response:
        """The answer to a request; a body that is no bytes is sent as JSON.

        A header whose value is None is not sent, one with several values has as many lines.
        """
        sent = {"Accept": JSONAPI, **({} if body is None else {"Content-Type": JSONAPI})}
        content = {"content": body} if isinstance(body, bytes | None) else {"json": body}
        request = self.http.build_request(method, url, **content)
        del request.headers["Accept"]
        lines = [(name, value) for name, value in request.headers.items() if name != "content-type"]
        for name, values in {**sent, **(headers or {})}.items():
            lines += [(name, v) for v in ([values] if isinstance(values, str) else values or ())]
        request.headers = httpx.Headers(lines)
        return self.http.send(request)

    def get(self, url: str, **headers: str) -> httpx.Response:
        return self.ask("GET", url, headers=headers)

    # -- resources -----------------------------------------------------------------------------

    def attributes(self, **attributes: Any) -> Json:
        """Attributes with which a resource can be created, but for those given."""
        return {**numbered(self.resource.new), **attributes}

    def new(self, attributes: Json | None = None, **members: Any) -> Json:
        """A document that creates a resource; further members are those of its object."""
        found = self.attributes() if attributes is None else attributes
        return {"data": {"type": self.resource.type, "attributes": found, **members}}

    def change(self, of: Json, attributes: Json, **members: Any) -> Json:
        """A document that changes a resource."""
        which = {"type": self.resource.type, "id": of["id"]}
        return {"data": {**which, "attributes": attributes, **members}}

    def create(self, **attributes: Any) -> Json:
        """The resource object of a resource that was created."""
        document = self.new(self.attributes(**attributes))
        response = self.ask("POST", self.resource.collection, document)
        assert response.status_code == 201, response.text
        return response.json()["data"]  # type: ignore[no-any-return]

    def url(self, of: Json) -> str:
        return f"{self.resource.collection}/{of['id']}"

    def gone(self) -> Json:
        """The resource object of a resource that is no more."""
        found = self.create()
        assert self.ask("DELETE", self.url(found)).is_success
        return found

    def operate(self, *operations: Json, **headers: str) -> httpx.Response:
        """The answer to operations."""
        document = {"atomic:operations": list(operations)}
        return self.ask(
            "POST",
            self.resource.operations,
            document,
            {"Content-Type": IN_OPERATIONS, "Accept": IN_OPERATIONS, **headers},
        )

    # -- lists ---------------------------------------------------------------------------------

    def group(self, size: int) -> "Group":
        """So many new resources of a group of their own."""
        value = unused(self.resource.group_value)
        made = [self.create(**{self.resource.group: value}) for _ in range(size)]
        return Group(self, value, made)


class Group:
    """Resources that a filter tells from all others, in the order of their creation."""

    def __init__(self, client: Client, value: str, members: Sequence[Json]) -> None:
        self._client = client
        self.value = value
        self.members = list(members)

    @property
    def ids(self) -> list[str]:
        return [member["id"] for member in self.members]

    def url(self, **parameters: object) -> str:
        """The URL of their list; in names of parameters _ stands for what is in brackets."""
        asked = {self._client.resource.group_filter: self.value}
        for name, value in parameters.items():
            family, _, member = name.partition("_")
            asked[f"{family}[{member}]" if member else family] = str(value)
        return f"{self._client.resource.collection}?{urlencode(asked)}"

    def ask(self, **parameters: object) -> httpx.Response:
        return self._client.get(self.url(**parameters))

    def document(self, **parameters: object) -> Json:
        """The document of their list."""
        response = self.ask(**parameters)
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    def cursors(self) -> list[str]:
        """The cursor of each of them, in their order."""
        by_id = {
            item["id"]: item["meta"]["page"]["cursor"]
            for item in self.document(page_size=len(self.members))["data"]
        }
        return [by_id[each] for each in self.ids]


def ids(document: Json) -> list[str]:
    """Of the resources that are a document's primary data."""
    return [item["id"] for item in document["data"]]


def unused(template: str) -> str:
    """The text with a number that was not used before, not in an earlier run either."""
    return template.replace("{n}", f"{_run}{next(_numbers):06}")


def numbered(values: Mapping[str, Any]) -> Json:
    """The values with numbers that were not used before."""
    return {
        name: unused(value) if isinstance(value, str) else value for name, value in values.items()
    }
