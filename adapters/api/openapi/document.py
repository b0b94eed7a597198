"""The description of the API for programs (OpenAPI 3.1), out of the resources' declarations."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import orjson
from flask import Blueprint, Response

from adapters.api.authorization import alternatives
from adapters.api.openapi import examples
from adapters.api.openapi.parameters import (
    ERASE,
    IF_MATCH,
    IF_NONE_MATCH,
    KEY,
    UNLESS_MATCH,
    fieldsets,
    include,
    list_parameters,
)
from adapters.api.openapi.relationships import object_of, reference
from adapters.api.openapi.schemas import (
    ERRORS,
    operation_schemas,
    page_schemas,
    schemas,
)
from adapters.api.operations import URL as OPERATIONS
from adapters.jsonapi.atomic import EXTENSION
from adapters.jsonapi.catalog import NO_RELATIONSHIPS, Catalog
from adapters.jsonapi.content_negotiation import JSON, JSONAPI, media_type
from adapters.jsonapi.operation_objects import LINKAGE
from adapters.jsonapi.resource import Resource
from adapters.resources.addresses import PREFIX
from adapters.resources.events import EVENTS
from adapters.web.hosts import PROBES
from application.relationships import Relationship, ToMany

METHODS: Final = frozenset(("get", "post", "patch", "delete"))


_PLACES: Final = {
    "operations": "Many changes that all happen, or none.",
    "service": "What the service is, and how it is.",
}
_ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "For If-Match."}}
_NOT_MODIFIED: Final = {"304": {"description": "As the client has it."}}
_PAGE: Final = {
    "description": "This description, for people.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
_METRICS: Final = {
    "description": "Counts and durations for Prometheus, where they are not switched off.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_REFUSALS: Final = (400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 429, 500, 503)
_TELLING: Final = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
"""By status, the header of an error response that says what the client can do."""
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


class OpenApi:
    """The OpenAPI document of an API with these resources and error codes.

    `codes` are the statuses and the meaning of each error code.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        codes: Mapping[str, tuple[str, str]],
        catalog: Catalog = NO_RELATIONSHIPS,
    ) -> None:
        self._catalog = catalog
        self._resources = resources
        self._types = tuple(each.type for each in resources)
        self._codes = codes
        self._examples = {
            **{k: v for each in resources for k, v in examples.examples(each).items()},
            **examples.history_examples(resources[0], EVENTS),
            **examples.operation_examples(resources[0]),
        }

    def blueprint(self, base: str, *, secured: bool, limited: bool) -> Blueprint:
        """/openapi.json, built once."""
        body = self.document(base, secured=secured, limited=limited)
        blueprint = Blueprint("openapi", __name__)

        @blueprint.get("/openapi.json")
        def show() -> Response:
            return Response(body, content_type=JSON)

        return blueprint

    def document(self, base: str = "", *, secured: bool = False, limited: bool = False) -> bytes:
        """The document as JSON text."""
        described = self.description(base)
        described = self.with_access(described) if secured else self.with_hosts(described)
        return orjson.dumps(self.with_limits(described) if limited else described)

    def description(self, base: str = "") -> dict[str, Any]:
        """The document. `base` precedes the paths in every URL."""
        paths = [self._root_path()]
        for each in self._resources:
            paths += [self._paths(each), self._history_path(each)]
            for relationship in self._catalog.relationships_of(each).values():
                paths.append(self._relationship_paths(each, relationship))
        paths.append(self._operations_path())
        paths.append(_other_paths())
        places = {**dict.fromkeys(self._types, "One by one, and in pages."), **_PLACES}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Roster",
                "version": version(_DISTRIBUTION),
                "summary": "A directory of users as a JSON:API 1.1 service.",
                "description": _INTRODUCTION.format(base=base, prefix=PREFIX, type=self._types[0]),
            },
            "tags": [{"name": name, "description": text} for name, text in places.items()],
            "servers": [{"url": base or "/"}],
            "paths": {path: item for part in paths for path, item in part.items()},
            "components": {
                "schemas": {
                    **ERRORS,
                    **{k: v for each in self._resources for k, v in schemas(each).items()},
                    **page_schemas(EVENTS, addressed=False),
                    **operation_schemas(self._resources),
                },
                "responses": {f"Problem{status}": self._refused(status) for status in _REFUSALS},
            },
        }

    def with_access(self, described: dict[str, Any]) -> dict[str, Any]:
        """The description of a service that wants a token for every path under the prefix."""
        described["info"]["description"] = _TOKEN + described["info"]["description"]
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        described["components"]["securitySchemes"] = {"bearer": bearer}
        described["components"]["responses"]["Problem401"] = self._refused(401)
        for path, method, operation in _under_prefix(described):
            allowed = alternatives(path, method.upper(), self._types, catalog=self._catalog)
            operation["security"] = [{"bearer": [*scopes]} for scopes in allowed]
            operation["responses"] |= _problems(401, *([403] if path != PREFIX else []))
        return described

    def with_hosts(self, described: dict[str, Any]) -> dict[str, Any]:
        """The description of an open service, which refuses foreign hosts and origins."""
        described["components"]["responses"]["Problem421"] = self._refused(421)
        for path, item in described["paths"].items():
            for method in METHODS & item.keys():
                refusals = [
                    *([421] if path not in PROBES else []),
                    *([403] if method != "get" else []),
                ]
                item[method]["responses"] |= _problems(*refusals) if refusals else {}
        return described

    def with_limits(self, described: dict[str, Any]) -> dict[str, Any]:
        """The description of a service that lets one ask only so often under the prefix."""
        for _, _, operation in _under_prefix(described):
            operation["responses"] |= _problems(429)
        return described

    def _media(self, schema: str) -> dict[str, Any]:
        return {"schema": reference(schema), "example": self._examples[schema]}

    def _content(self, text: str, schema: str, **more: Any) -> dict[str, Any]:
        return {"description": text, "content": {JSONAPI: self._media(schema)}, **more}

    def _refused(self, status: int) -> dict[str, Any]:
        """The response of a status that refuses, with all the codes that it may bear."""
        codes = [
            code for code, (known, _) in self._codes.items() if str(status) in known.split(", ")
        ]
        media = {
            "schema": reference("Errors"),
            "example": examples.refusal(status, codes[0], self._codes[codes[0]][1]),
        }
        quoted = ", ".join(f"`{code}`" for code in codes)
        described = {
            "description": f"{HTTPStatus(status).phrase}: {quoted}.",
            "content": {JSONAPI: media},
        }
        if status not in _TELLING:
            return described
        return {**described, "headers": {_TELLING[status]: {"schema": {"type": "string"}}}}

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
        return {
            url: {
                "get": {
                    **_operation(
                        f"list_{resource.type}",
                        f"List {resource.type}, a page at a time",
                        resource.type,
                    ),
                    **self._listed(resource),
                },
                "post": {
                    **_operation(
                        f"create_{resource.type}",
                        f"Create one of the {resource.type}",
                        resource.type,
                    ),
                    "parameters": [*shown, KEY],
                    "requestBody": self._body(f"{name}Creation"),
                    "responses": {
                        "201": self._content("Created.", document, headers={**location, **_ETAG}),
                        **_problems(400, 403, *related, 406, 408, 409, 413, 415, 422, 429, 503),
                    },
                },
            },
            f"{url}/{{id}}": {
                "parameters": [_id(resource)],
                "get": {
                    **_operation(f"show_{resource.type}", "Read one", resource.type),
                    "parameters": [*shown, IF_NONE_MATCH, IF_MATCH],
                    "responses": {
                        "200": self._content("As it stands.", document, headers=_ETAG),
                        **_NOT_MODIFIED,
                        **_problems(400, 404, 406, 412, 415, 503),
                    },
                },
                "patch": {
                    **_operation(f"change_{resource.type}", "Change one", resource.type),
                    "parameters": [*shown, IF_MATCH, UNLESS_MATCH],
                    "requestBody": self._body(f"{name}Change"),
                    "responses": {
                        "200": self._content("As it stands now.", document, headers=_ETAG),
                        **_problems(400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 503),
                    },
                },
                "delete": {
                    **_operation(f"delete_{resource.type}", "Delete one", resource.type),
                    "parameters": [IF_MATCH, UNLESS_MATCH, ERASE],
                    "responses": {
                        "204": {"description": "Gone."},
                        **_problems(400, 404, 406, *([409] if related else []), 412, 415, 503),
                    },
                },
            },
        }

    def _history_path(self, resource: Resource) -> dict[str, Any]:
        name = f"show_{resource.type}_history"
        described_operation = _operation(
            name, "What happened to one, also if it is gone", resource.type
        )
        listed = self._listed(EVENTS, 404)
        return {
            f"{PREFIX}/{resource.type}/{{id}}/history": {
                "parameters": [_id(resource)],
                "get": {**described_operation, **listed},
            }
        }

    def _relationship_paths(self, resource: Resource, relationship: Relationship) -> dict[str, Any]:
        """The URLs of a relationship: the related resources, and the relationship itself."""
        url = f"{PREFIX}/{resource.type}/{{id}}"
        is_many = isinstance(relationship, ToMany)
        related, linkage = (self._to_many if is_many else self._to_one)(resource, relationship)
        own = {"parameters": [_id(resource)]}
        return {
            f"{url}/{relationship.name}": {**own, **related},
            f"{url}/{LINKAGE}/{relationship.name}": {**own, **linkage},
        }

    def _to_many(
        self, resource: Resource, relationship: Relationship
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        target, of = self._catalog.target(relationship), f"{resource.type}_{relationship.name}"
        name = relationship.name
        page = f"{target.type.capitalize()}IdentifierPage"
        shown = self._listed(target, 404, linked_by=relationship, schema=page)
        changes = {
            "post": (f"add_{of}", f"Add to the {name} of one", [KEY], [429]),
            "patch": (f"replace_{of}", f"Replace the {name} of one", [], []),
            "delete": (f"remove_{of}", f"Remove from the {name} of one", [], []),
        }
        body = self._body(f"{target.type.capitalize()}Identifiers")
        linkage = {
            method: {
                **_operation(operation, summary, resource.type),
                "parameters": [*more, IF_MATCH, UNLESS_MATCH],
                "requestBody": body,
                "responses": {
                    "204": {"description": "Done."},
                    **_problems(
                        *(400, 403, 404, 406, 408, 409, 412, 413, 415),
                        *([422] if more else []),
                        *statuses,
                        503,
                    ),
                },
            }
            for method, (operation, summary, more, statuses) in changes.items()
        }
        listing = _operation(
            f"list_{of}", f"List the {name} of one, a page at a time", resource.type
        )
        showing = _operation(
            f"show_{of}_identifiers", f"Read the ids of the {name} of one", resource.type
        )
        return (
            {"get": {**listing, **self._listed(target, 404)}},
            {"get": {**showing, **shown}, **linkage},
        )

    def _to_one(
        self, resource: Resource, relationship: Relationship
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        target, of = self._catalog.target(relationship), f"{resource.type}_{relationship.name}"
        name, kind = relationship.name, target.type.capitalize()
        sets = fieldsets(target, self._catalog)

        def read(schema: str, linked_by: Relationship | None = None) -> dict[str, Any]:
            included = include(target, self._catalog, 1, linked_by)
            return {
                "parameters": [*sets, included, IF_NONE_MATCH, IF_MATCH],
                "responses": {
                    "200": self._content("As it stands.", schema, headers=_ETAG),
                    **_NOT_MODIFIED,
                    **_problems(400, 404, 406, 412, 415, 503),
                },
            }

        showing = _operation(f"show_{of}", f"Read the {name} of one", resource.type)
        naming = _operation(
            f"show_{of}_identifier", f"Read the id of the {name} of one", resource.type
        )
        setting = _operation(f"set_{of}", f"Set the {name} of one", resource.type)
        change = {
            "parameters": [IF_MATCH, UNLESS_MATCH],
            "requestBody": self._body(f"{kind}Reference"),
            "responses": {
                "204": {"description": "Done."},
                **_problems(400, 403, 404, 406, 408, 409, 412, 413, 415, 503),
            },
        }
        return (
            {"get": {**showing, **read(f"{kind}OrNullDocument")}},
            {
                "get": {**naming, **read(f"{kind}ReferenceDocument", relationship)},
                "patch": {**setting, **change},
            },
        )

    def _listed(
        self,
        resource: Resource,
        *problems: int,
        linked_by: Relationship | None = None,
        schema: str | None = None,
    ) -> dict[str, Any]:
        """How a page of resources is asked for, and answered."""
        page = schema or f"{resource.type.capitalize()}Page"
        asked = list_parameters(resource, self._catalog, linked_by)
        return {
            "parameters": [*asked, IF_NONE_MATCH, IF_MATCH],
            "responses": {
                "200": self._content("A page.", page, headers=_ETAG),
                **_NOT_MODIFIED,
                **_problems(400, *problems, 406, 412, 415, 503),
            },
        }

    def _root_path(self) -> dict[str, Any]:
        collections = {"type": "object", "additionalProperties": {"type": "string"}}
        schema = object_of(["meta"], meta=object_of(["collections"], collections=collections))
        example = examples.ROOT | {
            "meta": {"collections": {each: f"{PREFIX}/{each}" for each in self._types}}
        }
        content = {JSONAPI: {"schema": schema, "example": example}}
        found = {"description": "The collections.", "content": content, "headers": _ETAG}
        responses = {"200": found, **_NOT_MODIFIED, **_problems(400, 406, 412, 415)}
        shown = {"parameters": [IF_NONE_MATCH, IF_MATCH], "responses": responses}
        return {PREFIX: {"get": {**_operation("show_root", "What the collections are"), **shown}}}

    def _operations_path(self) -> dict[str, Any]:
        def content(schema: str) -> dict[str, Any]:
            return {media_type(extension=EXTENSION): self._media(schema)}

        done = {"description": "What came of each.", "content": content("Results")}
        performed = {
            **_operation("perform_operations", "Perform many operations, or none", "operations"),
            "parameters": [KEY],
            "requestBody": {"required": True, "content": content("Operations")},
            "responses": {
                "200": done,
                **_problems(400, 403, 404, 406, 408, 409, 412, 413, 415, 422, 429, 503),
            },
        }
        return {f"{PREFIX}{OPERATIONS}": {"post": performed}}


def _under_prefix(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            yield from ((path, method, item[method]) for method in METHODS & item.keys())


def _problems(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in (*statuses, 500)
    }


def _id(resource: Resource) -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "schema": resource.id.json_schema()}


def _other_paths() -> dict[str, Any]:
    status = object_of(["status"], status={"type": "string"})
    places = object_of(["name", "links"], name={"type": "string"}, links={"type": "object"})
    front = {"name": "Roster", "links": {"api": PREFIX, "docs": "/docs"}}
    return {
        "/": _plain("front", "Where everything is", places, front),
        "/healthz": _plain("healthz", "Whether the process lives", status, {"status": "ok"}),
        "/readyz": _plain(
            "readyz", "Whether it can serve", status, {"status": "ready"}, **_problems(503)
        ),
        "/metrics": _page("metrics", "Counts and durations for Prometheus", _METRICS, 404),
        "/openapi.json": _plain(
            "openapi", "This description", object_of(["openapi"]), {"openapi": "3.1.0"}
        ),
        "/docs": _page("docs", "This description, for people", _PAGE),
    }


def _operation(name: str, summary: str, place: str = "service") -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "tags": [place]}


def _page(name: str, summary: str, found: dict[str, Any], *problems: int) -> dict[str, Any]:
    responses = {"200": found, **(_problems(*problems) if problems else {})}
    return {"get": {**_operation(name, summary), "responses": responses}}


def _plain(
    name: str, summary: str, schema: dict[str, Any], example: Any, **problems: Any
) -> dict[str, Any]:
    content = {JSON: {"schema": schema, "example": example}}
    found = {"description": f"{summary}.", "content": content}
    return {"get": {**_operation(name, summary), "responses": {"200": found, **problems}}}
