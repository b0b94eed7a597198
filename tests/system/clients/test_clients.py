"""Existing JSON:API clients. Each runs one session with a real server."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.clients

NPM = ["kitsu", "orbit", "devour", "spraypaint", "ra-jsonapi-client", "angular"]
PYTHON = ["with_jsonapi_client", "with_jsonapi_requests"]
PROGRAM = dict.fromkeys(NPM, ("node", "session.mjs")) | dict.fromkeys(
    PYTHON, ("python", "session.py")
)


@pytest.mark.parametrize("client", [*NPM, *PYTHON])
def test_a_client_works_with_users_and_groups_and_reads_errors(
    run: Callable[..., str], base_url: str, client: str
) -> None:
    program, session = PROGRAM[client]
    assert f"{client}: all done" in run(program, session, client, base_url)
