"""Maintenance deletes what has ended or expired, and nothing else."""

from typing import Any

import pytest
from accounts_service import ANONYMOUS, AccountService

from application.accounts.errors import InvalidCredentials
from domain.accounts import Purpose
from entrypoints.maintenance import Maintenance

KINDS = ("networks", "sessions", "tokens", "links", "outbox", "counters", "revocations")


def counts(service: AccountService) -> dict[str, int]:
    """The number of rows of each kind."""
    return {kind: len(getattr(service.store.account_tables, kind)) for kind in KINDS}


def maintain(service: AccountService) -> dict[str, int]:
    Maintenance(service.store, batch_seconds=60).run_once()
    return counts(service)


@pytest.fixture
def used(service: AccountService) -> AccountService:
    """A service with a row of each kind, and nothing that has expired."""
    ann = service.user()
    ended, _ = service.log_in(), service.log_in()
    service.sessions.end(ann.id, ended.session.id, ANONYMOUS)
    with pytest.raises(InvalidCredentials):
        service.log_in(password="wrong")
    service.links.recover(ann.email, ANONYMOUS)
    service.link_of(ann, Purpose.RECOVERY)
    assert all(counts(service).values())
    return service


def test_valid_data_remains(used: AccountService) -> None:
    before = counts(used)
    used.wait(minutes=14)
    assert maintain(used) == before
    assert used.log_in()


def test_each_kind_is_deleted_when_it_has_expired(used: AccountService) -> None:
    steps: list[tuple[dict[str, float], list[str]]] = [
        ({"minutes": 31}, ["links"]),
        ({"minutes": 30}, ["counters"]),
        ({"hours": 2}, ["revocations"]),
        ({"days": 7}, ["outbox", "sessions", "tokens"]),
        ({"days": 23}, ["networks"]),
    ]
    for duration, kinds in steps:
        before = counts(used)
        used.wait(**duration)
        after = maintain(used)
        assert [kind for kind in KINDS if after[kind] < before[kind] and not after[kind]] == sorted(
            kinds, key=KINDS.index
        )
    assert not any(counts(used).values())


@pytest.mark.slow
def test_large_numbers_are_deleted_in_one_run(service: AccountService) -> None:
    ann = service.user()
    for _ in range(1001):
        service.link_of(ann, Purpose.RECOVERY)
    tables: Any = service.store.account_tables
    assert len(tables.links) == 1001
    service.wait(minutes=31)
    assert maintain(service)["links"] == 0
    assert service.log_in()


def test_a_deletion_removes_the_emails_of_the_user_to_other_addresses(
    service: AccountService,
) -> None:
    ann = service.user()
    service.request_email(service.log_in().session, "ann@elsewhere.example")
    assert [each.address for each in service.emails()] == ["ann@elsewhere.example"]
    service.users.delete(ann.id, ANONYMOUS)
    assert service.emails() == []
