"""Sends the emails of the outbox in daemon threads: one claims them, and one sends each.

Requests do not wake the threads. The work for an email would slow the response or the next request.
Its time would then reveal which addresses exist.
"""

from datetime import timedelta
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import Final

import structlog

from application.accounts.delivery import ClaimedEmail, Delivery
from application.ports import MailFailed
from domain.accounts import Template

SECONDS_BETWEEN: Final = 1.0
AT_ONCE: Final = 4
"""The number of emails that are sent at the same time, if the mail server responds soon."""
MAX_AT_ONCE: Final = 32
SECONDS_OF_PATIENCE: Final = 0.1
"""The time after which an additional email is sent while AT_ONCE emails are being sent.

A mail server can hang for the time limit of an attempt. Other emails do not wait for that, because
the first attempt must follow within 5 s.
"""
SECONDS_OF_PAUSE: Final = 0.05
"""The pause after claiming an email that an unauthenticated request may have caused.

Most requests then coincide with no email, so the median of their times is that without emails.
"""
MAX_PACED_AGE: Final = timedelta(seconds=2)
"""Older emails are sent without a pause, because the first attempt must follow within 5 s."""
_CAUSED_BY_ANYONE: Final = frozenset((Template.SIGNUP, Template.TAKEN, Template.RECOVERY))
_SECONDS_BETWEEN_ENTRIES: Final = 60.0


class MailSender:
    """Sends due emails, so that a slow mail server delays few other emails."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._ended = Condition()
        self._sending = 0
        self._stopped = Event()
        self._log_entries = _FailureLog()

    def start(self, seconds_between: float = SECONDS_BETWEEN, at_once: int = AT_ONCE) -> None:
        """Starts the thread that looks for due emails at regular intervals."""
        Thread(target=self._run, args=(seconds_between, at_once), name="mail", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread, and the others after the emails that they are sending."""
        self._stopped.set()

    def _run(self, seconds_between: float, at_once: int) -> None:
        while not self._stopped.is_set():
            self._wait_for_others(at_once)
            if email := self._wait_for_email(seconds_between):
                if _is_paced(email):
                    self._stopped.wait(SECONDS_OF_PAUSE)
                self._start_sending(email)

    def _wait_for_others(self, at_once: int) -> None:
        with self._ended:
            self._ended.wait_for(lambda: self._sending < at_once, SECONDS_OF_PATIENCE)
            self._ended.wait_for(lambda: self._sending < MAX_AT_ONCE)

    def _wait_for_email(self, seconds_between: float) -> ClaimedEmail | None:
        while not self._stopped.is_set():
            try:
                email = self._delivery.claim()
            except Exception as error:  # noqa: BLE001 (the next attempt may succeed)
                self._log_entries.add(error)
                email = None
            if email is not None:
                return email
            self._stopped.wait(seconds_between)
        return None

    def _start_sending(self, email: ClaimedEmail) -> None:
        with self._ended:
            self._sending += 1
        try:
            Thread(target=self._send, args=(email,), name="mail", daemon=True).start()
        except RuntimeError:  # the system permits no other thread now
            self._send(email)

    def _send(self, email: ClaimedEmail) -> None:
        try:
            self._delivery.send(email)
        except Exception as error:  # noqa: BLE001 (the email is sent again)
            self._log_entries.add(error)
        else:
            self._log_entries.reset()
        finally:
            with self._ended:
                self._sending -= 1
                self._ended.notify()


def _is_paced(email: ClaimedEmail) -> bool:
    return email.waiting.template in _CAUSED_BY_ANYONE and email.age < MAX_PACED_AGE


class _FailureLog:
    """Logs failures. The same failure is logged at most once a minute, until an email is sent."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._next: dict[str, float] = {}

    def add(self, error: Exception) -> None:
        kind = type(error).__name__
        # The message of another error may contain an address or a token.
        reason = str(error) if isinstance(error, MailFailed) else getattr(error, "code", None)
        now = monotonic()
        with self._lock:
            key = f"{kind} {reason}"
            if now < self._next.get(key, now):
                return
            self._next = {each: end for each, end in self._next.items() if end > now}
            self._next[key] = now + _SECONDS_BETWEEN_ENTRIES
        structlog.get_logger("roster.mail").warning("mail_failed", failure=kind, reason=reason)

    def reset(self) -> None:
        with self._lock:
            self._next = {}
