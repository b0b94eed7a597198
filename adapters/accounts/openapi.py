"""The part of the OpenAPI document that describes accounts under the prefix."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.accounts.access import ME
from adapters.api.openapi import examples
from adapters.api.openapi.document import (
    ETAG,
    NOT_MODIFIED,
    Part,
    error_responses,
    id_parameter,
    operation_of,
)
from adapters.api.openapi.json_schema import closed_object, object_of, reference
from adapters.api.openapi.parameters import (
    IF_MATCH,
    IF_NONE_MATCH,
    NO_INCLUDE,
    UNLESS_MATCH,
    fields,
    fieldsets,
    include,
    list_parameters,
)
from adapters.api.openapi.schemas import VERSION, document_schema, page_schemas
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.content_negotiation import JSON, JSONAPI
from adapters.jsonapi.resource import Resource
from adapters.resources.accounts import (
    ACCOUNTS,
    CONFIRMATIONS,
    EMAILS,
    INVITATIONS,
    PASSWORDS,
    RECOVERIES,
    SESSIONS,
    SIGNUPS,
)
from adapters.resources.urls import PREFIX
from adapters.resources.users import USERS

TAG: Final = "accounts"
_SESSION_ID: Final = "nVYt0LnT7Jx0m4QxHgWc6A"
_TEXT: Final = {"type": "string", "pattern": "^[^\\u0000]*$"}
_NEW_PASSWORD: Final = {
    **_TEXT,
    "minLength": 8,
    "maxLength": 256,
    "description": "A new password. It must not be easy to guess. The minimum length is a setting.",
}
_TOKENS: Final = {
    "access_token": {"type": "string", "description": "A JWT (RFC 9068)."},
    "token_type": {"type": "string", "const": "Bearer"},
    "expires_in": {
        "type": "integer",
        "description": "The lifetime of the access token in seconds.",
    },
    "refresh_token": {"type": "string", "description": "For POST /oauth/token. It works once."},
    "scope": {"type": "string", "description": "The scopes, separated by spaces."},
}
TOKENS_SCHEMA: Final = object_of(list(_TOKENS), **_TOKENS)
TOKENS_EXAMPLE: Final = {
    "access_token": "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 600,
    "refresh_token": "rrt_Zm9yIGV4YW1wbGUsIDI1NiByYW5kb20gYml0cyBoZXJl",
    "scope": "users:read me",
}
_VERSION_EXAMPLE: Final = {"version": "1.1"}
_ACCEPTED: Final = {"jsonapi": _VERSION_EXAMPLE, "meta": {"status": "accepted"}}
_POSTED: Final = (400, 403, 406, 408, 409, 413, 415, 422, 429, 503)
_DONE: Final = {"204": {"description": "Done."}}
_SAME_FOR_ALL: Final = "Accepted. The response is the same for every address."
_INVITED: Final = "Accepted. The user gets an email with the link."


def account_description(catalog: Catalog) -> Part:
    """Returns the description. `catalog` has all resources."""
    described = _Described(USERS, catalog)
    return Part(
        described.paths(),
        described.schemas(),
        {TAG: "Login, sessions, and the passwords and addresses of users."},
        (SESSIONS.type,),
    )


class _Described:
    def __init__(self, users: Resource, catalog: Catalog) -> None:
        self._users = users
        self._catalog = catalog
        self._rules: Mapping[str, Mapping[str, dict[str, Any]]] = {
            SESSIONS.type: {},
            SIGNUPS.type: {name: _schema(users, name) for name in ("email", "name")},
            RECOVERIES.type: {"email": _schema(users, "email")},
            CONFIRMATIONS.type: {"password": _NEW_PASSWORD},
            PASSWORDS.type: {"password": _NEW_PASSWORD},
            EMAILS.type: {"email": _schema(users, "email")},
            INVITATIONS.type: {},
        }
        self._examples = {**examples.examples(users), **_examples()}

    def schemas(self) -> dict[str, Any]:
        """Returns the schemas of the documents, by their names."""
        sent = (SESSIONS, SIGNUPS, RECOVERIES, CONFIRMATIONS, PASSWORDS, EMAILS, INVITATIONS)
        with_tokens = {
            "allOf": [reference("Sessions"), object_of(["meta"], meta=reference("Tokens"))]
        }
        accepted = object_of(["jsonapi", "meta"], jsonapi=VERSION, meta={"type": "object"})
        account = page_schemas(ACCOUNTS)["Accounts"]
        return {
            **page_schemas(SESSIONS),
            "SessionsDocument": document_schema(reference("Sessions")),
            "Login": document_schema(with_tokens),
            "Tokens": TOKENS_SCHEMA,
            "Accounts": account,
            "AccountsDocument": document_schema(reference("Accounts")),
            "Accepted": accepted,
            **{f"{each.type.capitalize()}Creation": self._creation(each) for each in sent},
        }

    def _creation(self, resource: Resource) -> dict[str, Any]:
        rules = self._rules[resource.type]
        settable = resource.settable
        properties = {
            name: {
                **rules.get(name, _TEXT),
                "writeOnly": True,
                "examples": _examples_of(resource, name),
            }
            for name in settable
        }
        required = [name for name, each in settable.items() if each.required]
        members = {
            "type": {"type": "string", "const": resource.type},
            "attributes": closed_object(required, properties),
        }
        names = ["type", "attributes"] if required else ["type"]
        return object_of(["data"], data=object_of(names, **members))

    def paths(self) -> dict[str, Any]:
        """Returns the paths, in the order of their use."""
        return {**self._session_paths(), **self._link_paths(), **self._own_paths()} | (
            self._user_paths()
        )

    def _session_paths(self) -> dict[str, Any]:
        login = {
            **operation_of("log_in", "Log in with an email and a password", TAG),
            **self._posted(SESSIONS, 401),
        }
        location = {"Location": {"schema": {"type": "string"}}}
        created = self._content("The session. Its meta has the tokens.", "Login", headers=location)
        login["responses"] = {"201": created, **login["responses"]}
        session_id = {
            "name": "id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^(?:current|{SESSIONS.id.pattern})$"},
            "description": "The id, or `current` for the session of the token.",
        }
        url = f"{PREFIX}/{SESSIONS.type}"
        return {
            url: {
                "get": {
                    **operation_of("list_sessions", "List the user's own sessions", TAG),
                    **self._sessions_page(),
                },
                "post": login,
                "delete": {
                    **operation_of("end_sessions", "End all of the user's own sessions", TAG),
                    **self._conditional_deletion(),
                },
            },
            f"{url}/{{id}}": {
                "parameters": [session_id],
                "get": {
                    **operation_of("show_session", "Read one of the user's own sessions", TAG),
                    **self._one("SessionsDocument", [fields(SESSIONS), NO_INCLUDE]),
                },
                "delete": {
                    **operation_of("end_session", "End one session, or log out", TAG),
                    **self._conditional_deletion(),
                },
            },
        }

    def _link_paths(self) -> dict[str, Any]:
        recover = operation_of("recover", "Request a link to set a new password", TAG)
        sign_up = operation_of("sign_up", "Request a link that creates a user", TAG)
        confirm = operation_of("confirm", "Use an emailed link", TAG)
        return {
            f"{PREFIX}/signups": {"post": {**sign_up, **self._accepted(SIGNUPS)}},
            f"{PREFIX}/recoveries": {"post": {**recover, **self._accepted(RECOVERIES)}},
            f"{PREFIX}/confirmations": {"post": {**confirm, **self._done(CONFIRMATIONS)}},
        }

    def _own_paths(self) -> dict[str, Any]:
        shown = [*fieldsets(self._users, self._catalog), include(self._users, self._catalog)]
        document = f"{self._users.type.capitalize()}Document"
        body = f"{self._users.type.capitalize()}Change"
        changed = {
            **operation_of("change_me", "Change the user's own name", TAG),
            "parameters": [*shown, IF_MATCH, UNLESS_MATCH],
            "requestBody": self._body(body),
            "security": _bearer(ME),
            "responses": {
                "200": self._content("The changed user.", document, headers=ETAG),
                **error_responses(
                    *(400, 401, 403, 404, 406, 408, 409, 412, 413, 415, 422, 429, 503)
                ),
            },
        }
        password = operation_of("change_password", "Change the user's own password", TAG)
        email = operation_of("change_email", "Request a link that changes the address", TAG)
        return {
            f"{PREFIX}/me": {
                "get": {
                    **operation_of("show_me", "Read the user of the token", TAG),
                    **self._one(document, shown, ME),
                },
                "patch": changed,
            },
            f"{PREFIX}/me/password": {
                "post": {**password, **self._done(PASSWORDS, 401, 404, scopes=(ME,))}
            },
            f"{PREFIX}/me/email": {
                "post": {**email, **self._accepted(EMAILS, 401, 404, scopes=(ME,))}
            },
        }

    def _user_paths(self) -> dict[str, Any]:
        read, write = f"{self._users.type}:read", f"{self._users.type}:write"
        url = f"{PREFIX}/{self._users.type}/{{id}}"
        own = [id_parameter(self._users)]
        session_id = {**id_parameter(SESSIONS), "name": "sid"}
        invite = operation_of(
            "invite_user", "Send a user an email with a link to set a password", TAG
        )
        withdraw = operation_of("withdraw_links", "Invalidate the open links of a user", TAG)
        return {
            f"{url}/account": {
                "parameters": own,
                "get": {
                    **operation_of("show_account", "Read the account of a user", TAG),
                    **self._one("AccountsDocument", [fields(ACCOUNTS), NO_INCLUDE], read),
                },
            },
            f"{url}/sessions": {
                "parameters": own,
                "get": {
                    **operation_of("list_user_sessions", "List the sessions of a user", TAG),
                    **self._sessions_page(read),
                },
                "delete": {
                    **operation_of("end_user_sessions", "End all sessions of a user", TAG),
                    **self._conditional_deletion(write),
                },
            },
            f"{url}/sessions/{{sid}}": {
                "parameters": [*own, session_id],
                "get": {
                    **operation_of("show_user_session", "Read one session of a user", TAG),
                    **self._one("SessionsDocument", [fields(SESSIONS), NO_INCLUDE], read),
                },
                "delete": {
                    **operation_of("end_user_session", "End one session of a user", TAG),
                    **self._conditional_deletion(write),
                },
            },
            f"{url}/invitations": {
                "parameters": own,
                "post": {
                    **invite,
                    **self._accepted(INVITATIONS, 401, 404, scopes=(write,), text=_INVITED),
                },
                "delete": {**withdraw, **self._deletion(write)},
            },
        }

    def _sessions_page(self, *scopes: str) -> dict[str, Any]:
        return {
            "parameters": [*list_parameters(SESSIONS), IF_NONE_MATCH, IF_MATCH],
            "security": _bearer(*scopes),
            "responses": {
                "200": self._content("A page.", "SessionsPage", headers=ETAG),
                **NOT_MODIFIED,
                **error_responses(400, 401, 403, 404, 406, 412, 415, 503),
            },
        }

    def _one(self, schema: str, parameters: list[Any], *scopes: str) -> dict[str, Any]:
        return {
            "parameters": [*parameters, IF_NONE_MATCH, IF_MATCH],
            "security": _bearer(*scopes),
            "responses": {
                "200": self._content("The resource.", schema, headers=ETAG),
                **NOT_MODIFIED,
                **error_responses(400, 401, 403, 404, 406, 412, 415, 503),
            },
        }

    def _deletion(self, *scopes: str) -> dict[str, Any]:
        return {
            "security": _bearer(*scopes),
            "responses": {**_DONE, **error_responses(400, 401, 403, 404, 406, 415, 503)},
        }

    def _conditional_deletion(self, *scopes: str) -> dict[str, Any]:
        deletion = self._deletion(*scopes)
        responses = {**deletion["responses"], **error_responses(412)}
        return {**deletion, "parameters": [IF_MATCH, UNLESS_MATCH], "responses": responses}

    def _posted(
        self, resource: Resource, *statuses: int, scopes: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Returns the body and the errors. Without scopes, anyone may send the request."""
        return {
            "requestBody": self._body(f"{resource.type.capitalize()}Creation"),
            "security": _bearer(*scopes) if scopes else [],
            "responses": error_responses(*statuses, *_POSTED),
        }

    def _accepted(
        self,
        resource: Resource,
        *statuses: int,
        scopes: tuple[str, ...] = (),
        text: str = _SAME_FOR_ALL,
    ) -> dict[str, Any]:
        posted = self._posted(resource, *statuses, scopes=scopes)
        posted["responses"] = {"202": self._content(text, "Accepted"), **posted["responses"]}
        return posted

    def _done(
        self, resource: Resource, *statuses: int, scopes: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        posted = self._posted(resource, *statuses, scopes=scopes)
        posted["responses"] = {**_DONE, **posted["responses"]}
        return posted

    def _media(self, schema: str) -> dict[str, Any]:
        return {"schema": reference(schema), "example": self._examples[schema]}

    def _content(self, text: str, schema: str, **members: Any) -> dict[str, Any]:
        return {"description": text, "content": {JSONAPI: self._media(schema)}, **members}

    def _body(self, schema: str) -> dict[str, Any]:
        media = self._media(schema)
        return {"required": True, "content": {JSONAPI: media, JSON: media}}


def _bearer(*scopes: str) -> list[dict[str, list[str]]]:
    return [{"bearer": [*scopes]}]


def _schema(resource: Resource, name: str) -> dict[str, Any]:
    schema = resource.attributes[name].field.json_schema()
    return {key: value for key, value in schema.items() if key not in ("examples", "description")}


def _examples_of(resource: Resource, name: str) -> list[Any]:
    """Returns the examples of an attribute."""
    examples: list[Any] = resource.declared[name].field.metadata["examples"]
    return examples


def _examples() -> dict[str, Any]:
    """Returns examples of the documents, by the names of their schemas."""
    session = _resource_object(SESSIONS, _SESSION_ID, f"{PREFIX}/sessions/{_SESSION_ID}")
    url = f"{PREFIX}/users/1/account"
    page = {"self": f"{PREFIX}/sessions", "first": f"{PREFIX}/sessions", "prev": None, "next": None}
    listed = {**session, "meta": {"page": {"cursor": "3qGCaaCf2VQnWzFd"}}}
    sent = (SESSIONS, SIGNUPS, RECOVERIES, CONFIRMATIONS, PASSWORDS, EMAILS, INVITATIONS)
    return {
        "SessionsDocument": _document(session),
        "SessionsPage": {
            "jsonapi": _VERSION_EXAMPLE,
            "links": {**page, "describedby": "/openapi.json"},
            "data": [listed],
        },
        "Login": _document({**session, "meta": TOKENS_EXAMPLE}),
        "AccountsDocument": _document(_resource_object(ACCOUNTS, "1", url)),
        "Accepted": _ACCEPTED,
        **{
            f"{each.type.capitalize()}Creation": {
                "data": {
                    "type": each.type,
                    "attributes": {name: _examples_of(each, name)[0] for name in each.settable},
                }
            }
            for each in sent
        },
    }


def _resource_object(resource: Resource, resource_id: str, url: str) -> dict[str, Any]:
    return {
        "type": resource.type,
        "id": resource_id,
        "attributes": {name: _examples_of(resource, name)[0] for name in resource.attributes},
        "links": {"self": url},
    }


def _document(data: dict[str, Any]) -> dict[str, Any]:
    links = {"self": data["links"]["self"], "describedby": "/openapi.json"}
    return {"jsonapi": _VERSION_EXAMPLE, "links": links, "data": data}
