"""Whether the count sees what it is there to see."""

from collections.abc import Callable

from faults.accounts import Account
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service


def test_the_count_sees_what_a_database_without_synchronous_commit_loses(
    new_postgres: Callable[..., Postgres],
    serve: Callable[..., Service],
    report: Callable[[str, Load], Account],
) -> None:
    # What it acknowledges is in its memory for up to ten seconds, and kill -9 takes that away.
    postgres = new_postgres(synchronous_commit="off", wal_writer_delay="10s")
    postgres.create()
    service = serve(postgres.url)
    postgres.execute("CHECKPOINT")  # the tables are to stay
    with Load(service) as load:
        postgres.kill()
        load.stop()
        postgres.start()
        load.mended()
    found = report("CONTROL: no synchronous commit, PostgreSQL killed", load)
    assert found.lost > 0
