"""Every envelope gets a response that follows the contract."""

from typing import Any

import pytest
from api.constants import USERS
from api_client import ApiClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

ANN = {"email": "ann@example.org", "name": "Ann"}


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["users", "1", "ann@example.org", "\0", "\ud800", "2026-11-22T09:30:00Z"])
)
MEMBERS = [
    *("data", "type", "id", "lid", "attributes", "relationships", "links", "meta"),
    *("errors", "included", "jsonapi"),
]
ATTRIBUTES = ["email", "name", "is_active", "role", "creation_time", "update_time", "\ud800"]
NAMES = st.text(st.characters(), max_size=3) | st.sampled_from([*MEMBERS, *ATTRIBUTES])
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, ANYTHING, max_size=4)
ENVELOPES = ANYTHING | st.builds(
    lambda data, more: {**more, "data": data},
    ANYTHING
    | st.builds(
        lambda attributes, more: {"type": "users", **more, "attributes": attributes},
        ANYTHING | OBJECTS.map(lambda found: {**ANN, **found}),
        OBJECTS,
    ),
    OBJECTS,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=ENVELOPES, method=st.sampled_from(["POST", "PATCH"]))
def test_any_envelope_gets_a_valid_response(client: ApiClient, document: Any, method: str) -> None:
    url = USERS if method == "POST" else f"{USERS}/1"
    response = client.open(url, method=method, json=document)
    assert response.status_code in (200, 201, 400, 403, 404, 409, 422)
