"""URLs and media types of the API."""

USERS = "/api/v1/users"
GROUPS = "/api/v1/groups"
OPERATIONS = "/api/v1/operations"
JSONAPI = "application/vnd.api+json"
ATOMIC = f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"'
PROFILE = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination"
