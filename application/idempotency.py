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
    asked: IdempotentRequest,
    context: Context,
    answering: Callable[[UnitRunner], StoredResponse],
    refusing: Callable[[Exception], StoredResponse],
) -> StoredResponse:
    """The response to the first such request: `answering` creates it, in the unit that it gets.

    A refusal of the directory is a response as well, created by `refusing`; nothing else remains
    of the unit. Raises Unavailable if there is no response yet, and the errors of
    IdempotencyStore.reserve and IdempotencyStore.store.

    The unit holds what it reads. So a response with values of a resource is either stored before
    the resource is erased, and then erased with it, or not created at all.
    """

    def unit(work: UnitOfWork) -> StoredResponse:
        if kept := work.idempotency.reserve(
            asked.key, asked.digest, owner=asked.owner, at=work.now
        ):
            return kept
        undo = work.savepoint()
        try:
            answer = answering(nested(work))
        except Unavailable:
            raise
        except (RosterError, OperationRefused) as refusal:
            undo()
            answer = refusing(refusal)
        work.idempotency.store(asked.key, answer)
        return answer

    return run(context, unit, for_update=True)


def delete_expired_answers(begin: Begin) -> int:
    """Delete some of the expired responses in a unit of work, and return their number."""
    with begin(Context()) as work:
        return work.idempotency.delete_expired(work.now - IDEMPOTENCY_TTL)
