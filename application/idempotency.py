"""Units of work that are executed once, however often they are requested under the same key.

The response is stored in the transaction of the change: both exist or neither, wherever a process
ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

from application.operations import OperationRefused
from application.ports import (
    IDEMPOTENCY_TTL,
    Begin,
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
    """A request that may be repeated: its key, and a digest of what it asks.

    The key is unique among the keys of all principals; `owner` identifies the principal.
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
    """The response to the first such request: `respond` creates it, in the unit that it gets.

    An error of the domain becomes a response as well, by `render_error`. The rest of the unit is
    then rolled back. Raises Unavailable if there is no response yet, and the errors of
    IdempotencyStore.reserve and IdempotencyStore.store.

    The unit holds what it reads. So a response with values of a resource is either stored before
    the resource is erased, and then erased with it, or not created at all.
    """

    def unit(work: UnitOfWork) -> StoredResponse:
        if stored := work.idempotency.reserve(
            request.key, request.digest, owner=request.owner, at=work.now
        ):
            return stored
        undo = work.savepoint()
        try:
            answer = respond(nested(work))
        except Unavailable:
            raise
        except (RosterError, OperationRefused) as refusal:
            undo()
            answer = render_error(refusal)
        work.idempotency.store(request.key, answer)
        return answer

    return run(context, unit, for_update=True)


def delete_expired_answers(begin: Begin) -> int:
    """Delete some of the expired responses in a unit of work, and return their number."""
    with begin(Context()) as work:
        return work.idempotency.delete_expired(work.now - IDEMPOTENCY_TTL)
