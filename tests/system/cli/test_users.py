"""roster users, as a user runs it."""

import json
from collections.abc import Callable

import httpx
import pytest
from click.testing import Result

from adapters.sql.users import USERS_TABLE
from application.users import USER_TYPE

Roster = Callable[..., Result]


def create(roster: Roster, email: str = "ann@example.org", name: str = "Ann", *more: str) -> None:
    assert roster("users", "create", "--email", email, "--name", name, *more).exit_code == 0


def emails(listed: Result) -> list[str]:
    assert listed.exit_code == 0, listed.stderr
    return [line.split()[1] for line in listed.stdout.splitlines()[1:]]


def test_a_user_is_shown_by_id_and_by_email_ignoring_case(roster: Roster) -> None:
    create(roster, "ann@example.org", "Ann Example", "--active", "--role", "admin")
    for which in ("1", "ann@example.org", "ANN@Example.org"):
        shown = roster("users", "show", which)
        assert shown.exit_code == 0
        assert "ann@example.org  Ann Example  true       admin" in shown.stdout


def test_markup_in_a_name_is_shown_unchanged(roster: Roster) -> None:
    create(roster, name="[red]Ann[/] :smile:")
    assert "[red]Ann[/] :smile:" in roster("users", "show", "1").stdout


def test_every_error_of_a_new_user_is_printed(roster: Roster) -> None:
    refused = roster("users", "create", "--email", "ann", "--name", " ", "--role", "Boss")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    for code in ("invalid_email: email", "blank: name", "invalid_format: role"):
        assert code in refused.stderr
    missing = roster("users", "create", "--name", "Ann")
    assert (missing.exit_code, missing.stderr) == (1, "Error: missing: email is required.\n")


def test_an_email_that_is_taken_is_rejected(roster: Roster) -> None:
    create(roster)
    refused = roster("users", "create", "--email", "ANN@example.org", "--name", "Other")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "Error: email_taken: Another user has this email.\n"


def test_an_update_changes_only_the_given_attributes(roster: Roster) -> None:
    create(roster, "ann@example.org", "Ann", "--active")
    assert roster("users", "update", "ann@example.org", "--role", "admin").exit_code == 0
    assert "ann@example.org  Ann   true       admin" in roster("users", "show", "1").stdout
    assert roster("users", "update", "1", "--inactive", "--name", "Anne").exit_code == 0
    assert "ann@example.org  Anne  false      admin" in roster("users", "show", "1").stdout


@pytest.mark.parametrize("command", ["show", "update", "delete"])
def test_a_user_that_does_not_exist_is_reported(roster: Roster, command: str) -> None:
    for which in ("7", "bob@example.org", "007", "99999999999999999999"):
        refused = roster("users", command, which)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr == f"Error: user_not_found: There is no user {which}.\n"


def test_a_deleted_user_is_gone(roster: Roster) -> None:
    create(roster)
    assert roster("users", "delete", "ANN@example.org").stdout == "Deleted user 1.\n"
    assert roster("users", "show", "1").exit_code == 1


def test_lists_are_filtered_sorted_and_limited_as_over_http(roster: Roster) -> None:
    for name, role in (("Ann", "admin"), ("Bob", "user"), ("Cid", "admin"), ("Deb", "user")):
        create(roster, f"{name.lower()}@x.test", name, "--role", role)
    assert emails(roster("users", "list", "--limit", "2")) == ["ann@x.test", "bob@x.test"]
    admins = roster("users", "list", "--filter", "role=admin", "--sort", "-name")
    assert emails(admins) == ["cid@x.test", "ann@x.test"]
    for spelling in ("name[contains]=B", "filter[name][contains]=B"):
        assert emails(roster("users", "list", "--filter", spelling)) == ["bob@x.test", "deb@x.test"]
    both = roster("users", "list", "--filter", "role=user", "--filter", "id[gt]=2")
    assert emails(both) == ["deb@x.test"]
    words = roster("users", "list", "--filter", "q=x.test DEB", "--filter", "role=user")
    assert emails(words) == ["deb@x.test"]
    recent = roster("users", "list", "--filter", "creation_time[ge]=2000-01-01", "--limit", "1")
    assert emails(recent) == ["ann@x.test"]
    names = roster("users", "list", "--fields", "name", "--limit", "1")
    assert [line.split() for line in names.stdout.splitlines()] == [["id", "name"], ["1", "Ann"]]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--filter", "shoe=44"], "unknown_attribute: Unknown attribute 'shoe'. Known: email, "),
        (["--filter", "is_active[lt]=true"], "is_active cannot be filtered by 'lt'."),
        (["--filter", "id=abc"], "'abc' is not a valid id."),
        (["--filter", "role=Admin"], "'Admin' is not a valid role."),
        (["--filter", "role"], "'role' is not ATTR=VALUE."),
        (["--filter", "q=  "], "filter[q] is empty. Send 1 to 8 words, separated by spaces."),
        (["--filter", "is_active=yes"], "'yes' is not a valid is_active. It must be true or false"),
        (["--filter", "createdAt=1"], "'createdAt'. Did you mean 'creation_time'? Known: "),
        (["--sort", "-created_at"], "'created_at'. Did you mean 'creation_time'? Known: "),
        (["--sort", "shoe"], "unknown_attribute"),
        (["--fields", "shoe"], "unknown_attribute"),
        (["--limit", "0"], "0 is not in the range"),
        (["--limit", "25", "--all"], "--limit cannot be combined with --all."),
        (["--shoe"], "No such option"),
    ],
)
def test_an_invalid_list_option_is_wrong_usage(
    roster: Roster, arguments: list[str], error: str
) -> None:
    refused = roster("users", "list", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert error in refused.stderr


def test_a_space_in_a_filter_has_no_advice_about_plus_signs(roster: Roster) -> None:
    refused = roster("users", "list", "--filter", "email=a b@x.test")
    assert "'a b@x.test' is not a valid email." in refused.stderr
    assert "%2B" not in refused.stderr
    create(roster, "a+b@x.test", "Ann")
    assert emails(roster("users", "list", "--filter", "email=a+b@x.test")) == ["a+b@x.test"]


def test_lists_longer_than_a_page_are_complete(roster: Roster, many: int) -> None:
    for arguments, count in ((["--all"], many), (["--limit", "1001"], 1001)):
        as_json = json.loads(roster("users", "list", *arguments, "--json").stdout)
        assert [int(user["id"]) for user in as_json["data"]] == list(range(1, count + 1))
        table = roster("users", "list", *arguments).stdout.splitlines()
        assert len([line for line in table if "@x.test" in line]) == count


@pytest.fixture
def many(roster: Roster, sqlite_url: str) -> int:
    """Creates more users than fit on a page, and returns their number."""
    from adapters.sql.engine import make_engine
    from adapters.sql.store import SqlStore
    from application.ports import Context
    from domain.users import NewUser
    from entrypoints.container import utc_now

    engine = make_engine(sqlite_url)
    with SqlStore(engine, utc_now, [USERS_TABLE]).begin(Context()) as work:
        for number in range(1002):
            work.repository(USER_TYPE).add(
                NewUser(email=f"u{number}@x.test", name=f"U{number}"), at=work.now
            )
    engine.dispose()
    return 1002


def test_json_has_the_bytes_of_the_http_response(
    roster: Roster, serve: Callable[[str], str], sqlite_url: str
) -> None:
    create(roster, "änn@exämple.org", "Ännchen 👩‍🚀")
    create(roster, "bob@x.test", "Bob")
    url = serve(sqlite_url)
    for arguments, path in (
        (["show", "1"], "/users/1"),
        (["list", "--limit", "1"], "/users?page%5Bsize%5D=1"),
        (
            ["list", "--sort", "-name", "--fields", "name", "--filter", "name[contains]=B"],
            "/users?filter%5Bname%5D%5Bcontains%5D=B&sort=-name&fields%5Busers%5D=name"
            "&page%5Bsize%5D=25",
        ),
    ):
        expected = httpx.get(f"{url}/api/v1{path}").content + b"\n"
        assert roster("users", *arguments, "--json").stdout_bytes == expected
    described = httpx.get(f"{url}/openapi.json").content
    assert roster("openapi").stdout_bytes == described + b"\n"


def test_created_and_updated_users_are_documents_with_json(roster: Roster) -> None:
    created = roster("users", "create", "--email", "ann@x.test", "--name", "Ann", "--json").stdout
    assert json.loads(created)["data"]["attributes"]["email"] == "ann@x.test"
    changed = roster("users", "update", "1", "--name", "Anne", "--json").stdout
    assert json.loads(changed)["data"]["attributes"]["name"] == "Anne"


def test_links_are_absolute_under_the_public_url(roster: Roster) -> None:
    create(roster)
    shown = roster("users", "show", "1", "--json", ROSTER_PUBLIC_URL="https://x.test/api")
    assert json.loads(shown.stdout)["links"]["self"] == "https://x.test/api/api/v1/users/1"


def test_a_database_that_is_not_migrated_is_reported_with_a_remedy(roster: Roster) -> None:
    assert roster("db", "downgrade", "base", "--yes").exit_code == 0
    refused = roster("users", "list")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: not_migrated: ")
    assert "roster db upgrade" in refused.stderr


def test_without_a_terminal_a_table_is_as_wide_as_its_content(roster: Roster) -> None:
    create(roster, "a" * 60 + "@" + "b" * 60 + ".example.org", "N" * 200)
    row = roster("users", "list").stdout.splitlines()[1]
    assert "a" * 60 + "@" + "b" * 60 + ".example.org  " + "N" * 200 in row
