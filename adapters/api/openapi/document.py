"""The OpenAPI 3.1 document, generated from the declarations of resource types."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import orjson
from flask import Blueprint, Response

from adapters.api.authorization import scope_alternatives
from adapters.api.openapi import examples
from adapters.api.openapi.json_schema import object_of, reference
from adapters.api.openapi.parameters import (
    IF_MATCH,
    IF_NONE_MATCH,
    KEY,
    SENT_POSITION,
    UNLESS_MATCH,
    erase,
    fieldsets,
    include,
    list_parameters,
)
from adapters.api.openapi.schemas import ERRORS, operation_schemas, page_schemas, schemas
from adapters.api.operations import URL as OPERATIONS
from adapters.jsonapi.atomic import EXTENSION
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.content_negotiation import JSON, JSONAPI, media_type
from adapters.jsonapi.linkage import LINKAGE
from adapters.jsonapi.resource import Resource
from adapters.resources.events import EVENTS
from adapters.resources.urls import PREFIX
from adapters.web.hosts import PROBES
from adapters.web.positions import POSITION
from application.relationships import Relationship, ToMany

METHODS: Final = frozenset(("get", "post", "patch", "delete"))


_TAGS: Final = {
    "operations": "Several changes in one request: all of them happen, or none.",
    "service": "The description and the state of the service.",
}
ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "For If-Match."}}
NOT_MODIFIED: Final = {
    "304": {"description": "The client has the current version.", "headers": ETAG}
}
_PAGE: Final = {
    "description": "This documentation as a page.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
_METRICS: Final = {
    "description": "Counts and durations for Prometheus, unless metrics are off.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_ERROR_STATUSES: Final = (400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 429, 500, 503)
_ERROR_HEADERS: Final = {415: "Accept-Encoding", 429: "Retry-After", 503: "Retry-After"}
"""Maps a status to the header of an error response that states what the client can do."""
CHALLENGE: Final = {"WWW-Authenticate": {"schema": {"type": "string"}}}
"""The header of the error response to a request whose token is missing or does not suffice."""
_REACHED: Final = f"Send it in {POSITION} with later reads, which then include this change."
_DISTRIBUTION: Final = "roster-directory"
_INTRODUCTION: Final = """To begin, open **GET {prefix}/{type}** and select Execute.
To create one of the {type}, open **POST {prefix}/{type}**. The example is a valid body.

Requests and responses are [JSON:API](https://jsonapi.org/format/) documents. Requests may also have
the type `application/json`.

- [Every error code]({base}/docs/errors), with its meaning
- [The collections]({base}{prefix}) and [the state of the service]({base}/readyz)
- Guides are in the directory `docs` of the repository: `frontend.md` (a page with a list and a
  form), `search.md` (filters and order), `pages.md`, `changes.md` (`If-Match` and
  `Idempotency-Key`), `bulk.md` and `clients.md`.

The HTTP server rejects a URL of more than 65,534 bytes (414) and headers over its limit (431).
These responses have no body, and no operation lists them.
"""
_TOKEN: Final = "First, select Authorize and enter a token. `roster token` prints one.\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """The description of what another adapter serves next to the resources.

    - `paths` and `schemas` are those of the OpenAPI document. Each operation under the prefix has
      its own `security`.
    - `tags` maps names to descriptions.
    - `collections` are the names of collections that the root also lists.
    """

    paths: Mapping[str, Any]
    schemas: Mapping[str, Any]
    tags: Mapping[str, str]
    collections: tuple[str, ...] = ()


DescribePart = Callable[[Catalog], Part]


class OpenApi:
    """The OpenAPI document of an API with these resource types and error codes.

    `codes` maps each error code to its statuses and its meaning. `parts` describe what other
    adapters serve. They require access control.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        codes: Mapping[str, tuple[str, str]],
        catalog: Catalog,
        parts: Sequence[DescribePart] = (),
    ) -> None:
        self._parts = [describe(catalog) for describe in parts]
        self._catalog = catalog
        self._resources = resources
        self._types = tuple(each.type for each in resources)
        self._codes = codes
        self._examples = {
            **{k: v for each in resources for k, v in examples.examples(each).items()},
            **examples.history_examples(resources[0], EVENTS),
            **examples.operation_examples(resources[0]),
        }

    def blueprint(
        self,
        base: str,
        *,
        secured: bool,
        limited: bool,
        positioned: bool = False,
        guides_url: str = "",
    ) -> Blueprint:
        """Returns the blueprint of /openapi.json. The first request creates the document."""
        blueprint = Blueprint("openapi", __name__)

        @cache
        def body() -> bytes:
            return self.document(
                base,
                secured=secured,
                limited=limited,
                positioned=positioned,
                guides_url=guides_url,
            )

        @blueprint.get("/openapi.json")
        def show() -> Response:
            return Response(body(), content_type=JSON)

        return blueprint

    def document(
        self,
        base: str = "",
        *,
        secured: bool = False,
        limited: bool = False,
        positioned: bool = False,
        guides_url: str = "",
    ) -> bytes:
        """Returns the document as JSON text.

        `secured`: the service requires tokens. `limited`: the service has a rate limit.
        `positioned`: changes have positions, which reads accept, because there are replicas.
        `guides_url` is the URL of the documentation site, if there is one.
        """
        document = self.description(base)
        if guides_url:
            document["externalDocs"] = {"description": "Guides", "url": guides_url}
        document = self.with_access(document) if secured else self.with_hosts(document)
        if positioned:
            document = self.with_positions(document)
        return orjson.dumps(self.with_limits(document) if limited else document)

    def description(self, base: str = "") -> dict[str, Any]:
        """Returns the document. `base` precedes the path in every URL."""
        paths: list[Mapping[str, Any]] = [self._root_path()]
        for each in self._resources:
            paths += [self._paths(each), self._history_path(each)]
            for relationship in self._catalog.relationships_of(each).values():
                paths.append(self._relationship_paths(each, relationship))
        paths.append(self._operations_path())
        paths += [part.paths for part in self._parts]
        paths.append(_other_paths())
        tags = dict.fromkeys(self._types, "Single resources, lists and history.")
        for more in (*(part.tags for part in self._parts), _TAGS):
            tags |= more
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Roster",
                "version": version(_DISTRIBUTION),
                "summary": "A directory of users as a JSON:API 1.1 service.",
                "description": _INTRODUCTION.format(base=base, prefix=PREFIX, type=self._types[0]),
            },
            "tags": [{"name": name, "description": text} for name, text in tags.items()],
            "servers": [{"url": base or "/"}],
            "paths": {path: item for part in paths for path, item in part.items()},
            "components": {
                "schemas": {
                    **ERRORS,
                    **{k: v for each in self._resources for k, v in schemas(each).items()},
                    **page_schemas(EVENTS, has_urls=False),
                    **operation_schemas(self._resources),
                    **{k: v for part in self._parts for k, v in part.schemas.items()},
                },
                "responses": {
                    f"Problem{status}": self._error_response(status) for status in _ERROR_STATUSES
                },
            },
        }

    def with_access(self, document: dict[str, Any]) -> dict[str, Any]:
        """Adds access control: every path under the prefix requires a token."""
        document["info"]["description"] = _TOKEN + document["info"]["description"]
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        document["components"]["securitySchemes"] = {"bearer": bearer}
        responses = document["components"]["responses"]
        for status in (401, 403):
            responses[f"Problem{status}"] = self._error_response(status) | {"headers": CHALLENGE}
        for path, method, operation in _under_prefix(document):
            if "security" in operation:
                continue
            scopes_by_alternative = scope_alternatives(
                path, method.upper(), self._types, catalog=self._catalog
            )
            operation["security"] = [{"bearer": [*scopes]} for scopes in scopes_by_alternative]
            operation["responses"] |= error_responses(401, *([403] if path != PREFIX else []))
        return document

    def with_hosts(self, document: dict[str, Any]) -> dict[str, Any]:
        """Adds the errors of a service without access control for foreign hosts and origins."""
        document["components"]["responses"]["Problem421"] = self._error_response(421)
        for path, item in document["paths"].items():
            for method in METHODS & item.keys():
                statuses = [
                    *([421] if path not in PROBES else []),
                    *([403] if method != "get" else []),
                ]
                item[method]["responses"] |= error_responses(*statuses) if statuses else {}
        return document

    def with_limits(self, document: dict[str, Any]) -> dict[str, Any]:
        """Adds the error of a rate limit to every path under the prefix."""
        for _, _, operation in _under_prefix(document):
            operation["responses"] |= error_responses(429)
        return document

    def with_positions(self, document: dict[str, Any]) -> dict[str, Any]:
        """Adds the position to the reads and the changes of resources."""
        header = {POSITION: {"schema": SENT_POSITION["schema"], "description": _REACHED}}
        for path, method, operation in _under_prefix(document):
            if method == "get":
                if path.removeprefix(f"{PREFIX}/").split("/")[0] in self._types:
                    operation["parameters"] = [*operation["parameters"], SENT_POSITION]
                continue
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    response["headers"] = response.get("headers", {}) | header
        return document

    def _media(self, schema: str) -> dict[str, Any]:
        return {"schema": reference(schema), "example": self._examples[schema]}

    def _content(self, text: str, schema: str, **members: Any) -> dict[str, Any]:
        return {"description": text, "content": {JSONAPI: self._media(schema)}, **members}

    def _error_response(self, status: int) -> dict[str, Any]:
        """Returns the error response of a status, with all codes that it can have."""
        codes = [
            code
            for code, (statuses, _) in self._codes.items()
            if str(status) in statuses.split(", ")
        ]
        media = {
            "schema": reference("Errors"),
            "example": examples.error_example(status, codes[0], self._codes[codes[0]][1]),
        }
        quoted = ", ".join(f"`{code}`" for code in codes)
        response = {
            "description": f"{HTTPStatus(status).phrase}: {quoted}.",
            "content": {JSONAPI: media},
        }
        if status not in _ERROR_HEADERS:
            return response
        return {**response, "headers": {_ERROR_HEADERS[status]: {"schema": {"type": "string"}}}}

    def _body(self, schema: str) -> dict[str, Any]:
        return {
            "required": True,
            "content": {JSONAPI: self._media(schema), JSON: self._media(schema)},
        }

    def _paths(self, resource: Resource) -> dict[str, Any]:
        name, url = resource.type.capitalize(), f"{PREFIX}/{resource.type}"
        document = f"{name}Document"
        shown = [*fieldsets(resource, self._catalog), include(resource, self._catalog)]
        location = {"Location": {"schema": {"type": "string"}}}
        related = [404] if resource.relationships else []
        noun = self._catalog.noun(resource)
        return {
            url: {
                "get": {
                    **operation_of(
                        f"list_{resource.type}",
                        f"List {resource.type} in pages",
                        resource.type,
                    ),
                    **self._list_operation(resource),
                },
                "post": {
                    **operation_of(
                        f"create_{resource.type}",
                        f"Create one {noun}",
                        resource.type,
                    ),
                    "parameters": [*shown, KEY],
                    "requestBody": self._body(f"{name}Creation"),
                    "responses": {
                        "201": self._content("Created.", document, headers={**location, **ETAG}),
                        **error_responses(
                            400, 403, *related, 406, 408, 409, 413, 415, 422, 429, 503
                        ),
                    },
                },
            },
            f"{url}/{{id}}": {
                "parameters": [id_parameter(resource)],
                "get": {
                    **operation_of(f"show_{resource.type}", f"Read one {noun}", resource.type),
                    "parameters": [*shown, IF_NONE_MATCH, IF_MATCH],
                    "responses": {
                        "200": self._content("The resource.", document, headers=ETAG),
                        **NOT_MODIFIED,
                        **error_responses(400, 404, 406, 412, 415, 503),
                    },
                },
                "patch": {
                    **operation_of(f"change_{resource.type}", f"Change one {noun}", resource.type),
                    "parameters": [*shown, IF_MATCH, UNLESS_MATCH],
                    "requestBody": self._body(f"{name}Change"),
                    "responses": {
                        "200": self._content("The changed resource.", document, headers=ETAG),
                        **error_responses(400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 503),
                    },
                },
                "delete": {
                    **operation_of(f"delete_{resource.type}", f"Delete one {noun}", resource.type),
                    "parameters": [IF_MATCH, UNLESS_MATCH, erase(resource)],
                    "responses": {
                        "204": {"description": "Deleted."},
                        **error_responses(
                            400, 404, 406, *([409] if related else []), 412, 415, 503
                        ),
                    },
                },
            },
        }

    def _history_path(self, resource: Resource) -> dict[str, Any]:
        name = f"show_{resource.type}_history"
        summary = f"Read the history of one {self._catalog.noun(resource)}, even if it is deleted"
        operation = operation_of(name, summary, resource.type)
        list_operation = self._list_operation(EVENTS, 404)
        return {
            f"{PREFIX}/{resource.type}/{{id}}/history": {
                "parameters": [id_parameter(resource)],
                "get": {**operation, **list_operation},
            }
        }

    def _relationship_paths(self, resource: Resource, relationship: Relationship) -> dict[str, Any]:
        """Returns the URLs of the related resources and of the relationship itself."""
        url = f"{PREFIX}/{resource.type}/{{id}}"
        is_many = isinstance(relationship, ToMany)
        related, linkage = (self._to_many if is_many else self._to_one)(resource, relationship)
        own = {"parameters": [id_parameter(resource)]}
        return {
            f"{url}/{relationship.name}": {**own, **related},
            f"{url}/{LINKAGE}/{relationship.name}": {**own, **linkage},
        }

    def _to_many(
        self, resource: Resource, relationship: Relationship
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        target, of = self._catalog.target(relationship), f"{resource.type}_{relationship.name}"
        name, one = relationship.name, f"one {self._catalog.noun(resource)}"
        page = f"{target.type.capitalize()}IdentifierPage"
        shown = self._list_operation(target, 404, linked_by=relationship, schema=page)
        changes = {
            "post": (f"add_{of}", f"Add {name} to {one}", [KEY], [429]),
            "patch": (f"replace_{of}", f"Replace the {name} of {one}", [], []),
            "delete": (f"remove_{of}", f"Remove {name} from {one}", [], []),
        }
        kind = target.type.capitalize()
        body = self._body(f"{kind}Identifiers")
        bodies = {"delete": self._body(f"{kind}RemovedIdentifiers")}
        linkage = {
            method: {
                **operation_of(operation, summary, resource.type),
                "parameters": [*more, IF_MATCH, UNLESS_MATCH],
                "requestBody": bodies.get(method, body),
                "responses": {
                    "204": {"description": "Done."},
                    **error_responses(
                        *(400, 403, 404, 406, 408, 409, 412, 413, 415),
                        *([422] if more else []),
                        *statuses,
                        503,
                    ),
                },
            }
            for method, (operation, summary, more, statuses) in changes.items()
        }
        listing = operation_of(f"list_{of}", f"List the {name} of {one} in pages", resource.type)
        showing = operation_of(
            f"show_{of}_identifiers", f"List the ids of the {name} of {one} in pages", resource.type
        )
        return (
            {"get": {**listing, **self._list_operation(target, 404)}},
            {"get": {**showing, **shown}, **linkage},
        )

    def _to_one(
        self, resource: Resource, relationship: Relationship
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        target, of = self._catalog.target(relationship), f"{resource.type}_{relationship.name}"
        name, kind = relationship.name, target.type.capitalize()
        one = f"one {self._catalog.noun(resource)}"
        sets = fieldsets(target, self._catalog)

        def read(schema: str, linked_by: Relationship | None = None) -> dict[str, Any]:
            included = include(target, self._catalog, 1, linked_by)
            return {
                "parameters": [*sets, included, IF_NONE_MATCH, IF_MATCH],
                "responses": {
                    "200": self._content("The current value.", schema, headers=ETAG),
                    **NOT_MODIFIED,
                    **error_responses(400, 404, 406, 412, 415, 503),
                },
            }

        showing = operation_of(f"show_{of}", f"Read the {name} of {one}", resource.type)
        naming = operation_of(
            f"show_{of}_identifier", f"Read the id of the {name} of {one}", resource.type
        )
        setting = operation_of(f"set_{of}", f"Set the {name} of {one}", resource.type)
        change = {
            "parameters": [IF_MATCH, UNLESS_MATCH],
            "requestBody": self._body(f"{kind}Reference"),
            "responses": {
                "204": {"description": "Done."},
                **error_responses(400, 403, 404, 406, 408, 409, 412, 413, 415, 503),
            },
        }
        return (
            {"get": {**showing, **read(f"{kind}OrNullDocument")}},
            {
                "get": {**naming, **read(f"{kind}ReferenceDocument", relationship)},
                "patch": {**setting, **change},
            },
        )

    def _list_operation(
        self,
        resource: Resource,
        *statuses: int,
        linked_by: Relationship | None = None,
        schema: str | None = None,
    ) -> dict[str, Any]:
        """Returns the parameters and the responses of a request for a page of resources."""
        page = schema or f"{resource.type.capitalize()}Page"
        parameters = list_parameters(resource, self._catalog, linked_by)
        return {
            "parameters": [*parameters, IF_NONE_MATCH, IF_MATCH],
            "responses": {
                "200": self._content("A page.", page, headers=ETAG),
                **NOT_MODIFIED,
                **error_responses(400, *statuses, 406, 412, 415, 503),
            },
        }

    def _root_path(self) -> dict[str, Any]:
        collections = {"type": "object", "additionalProperties": {"type": "string"}}
        schema = object_of(["meta"], meta=object_of(["collections"], collections=collections))
        names = [*self._types, *(name for part in self._parts for name in part.collections)]
        example = examples.ROOT | {
            "meta": {"collections": {each: f"{PREFIX}/{each}" for each in names}}
        }
        content = {JSONAPI: {"schema": schema, "example": example}}
        response = {"description": "The collections.", "content": content, "headers": ETAG}
        responses = {"200": response, **NOT_MODIFIED, **error_responses(400, 406, 412, 415)}
        return {
            PREFIX: {
                "get": {
                    **operation_of("show_root", "List the collections"),
                    "parameters": [IF_NONE_MATCH, IF_MATCH],
                    "responses": responses,
                }
            }
        }

    def _operations_path(self) -> dict[str, Any]:
        def content(schema: str) -> dict[str, Any]:
            return {media_type(extension=EXTENSION): self._media(schema)}

        response = {"description": "The results.", "content": content("Results")}
        operation = {
            **operation_of(
                "perform_operations",
                "Perform several operations: all of them, or none",
                "operations",
            ),
            "parameters": [KEY],
            "requestBody": {"required": True, "content": content("Operations")},
            "responses": {
                "200": response,
                **error_responses(400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 429, 503),
            },
        }
        return {f"{PREFIX}{OPERATIONS}": {"post": operation}}


def _under_prefix(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            yield from ((path, method, item[method]) for method in METHODS & item.keys())


def error_responses(*statuses: int) -> dict[str, Any]:
    """Returns references to the error responses of these statuses, and of 500."""
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in (*statuses, 500)
    }


def id_parameter(resource: Resource) -> dict[str, Any]:
    """Returns the parameter of a path that ends with the id of a resource."""
    return {"name": "id", "in": "path", "required": True, "schema": resource.id.json_schema()}


def _other_paths() -> dict[str, Any]:
    status = object_of(["status"], status={"type": "string"})
    home = object_of(["name", "links"], name={"type": "string"}, links={"type": "object"})
    openapi = object_of(["openapi"], openapi={"type": "string"})
    home_example = {"name": "Roster", "links": {"api": PREFIX, "docs": "/docs"}}
    front = _plain("front", "Links to the parts of the service", home, home_example)
    front["get"]["responses"]["200"]["content"] |= _PAGE["content"]
    return {
        "/": front,
        "/healthz": _plain("healthz", "Liveness", status, {"status": "ok"}),
        "/readyz": _plain(
            "readyz", "Readiness", status, {"status": "ready"}, **error_responses(503)
        ),
        "/metrics": _page("metrics", "Counts and durations for Prometheus", _METRICS, 404),
        "/openapi.json": _plain("openapi", "This document", openapi, {"openapi": "3.1.0"}),
        "/docs": _page("docs", "This documentation as a page", _PAGE),
    }


def operation_of(name: str, summary: str, tag: str = "service") -> dict[str, Any]:
    """Returns the members of an operation that describe it."""
    return {"operationId": name, "summary": summary, "tags": [tag]}


def _page(name: str, summary: str, response: dict[str, Any], *statuses: int) -> dict[str, Any]:
    responses = {"200": response, **(error_responses(*statuses) if statuses else {})}
    return {"get": {**operation_of(name, summary), "responses": responses}}


def _plain(
    name: str, summary: str, schema: dict[str, Any], example: Any, **errors: Any
) -> dict[str, Any]:
    content = {JSON: {"schema": schema, "example": example}}
    response = {"description": f"{summary}.", "content": content}
    return {"get": {**operation_of(name, summary), "responses": {"200": response, **errors}}}
