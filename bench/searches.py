"""python -m bench.searches: measures the cost of each of Roster's reads as the table grows."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import median

import click

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.parameters import collection
from adapters.resources.users import USERS
from adapters.sql.engine import make_engine
from adapters.sql.repository import SqlReader
from adapters.sql.secrets import SqlSecrets
from adapters.sql.users import USERS_TABLE
from bench.database import Database, database
from bench.measuring import measure
from bench.scenarios import Load, read_one
from bench.servers import SERVERS, Running, running
from entrypoints.container import make_keys, utc_now

UNIQUE = "quentin"
RENAME = (
    f"UPDATE users SET name = '{UNIQUE} ' || id, name_key = '{UNIQUE} ' || id WHERE id <= 10",
    "VACUUM ANALYZE users",
    "CHECKPOINT",
)
DEPTHS = (0.1, 0.9)


@click.command()
@click.option(
    "--rows", default="10000,10000000", show_default=True, help="The sizes, separated by commas."
)
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=1, show_default=True, help="Duration of each measurement.")
def main(rows: str, rounds: int, seconds: int) -> None:
    """Print the CPU microseconds per request, of application and database, for each size.

    The sizes are measured in turn, round by round. A page has 25 users.
    """
    with ExitStack() as stack:
        filled = [stack.enter_context(database(int(size))) for size in rows.split(",")]
        for each in filled:
            each.execute(*RENAME)
        served = [stack.enter_context(running(SERVERS["roster"], each)) for each in filled]
        searches = [_searches(*pair) for pair in zip(served, filled, strict=True)]
        click.echo(f"| search | {' | '.join(rows.split(','))} | times |")
        for name in searches[0]:
            costs: list[list[float]] = [[] for _ in filled]
            for _ in range(rounds):
                for of_size, server, base, loads in zip(
                    costs, served, filled, searches, strict=True
                ):
                    cost = measure(server, loads[name], base, seconds)
                    of_size.append(cost.application + cost.database)
            first, *others = [median(each) for each in costs]
            cells = " | ".join(f"{each:.0f}" for each in (first, *others))
            click.echo(f"| {name} | {cells} | {(others or [first])[-1] / first:.2f} |")


def _searches(served: Running, filled: Database) -> Mapping[str, Load]:
    return dict(_named_searches(served, filled))


def _named_searches(served: Running, filled: Database) -> Iterator[tuple[str, Load]]:
    def load(query: str) -> Load:
        return Load(f"{served.server.collection}?{query.replace('[', '%5B').replace(']', '%5D')}")

    yield "one user", read_one(served)
    yield "the user of an email", load("filter[email]=person0000777@example.org")
    yield "ten emails by their beginning", load("filter[email][starts_with]=person000012")
    yield "ten names by their beginning", load(f"filter[name][starts_with]={UNIQUE}")
    engine = make_engine(filled.url)
    secrets = SqlSecrets(engine, utc_now)
    cursors = Cursors(make_keys(None, secrets))
    for depth in DEPTHS:
        user = SqlReader(USERS_TABLE, engine).get(int(filled.users * depth))
        for filters in ("", "filter[role]=admin", "filter[is_active]=false"):
            for attribute in USERS.sortable:
                for sign in ("", "-"):
                    query = "&".join(filter(None, (f"sort={sign}{attribute}", filters)))
                    list_cursors = collection(query, USERS, cursors).cursors
                    cursor = list_cursors.write(list_cursors.key(user))
                    yield f"{query}, after {depth:.0%}", load(f"{query}&page[after]={cursor}")
    engine.dispose()


if __name__ == "__main__":
    main()
