"""Relationships of the tested resources, with helpers for frequent requests."""

from pathlib import Path
from typing import Any

from conformance.client import Client, Json
from conformance.description import Resource


class End:
    """A relationship of a resource, seen from the resource that has it."""

    def __init__(self, name: str, many: bool, holders: Client, others: Client) -> None:
        self.name = name
        self.many = many
        self.holders = holders
        """The client of the resources that have the relationship."""
        self.others = others
        """The client of the resources to which the relationship leads."""

    @classmethod
    def of(cls, client: Client, path: Path) -> "list[End]":
        """The relationships of a resource, and those of the related resources that lead back."""
        described = Resource.of(path)
        files = {path.parent / found.resource for found in described.relationships.values()}
        own = {
            name: (found.many, path.parent / found.resource)
            for name, found in described.relationships.items()
        }
        others = {file: Client(client.http, Resource.of(file)) for file in sorted(files)}
        ends = [cls(name, many, client, others[file]) for name, (many, file) in own.items()]
        for other in others.values():
            ends += [
                cls(name, found.many, other, client)
                for name, found in other.resource.relationships.items()
                if found.resource == path.name
            ]
        return ends

    def create(self, *related: Json, **attributes: Any) -> Json:
        """Creates a resource with related resources, and returns its resource object."""
        found = self.holders.attributes(**attributes)
        sent = self.holders.new(found, relationships={self.name: self.document(*related)})
        response = self.holders.send("POST", self.holders.resource.collection, sent)
        assert response.status_code == 201, response.text
        return response.json()["data"]

    def url(self, of: Json) -> str:
        """The URL of the relationship itself."""
        return f"{self.holders.url(of)}/relationships/{self.name}"

    def related_url(self, of: Json) -> str:
        """The URL of the related resources."""
        return f"{self.holders.url(of)}/{self.name}"

    def linkage(self, *related: Json) -> Any:
        """The linkage to the related resources."""
        found = identifiers(*related)
        return found if self.many else found[0] if found else None

    def document(self, *related: Json) -> Json:
        """A document, or a relationship object, with the linkage."""
        return {"data": self.linkage(*related)}

    def fetch(self, of: Json) -> Any:
        """The linkage at the URL of the relationship, without `meta`, by ascending id."""
        response = self.holders.get(f"{self.url(of)}{'?sort=id' if self.many else ''}")
        assert response.status_code == 200, response.text
        data = response.json()["data"]
        if not self.many:
            return data and identify(data)
        return identifiers(*data)

    def ref(self, of: Json) -> Json:
        """The member of an operation that targets the relationship."""
        return {"ref": {**identify(of), "relationship": self.name}}


def identify(of: Json) -> Json:
    """The identifier of a resource."""
    return {"type": of["type"], "id": of["id"]}


def identifiers(*resources: Json) -> list[Json]:
    return [identify(each) for each in resources]
