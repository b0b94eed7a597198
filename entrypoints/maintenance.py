"""What the service does from time to time, whatever is requested of it.

It deletes stored responses that have expired, and removes what is left of erased values in the file
of SQLite.
"""

from threading import Thread
from time import sleep
from typing import Final, Protocol

from application.deadlines import deadline
from application.idempotency import delete_expired_answers
from application.ports import Begin
from entrypoints import logs

SECONDS_BETWEEN: Final = 60.0
_SECONDS_BETWEEN_BATCHES: Final = 0.05
"""So that requests get their turn among them."""
_MAX_SECONDS: Final = 600.0


class Store(Protocol):
    """What needs upkeep."""

    @property
    def begin(self) -> Begin: ...

    def purge(self) -> None: ...


class Maintenance:
    """Looks after a store, in a thread that ends with the process and is not waited for."""

    def __init__(self, store: Store, *, batch_seconds: float) -> None:
        self._store = store
        self._batch_seconds = batch_seconds
        self._failure: str | None = None

    def start(self, seconds_between: float = SECONDS_BETWEEN) -> None:
        """Do it now, and again and again."""
        Thread(target=self._run, args=(seconds_between,), name="upkeep", daemon=True).start()

    def _run(self, seconds_between: float) -> None:
        while True:
            self.run_once()
            sleep(seconds_between)

    def run_once(self) -> None:
        """Do what there is to do. A failure is logged, once for those of one kind in a row."""
        try:
            self._delete_expired_answers()
            with deadline(_MAX_SECONDS):
                self._store.purge()
        except Exception as error:  # noqa: BLE001 (the next time may be better, whatever it was)
            self._log(error)
        else:
            self._failure = None

    def _delete_expired_answers(self) -> None:
        count = 1
        while count:
            with deadline(self._batch_seconds):
                count = delete_expired_answers(self._store.begin)
            if count:
                sleep(_SECONDS_BETWEEN_BATCHES)

    def _log(self, error: Exception) -> None:
        kind = type(error).__name__
        if kind != self._failure:
            self._failure = kind
            # The text of an unforeseen error may quote values.
            code = getattr(error, "code", None)
            logs.get_logger("roster.upkeep").warning("upkeep_failed", failure=kind, code=code)
