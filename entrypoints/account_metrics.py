"""The metrics of accounts: logins and emails."""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import Final

from adapters.web.metrics import Metrics
from application.accounts.counts import ResultCounts
from application.deadlines import deadline

_SECONDS_BETWEEN_COUNTS: Final = 5.0
_COUNT_SECONDS: Final = 1.0


def add_account_metrics(
    metrics: Metrics,
    logins: ResultCounts,
    emails: ResultCounts,
    count_waiting: Callable[[], int],
) -> None:
    """Adds the metrics of accounts. `count_waiting` is AccountReader.waiting_emails."""
    metrics.counter(
        "roster_logins",
        "Attempts to log in, by result: succeeded, or the error code of the response.",
        "result",
        logins.read,
    )
    metrics.counter(
        "roster_emails",
        "Attempts to send emails, by result: sent, retried (will be tried again) or failed.",
        "result",
        emails.read,
    )
    metrics.gauge(
        "roster_emails_waiting",
        "Emails that wait to be sent.",
        waiting_emails(count_waiting),
        is_shared=True,
    )


def waiting_emails(
    count: Callable[[], int], *, seconds: float = _SECONDS_BETWEEN_COUNTS
) -> Callable[[], float]:
    """Returns a function that reads the number of waiting emails, for a gauge with many readers.

    The function queries the store at most once in `seconds`. It returns the last number if the
    store fails.
    """
    lock = Lock()
    number, end = 0, 0.0

    def read() -> float:
        nonlocal number, end
        with lock:
            if monotonic() >= end:
                end = monotonic() + seconds
                # The other metrics must remain available when the store fails.
                with suppress(Exception), deadline(_COUNT_SECONDS):
                    number = count()
            return number

    return read
