"""What a unit of work leaves in memory: nothing that waits for the collector of cycles."""

import gc

from application.ports import Context, StoredResponse
from domain.users import NewUser


def work_with_all_there_is(directory, name: str) -> None:
    new = [NewUser(email=f"{name}{number}@example.org", name=name) for number in range(2)]
    with directory.begin(Context()) as work:
        work.answers.reserve(name, "digest", owner="o", at=work.now)
        assert not work.users.add_many(new, at=work.now)
        held = work.users.holders([each.email for each in new])
        for user in held.values():
            work.users.remove(user)
        work.answers.keep(name, StoredResponse(204, {}, b""))
    assert len(directory.events.after(0, size=100)) > 0


def test_a_unit_of_work_is_let_go_as_soon_as_it_ends(directory) -> None:
    work_with_all_there_is(directory, "first")  # what is made once stays
    gc.collect()
    gc.disable()
    try:
        work_with_all_there_is(directory, "second")
        assert gc.collect() == 0
    finally:
        gc.enable()
