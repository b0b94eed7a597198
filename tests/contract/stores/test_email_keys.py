"""The keys of emails, and searches for parts of emails, on every store."""

from collections.abc import Callable

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from sqlalchemy import Engine

from adapters.sql.engine import make_engine
from application.search import Condition, Op
from application.users import USER_TYPE
from domain.text import email_key
from domain.users import EmailTaken, NewUser, UserChanges

SAME = [
    ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
    ("ann@xn--mnchen-3ya.example", "Ann@MÜNCHEN.example"),
    ("bob@example.org", "bob@example。org"),
    ("fay@example.com", "fay\ufe0f@example.com"),
    ("é@example.org", "e\u034f\u0301@example.org"),
]
one_mailbox = pytest.mark.parametrize(("stored", "same"), SAME, ids=range(len(SAME)))


def find_emails(directory: Directory, *conditions: Condition) -> list[str]:
    return [user.email for user in directory.find(*conditions)]


def by_key(op: Op, *emails: str) -> Condition:
    return Condition("email_key", op, tuple(map(email_key, emails)))


@one_mailbox
def test_a_mailbox_has_one_user(directory: Directory, stored: str, same: str) -> None:
    directory.add(stored)
    other = directory.add("other@example.org")
    with pytest.raises(EmailTaken):
        directory.add(same)
    with pytest.raises(EmailTaken):
        directory.commands.change(other.id, UserChanges({"email": same}), ANONYMOUS)
    with directory.begin(ANONYMOUS) as work:
        new = [NewUser(email=email, name="New") for email in ("new@x.test", same, "NEW@x.test")]
        assert list(work.repository(USER_TYPE).add_many(new, at=work.now)) == [1, 2]
    assert find_emails(directory) == [stored, "other@example.org", "new@x.test"]


@one_mailbox
def test_finds_a_user_by_any_email_of_the_mailbox(
    directory: Directory, stored: str, same: str
) -> None:
    user = directory.add(stored)
    directory.add("other@example.org")
    for op in (Op.EQ, Op.IN):
        assert find_emails(directory, by_key(op, same)) == [stored]
    assert find_emails(directory, by_key(Op.IN, same, "other@example.org")) == [
        stored,
        "other@example.org",
    ]
    assert find_emails(directory, by_key(Op.NE, same)) == ["other@example.org"]
    with directory.begin(ANONYMOUS) as work:
        assert dict(
            work.repository(USER_TYPE).find_by_keys(USER_TYPE.unique[0], [same, "nobody@x.test"])
        ) == {email_key(stored): user}


@one_mailbox
def test_a_user_can_change_the_spelling_of_its_email(
    directory: Directory, stored: str, same: str
) -> None:
    user = directory.add(stored)
    changed = directory.commands.change(user.id, UserChanges({"email": same}), ANONYMOUS)
    assert directory.reader.get(user.id) == changed
    assert find_emails(directory, by_key(Op.EQ, stored)) == [same]
    directory.commands.change(user.id, UserChanges({"email": "else@x.test"}), ANONYMOUS)
    assert directory.add(stored).email == stored


def test_domains_that_are_equal_only_when_folded_are_two_mailboxes(directory: Directory) -> None:
    directory.add("ann@straße.example")
    directory.add("ann@strasse.example")
    assert find_emails(directory, by_key(Op.EQ, "ann@STRASSE.example")) == ["ann@strasse.example"]
    both = find_emails(directory, Condition.folding("email", Op.CONTAINS, ("strasse",)))
    assert both == ["ann@straße.example", "ann@strasse.example"]


PARTS = [
    ("ann@münchen.example", Op.CONTAINS, "MÜNCHEN", True),
    ("ann@münchen.example", Op.CONTAINS, "mu\u0308n", True),
    ("ann@münchen.example", Op.CONTAINS, "xn--", False),
    ("ann@münchen.example", Op.STARTS_WITH, "ANN@mün", True),
    ("ann@münchen.example", Op.STARTS_WITH, "ann@xn", False),
    ("ann@xn--mnchen-3ya.example", Op.CONTAINS, "xn--", True),
    ("ann@xn--mnchen-3ya.example", Op.CONTAINS, "münchen", False),
    ("fay\ufe0f@example.com", Op.STARTS_WITH, "FAY\ufe0f@", True),
    ("fay\ufe0f@example.com", Op.STARTS_WITH, "fay@", False),
    ("ann@straße.example", Op.CONTAINS, "@strasse", True),
    ("Ann@Example.org", Op.STARTS_WITH, "ann@e", True),
    ("Ann@Example.org", Op.CONTAINS, "", True),
    ("ann@münchen.example", Op.STARTS_WITH, "", True),
]


@pytest.mark.parametrize(("email", "op", "part", "is_found"), PARTS, ids=range(len(PARTS)))
def test_searches_for_parts_of_the_folded_email(
    directory: Directory, email: str, op: Op, part: str, is_found: bool
) -> None:
    directory.add("other@nowhere.test")
    user = directory.add("first@nowhere.test")
    with directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add_many([NewUser(email=email, name="Many")], at=work.now)
    condition = Condition.folding("email", op, (part,))
    matches_all = part == ""
    others = ["other@nowhere.test", "first@nowhere.test"] if matches_all else []
    assert find_emails(directory, condition) == others + [email] * is_found
    (added,) = directory.find(by_key(Op.EQ, email))
    changes = UserChanges({"email": "second@nowhere.test"})
    directory.commands.change(added.id, changes, ANONYMOUS)
    directory.commands.change(user.id, UserChanges({"email": email}), ANONYMOUS)
    assert (email in find_emails(directory, condition)) is is_found
    assert ("second@nowhere.test" in find_emails(directory, condition)) is matches_all


@pytest.mark.parametrize("op", [Op.EQ, Op.IN, Op.NE])
def test_compares_the_folded_email(directory: Directory, op: Op) -> None:
    directory.add("ann@münchen.example")
    directory.add("bob@example.org")
    equal = find_emails(directory, Condition.folding("email", op, ("ANN@MÜNCHEN.example",)))
    assert equal == (["bob@example.org"] if op is Op.NE else ["ann@münchen.example"])


@pytest.mark.parametrize("op", [Op.EQ, Op.IN, Op.NE])
@pytest.mark.parametrize("length", [99, 100, 101, 250])
def test_compares_long_names_completely(directory: Directory, op: Op, length: int) -> None:
    name = "\ufdfa" * (length // 18) + "N" * (length % 18 + 30)
    directory.add("longer@x.test", f"{name}o"[-250:])
    directory.add("equal@x.test", name)
    directory.add("other@x.test", f"{name[:-1]}m")
    values = (name.lower(), "n" * 101) if op is Op.IN else (name.lower(),)
    expected = ["longer@x.test", "other@x.test"] if op is Op.NE else ["equal@x.test"]
    assert find_emails(directory, Condition.folding("name", op, values)) == expected


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_adds_emails_that_are_not_ascii_by_copy(
    directory: Directory, directory_of: Callable[[Engine], Directory]
) -> None:
    url = directory.engine.url.render_as_string(hide_password=False)
    exclusive = directory_of(make_engine(url, exclusive=True))
    emails = ["ann@münchen.example", "bob@example.org", "back/slash@x.test", "jürgen@x.test"]
    new = [NewUser(email=email, name=r"back\slash \N") for email in emails]
    with exclusive.begin(ANONYMOUS) as work:
        assert list(work.repository(USER_TYPE).add_many(new, at=work.now)) == []
    assert find_emails(directory) == emails
    assert find_emails(directory, Condition.folding("email", Op.CONTAINS, ("ü",))) == [
        "ann@münchen.example",
        "jürgen@x.test",
    ]
    with directory.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT email_key, email_folded FROM users ORDER BY id")
        assert rows.all() == [
            ("ann@xn--mnchen-3ya.example", "ann@münchen.example"),
            ("bob@example.org", None),
            ("back/slash@x.test", None),
            ("jürgen@x.test", None),
        ]
