"""A unit of work leaves no reference cycles in memory."""

import gc

from contract.stores.directories import Directory

from application.ports import Context, StoredResponse
from application.users import USER_TYPE
from domain.users import NewUser


def use_every_part(directory: Directory, name: str) -> None:
    new = [NewUser(email=f"{name}{number}@example.org", name=name) for number in range(2)]
    with directory.begin(Context()) as work:
        work.idempotency.reserve(name, "digest", owner="o", at=work.now)
        assert list(work.repository(USER_TYPE).add_many(new, at=work.now)) == []
        found = work.repository(USER_TYPE).find_by_keys(
            USER_TYPE.unique[0], [each.email for each in new]
        )
        for user in found.values():
            work.repository(USER_TYPE).remove(user)
        work.idempotency.store(name, StoredResponse(204, {}, b""))
    assert directory.events.read_from(0, size=100)[-1][1].action == "deleted"


def test_a_unit_of_work_is_freed_when_it_ends(directory: Directory) -> None:
    use_every_part(directory, "first")  # creates the objects that remain
    gc.disable()
    gc.freeze()  # the collection examines only new objects, not those of other tests
    try:
        use_every_part(directory, "second")
        assert gc.collect() == 0
    finally:
        gc.unfreeze()
        gc.enable()
