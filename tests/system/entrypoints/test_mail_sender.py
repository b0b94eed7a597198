"""The thread that sends emails continues after every failure, and a slow email delays no other."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from queue import Empty, Queue
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from waiting import until

from application.ports import MailFailed, Unavailable
from domain.accounts import Template
from entrypoints.account_metrics import waiting_emails
from entrypoints.mail_sender import (
    MAX_AT_ONCE,
    MAX_PACED_AGE,
    SECONDS_OF_PATIENCE,
    SECONDS_OF_PAUSE,
    MailSender,
)


class Step:
    """A claimed email, and the attempt to send it."""

    def __init__(
        self,
        attempt: Callable[[], Any],
        template: Template = Template.INVITATION,
        age: timedelta = timedelta(0),
    ) -> None:
        self.attempt = attempt
        self.age = age
        self.waiting = SimpleNamespace(template=template)


class Steps:
    """A delivery whose claims and attempts are those that a test adds."""

    def __init__(self) -> None:
        self.claims: Queue[Any] = Queue()
        self.sent: Queue[Any] = Queue()

    def claim(self) -> Any:
        if self.claims.empty():
            return None
        claimed = self.claims.get()
        if isinstance(claimed, Exception):
            raise claimed
        return claimed

    def send(self, claimed: Step) -> None:
        self.sent.put(claimed.attempt())


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def sender(steps: Steps) -> Iterator[MailSender]:
    delivery: Any = steps
    created = MailSender(delivery)
    yield created
    created.stop()


def fail(error: Exception) -> Step:
    def step() -> None:
        raise error

    return Step(step)


def test_due_emails_are_found(steps: Steps, sender: MailSender) -> None:
    sender.start(seconds_between=0.01)
    steps.claims.put(Step(lambda: "sent"))
    assert steps.sent.get(timeout=20) == "sent"


def test_a_slow_email_delays_no_other(steps: Steps, sender: MailSender) -> None:
    sender.start(seconds_between=0.01)
    release = Event()
    steps.claims.put(Step(lambda: release.wait(20)))
    for name in ("first", "second"):
        steps.claims.put(Step(partial(str, name)))
    assert {steps.sent.get(timeout=20), steps.sent.get(timeout=20)} == {"first", "second"}
    release.set()


def test_emails_that_hang_delay_the_first_attempts_of_others_for_less_than_5_seconds(
    steps: Steps, sender: MailSender
) -> None:
    """The mail server accepts connections, and does not respond."""
    sender.start(seconds_between=0.01)
    release = Event()
    began = monotonic()
    for _ in range(20):
        steps.claims.put(Step(lambda: release.wait(20)))
    steps.claims.put(Step(monotonic))
    assert steps.sent.get(timeout=20) - began < 5
    release.set()


def test_no_more_than_32_emails_are_sent_at_once(steps: Steps, sender: MailSender) -> None:
    sender.start(seconds_between=0.01)
    release = Event()
    for _ in range(MAX_AT_ONCE + 10):
        steps.claims.put(Step(lambda: release.wait(20)))
    until(lambda: steps.claims.qsize() == 10)
    with pytest.raises(Empty):
        steps.sent.get(timeout=2 * SECONDS_OF_PATIENCE)
    assert steps.claims.qsize() == 10
    release.set()
    for _ in range(MAX_AT_ONCE + 10):
        assert steps.sent.get(timeout=20)


@pytest.mark.parametrize("template", [Template.SIGNUP, Template.TAKEN, Template.RECOVERY])
def test_emails_that_anyone_can_cause_leave_time_for_requests(
    steps: Steps, sender: MailSender, template: Template
) -> None:
    """Otherwise the times of the responses would reveal which addresses exist."""
    for _ in range(4):
        steps.claims.put(Step(monotonic, template))
    sender.start(seconds_between=0.01)
    times = sorted(steps.sent.get(timeout=20) for _ in range(4))
    assert times[3] - times[0] > 2 * SECONDS_OF_PAUSE


def test_emails_that_wait_for_long_are_sent_without_a_pause(
    steps: Steps, sender: MailSender
) -> None:
    for _ in range(200):
        steps.claims.put(Step(monotonic, Template.SIGNUP, age=MAX_PACED_AGE))
    sender.start(seconds_between=0.01)
    times = sorted(steps.sent.get(timeout=20) for _ in range(200))
    assert times[-1] - times[0] < 100 * SECONDS_OF_PAUSE


def test_failures_are_logged_once_without_values(steps: Steps, sender: MailSender) -> None:
    secret = "ann@example.org rlt_secret"
    with capture_logs() as lines:
        for _ in range(3):
            steps.claims.put(Unavailable())
            steps.claims.put(ValueError(secret))
            steps.claims.put(fail(MailFailed("the server refused RCPT: 550", is_certain=True)))
            steps.claims.put(fail(KeyError(secret)))
        steps.claims.put(Step(lambda: "sent"))
        sender.start(seconds_between=0.001, at_once=1)
        assert steps.sent.get(timeout=20) == "sent"
    assert [(line["failure"], line["reason"]) for line in lines] == [
        ("Unavailable", "unavailable"),
        ("ValueError", None),
        ("MailFailed", "the server refused RCPT: 550"),
        ("KeyError", None),
    ]
    assert "secret" not in str(lines)


def test_the_number_of_waiting_emails_survives_failures() -> None:
    results: list[Any] = [3]

    def count() -> int:
        result = results[-1]
        if isinstance(result, Exception):
            raise result
        return int(result)

    read = waiting_emails(count, seconds=0)
    assert read() == 3
    for error in (Unavailable(), LookupError()):
        results.append(error)
        assert read() == 3
    results.append(1)
    assert read() == 1
