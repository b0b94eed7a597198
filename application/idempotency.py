"""Idempotency keys: units of work that run once, even if clients retry their requests.

The response is stored in the transaction of the change. So both are stored or neither, even if the
process ends at any point.
"""

from collections.abc import Callable
from dataclasses import dataclass

from application.operations import OperationRefused
from application.ports import (
    IDEMPOTENCY_TTL,
    Context,
    StoredResponse,
    Unavailable,
    UnitOfWork,
    UnitRunner,
)
from application.units import nested
from domain.errors import RosterError


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request that the client may retry: its idempotency key, and a digest of its content.

    The key is unique among the keys of all principals. `owner` identifies the principal.
    """

    key: str
    digest: str
    owner: str


def run_idempotently(
    run: UnitRunner,
    request: IdempotentRequest,
    context: Context,
    respond: Callable[[UnitRunner], StoredResponse],
    render_error: Callable[[Exception], StoredResponse],
) -> StoredResponse:
    """Returns the stored response to the request; if there is none, creates and stores one.

    `respond` runs the request in the unit of work, and returns its response. If it raises a
    RosterError, its changes are rolled back, and the response of `render_error` is stored.

    Raises Unavailable if the request cannot be handled now; it then stores nothing. Also raises the
    errors of IdempotencyStore.reserve and IdempotencyStore.store.

    The unit locks the entities that it reads. So a response that contains an entity is stored
    either before an erasure of the entity, which then erases the response, or not at all.
    """

    def unit(work: UnitOfWork) -> StoredResponse:
        if stored := work.idempotency.reserve(
            request.key, request.digest, owner=request.owner, at=work.now
        ):
            return stored
        roll_back = work.savepoint()
        try:
            response = respond(nested(work))
        except Unavailable:
            raise
        except (RosterError, OperationRefused) as error:
            roll_back()
            response = render_error(error)
        work.idempotency.store(request.key, response)
        return response

    return run(context, unit, for_update=True)


def delete_expired_responses(work: UnitOfWork) -> int:
    """Deletes some of the expired responses, and returns their number."""
    return work.idempotency.delete_expired(work.now - IDEMPOTENCY_TTL)
