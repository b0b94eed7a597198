"""What a unit of work leaves in memory: nothing that waits for the collector of cycles."""

import gc

from application.ports import Context, StoredResponse
from application.users import USER_TYPE
from domain.users import NewUser


def work_with_all_there_is(directory, name: str) -> None:
    new = [NewUser(email=f"{name}{number}@example.org", name=name) for number in range(2)]
    with directory.begin(Context()) as work:
        work.idempotency.reserve(name, "digest", owner="o", at=work.now)
        assert not work.repository(USER_TYPE).add_many(new, at=work.now)
        held = work.repository(USER_TYPE).find_by_keys(
            USER_TYPE.unique[0], [each.email for each in new]
        )
        for user in held.values():
            work.repository(USER_TYPE).remove(user)
        work.idempotency.store(name, StoredResponse(204, {}, b""))
    assert len(directory.events.read_from(0, size=100)) > 0


def test_a_unit_of_work_is_let_go_as_soon_as_it_ends(directory) -> None:
    work_with_all_there_is(directory, "first")  # what is made once stays
    gc.collect()
    gc.disable()
    try:
        work_with_all_there_is(directory, "second")
        assert gc.collect() == 0
    finally:
        gc.enable()
