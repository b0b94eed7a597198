"""Where Roster's things are, as its documents say it."""

from dataclasses import dataclass
from typing import Final

from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.resource import Resource
from adapters.resources.events import EVENTS

PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Urls:
    """The API's URLs: below the public URL, or without a host where that is empty."""

    public_url: str

    @property
    def root(self) -> str:
        """The document that names the collections."""
        return f"{self.public_url.rstrip('/')}{PREFIX}"

    @property
    def description(self) -> str:
        """The OpenAPI document."""
        return f"{self.public_url.rstrip('/')}/openapi.json"

    def collection(self, resource: Resource) -> str:
        """All resources of a type."""
        return f"{self.root}/{resource.type}"

    def writer(self, resource: Resource) -> DocumentWriter:
        """Writes the documents of a type, with these URLs."""
        return DocumentWriter(resource, self.collection(resource), described_by=self.description)

    def history(self, kind: str, key: int) -> DocumentWriter:
        """Writes the history of a thing."""
        url = f"{self.root}/{kind}/{key}/history"
        return DocumentWriter(EVENTS, url, described_by=self.description, addressed=False)
