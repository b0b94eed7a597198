"""Writes lists of related resources, which have URLs of their own."""

from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.resource import Resource
from adapters.resources.urls import Urls


class RelatedListWriter(DocumentWriter):
    """Writes the documents of the resources that are related to one resource.

    `base` is the URL of their collection, and `url` that of the list.
    """

    def __init__(self, resource: Resource, base: str, url: str, *, described_by: str) -> None:
        super().__init__(resource, base, described_by=described_by)
        self._base = url  # the resource objects have been prepared with their own URLs


def related_list(
    urls: Urls, source_type: str, source_id: int, name: str, target: Resource
) -> RelatedListWriter:
    """Returns the writer of the list of a to-many relationship of a resource."""
    url = f"{urls.root}/{source_type}/{source_id}/{name}"
    return RelatedListWriter(target, urls.collection(target), url, described_by=urls.openapi)
