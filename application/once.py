"""Units of work that happen once, however often they are asked for under the same key.

The answer is kept in the transaction of the change: either there are both or there is neither,
wherever a process ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

from application.operations import OperationRefused
from application.ports import Answer, Context, Run, Unavailable, UnitOfWork
from application.units import joining
from domain.errors import RosterError


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request that may be repeated: the key of its repetitions, and a digest of what it asks.

    The key is one among all principals' keys.
    """

    key: str
    digest: str


def once(
    run: Run,
    asked: Keyed,
    context: Context,
    answering: Callable[[Run], Answer],
    refusing: Callable[[Exception], Answer],
) -> Answer:
    """The answer to the first such request: `answering` makes it, in the unit that it is given.

    What the directory refuses is an answer too, in the words of `refusing`, and leaves nothing
    but itself. Raises Unavailable where there is no answer yet, KeyReused if the key was for
    something else, KeyInUse if the first such request has no answer in time.
    """

    def unit(work: UnitOfWork) -> Answer:
        if kept := work.answers.reserve(asked.key, asked.digest, at=work.now):
            return kept
        undo = work.mark()
        try:
            answer = answering(joining(work))
        except Unavailable:
            raise
        except (RosterError, OperationRefused) as refusal:
            undo()
            answer = refusing(refusal)
        work.answers.keep(asked.key, answer)
        return answer

    return run(context, unit)
