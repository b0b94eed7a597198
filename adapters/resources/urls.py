"""The URLs of the API, as they appear in documents."""

from dataclasses import dataclass
from typing import Final

from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.resource import Resource
from adapters.resources.events import EVENTS

PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of the API, which begin with the public URL. If that is empty, they have no host."""

    public_url: str

    @property
    def root(self) -> str:
        """The URL of the document that names the collections."""
        return f"{self.public_url.rstrip('/')}{PREFIX}"

    @property
    def openapi(self) -> str:
        """The URL of the OpenAPI document."""
        return f"{self.public_url.rstrip('/')}/openapi.json"

    def collection(self, resource: Resource) -> str:
        """Returns the URL of all resources of a type."""
        return f"{self.root}/{resource.type}"

    def writer(self, resource: Resource) -> DocumentWriter:
        """Returns the writer of the documents of a type."""
        return DocumentWriter(resource, self.collection(resource), described_by=self.openapi)

    def history(self, resource_type: str, resource_id: int) -> DocumentWriter:
        """Returns the writer of the history of a resource."""
        url = f"{self.root}/{resource_type}/{resource_id}/history"
        return DocumentWriter(EVENTS, url, described_by=self.openapi, has_urls=False)

    def part(self, resource_type: str, name: str, resource: Resource) -> DocumentWriter:
        """Returns the writer of a part that each resource of a type has, below its URL."""
        base = f"{self.root}/{resource_type}"
        return DocumentWriter(resource, base, described_by=self.openapi, below=f"/{name}")
