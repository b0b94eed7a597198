"""Kills processes that send an email, each before another line that it executes.

Prints, for each process, how many times the email was sent in the end. Arguments: an empty folder,
and the number of lines between two kills. With 1, a process is killed before each line.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from shutil import copytree
from typing import Any

from adapters.mail.folder import FolderMailer
from adapters.mail.links import account_links
from adapters.mail.message import Composer, parse_sender
from adapters.mail.templates import MailTemplates
from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.accounts.delivery import LEASE, Delivery
from application.ports import Context
from application.units import retrying
from application.users import USER_TYPE
from domain.accounts import Template, WaitingEmail
from domain.users import NewUser

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TRACED = ("application/accounts/delivery.py", "adapters/mail/folder.py", "adapters/sql/outbox.py")


class Tokens:
    def link_token(self) -> str:
        return f"rlt_{token_urlsafe(32)}"


def open_store(folder: Path, now: datetime) -> SqlStore:
    engine = make_engine(f"sqlite:///{folder}/roster.db")
    return SqlStore(engine, lambda: now, [USERS_TABLE])


def make_delivery(folder: Path, store: SqlStore) -> Delivery:
    links = account_links("http://127.0.0.1:5000")
    composer = Composer(MailTemplates(), links, parse_sender("roster@example.com"))
    tokens: Any = Tokens()
    return Delivery(
        retrying(store.begin), FolderMailer(composer, folder / "mail"), tokens, lambda _: 2 * LEASE
    )


def add_email(folder: Path) -> None:
    schema.upgrade(make_engine(f"sqlite:///{folder}/roster.db"))
    with open_store(folder, START).begin(Context()) as work:
        new = NewUser(email="ann@example.org", name="Ann", is_active=True)
        user = work.repository(USER_TYPE).add(new, at=START)
        email = WaitingEmail(0, Template.RECOVERY, user.id, user.email, None, "abc@roster", START)
        work.accounts.outbox.add(email, at=START)


def send_until_killed(folder: Path, lines: int) -> None:
    """Sends the email, and ends the process before a line. A finished process exits with 0."""
    delivery = make_delivery(folder, open_store(folder, START))
    executed = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal executed
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            executed += 1
            if executed > lines:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    delivery.send_next()


def send_the_rest(folder: Path) -> None:
    """Sends what another worker would send later. Prints how many emails were sent in all."""
    store = open_store(folder, START + LEASE)
    delivery = make_delivery(folder, store)
    while delivery.send_next():
        pass
    emails = list((folder / "mail").glob("*.eml"))
    with store.begin(Context()) as work:
        for email in emails:
            token = re.search(r"token=(rlt_[\w-]+)&", email.read_text())
            assert token
            assert work.accounts.links.get(sha256(token[1].encode()).digest())
        assert work.accounts.outbox.claim(START + 10 * LEASE, until=START + 11 * LEASE) is None
    print(len(emails), flush=True)  # noqa: T201


def in_process(run: Callable[[], None]) -> int:
    """Runs in a process of its own, and returns its status."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
        except BaseException:  # noqa: BLE001 (the process ends with it)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(directory: Path, step: int) -> None:
    lines, status = 0, -signal.SIGKILL
    prepared = directory / "prepared"
    prepared.mkdir()
    assert in_process(lambda: add_email(prepared)) == 0
    while status == -signal.SIGKILL:
        folder = directory / str(lines)
        copytree(prepared, folder)
        status = in_process(partial(send_until_killed, folder, lines))
        assert in_process(partial(send_the_rest, folder)) == 0
        lines += step
    assert status == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
