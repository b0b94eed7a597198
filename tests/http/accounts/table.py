"""The URLs of accounts, with a valid body and the access that each requires."""

from typing import Any, NamedTuple

PREFIX = "/api/v1"
PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "an entirely different secret"

ANYONE, SELF, ME, READ, WRITE = "anyone", "self", "me", "users:read", "users:write"


class Route(NamedTuple):
    """A method of a URL. `sent` are the type and the attributes of a valid body."""

    method: str
    url: str
    access: str
    sent: tuple[str, dict[str, str]] | None = None

    @property
    def body(self) -> Any:
        """The document of a valid request."""
        return document(self.sent[0], **self.sent[1]) if self.sent else None


def document(resource_type: str, **attributes: Any) -> dict[str, Any]:
    """The document of a new resource."""
    return {"data": {"type": resource_type, "attributes": attributes}}


ROUTES = (
    Route(
        "POST",
        "/sessions",
        ANYONE,
        ("sessions", {"email": "ann@example.org", "password": PASSWORD}),
    ),
    Route("GET", "/sessions", SELF),
    Route("DELETE", "/sessions", SELF),
    Route("GET", "/sessions/current", SELF),
    Route("DELETE", "/sessions/current", SELF),
    Route("POST", "/signups", ANYONE, ("signups", {"email": "bob@example.org", "name": "Bob"})),
    Route("POST", "/recoveries", ANYONE, ("recoveries", {"email": "ann@example.org"})),
    Route(
        "POST",
        "/confirmations",
        ANYONE,
        ("confirmations", {"token": "rlt_x", "password": NEW_PASSWORD}),
    ),
    Route("GET", "/me", ME),
    Route("PATCH", "/me", ME, ("users", {"name": "Ann Other"})),
    Route(
        "POST",
        "/me/password",
        ME,
        ("passwords", {"current_password": PASSWORD, "password": NEW_PASSWORD}),
    ),
    Route("POST", "/me/email", ME, ("emails", {"email": "new@example.org", "password": PASSWORD})),
    Route("GET", "/users/1/account", READ),
    Route("GET", "/users/1/sessions", READ),
    Route("DELETE", "/users/1/sessions", WRITE),
    Route("GET", "/users/1/sessions/ID", READ),
    Route("DELETE", "/users/1/sessions/ID", WRITE),
    Route("POST", "/users/1/invitations", WRITE, ("invitations", {})),
    Route("DELETE", "/users/1/invitations", WRITE),
)
OF_ANYONE = [each for each in ROUTES if each.access == ANYONE]
OF_USERS = [each for each in ROUTES if each.access in (SELF, ME)]
WITH_SCOPES = [each for each in ROUTES if each.access in (READ, WRITE)]
WITH_BODY = [each for each in ROUTES if each.sent]
