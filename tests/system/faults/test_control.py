"""The account counts real losses."""

from collections.abc import Callable

from faults.accounts import Account
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service


def test_the_losses_of_a_database_without_synchronous_commit_are_counted(
    new_postgres: Callable[..., Postgres],
    serve: Callable[..., Service],
    report: Callable[[str, Load], Account],
) -> None:
    # Acknowledged changes remain in memory for up to ten seconds, and kill -9 loses them.
    postgres = new_postgres(synchronous_commit="off", wal_writer_delay="10s")
    postgres.create()
    service = serve(postgres.url)
    postgres.execute("CHECKPOINT")  # the tables must remain
    with Load(service) as load:
        postgres.kill()
        load.stop()
        postgres.start()
        load.recovered()
    found = report("CONTROL: no synchronous commit, PostgreSQL killed", load)
    assert found.lost > 0
