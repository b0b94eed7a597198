"""Filters, sorts, fields and include. Every other parameter is 400."""

from collections.abc import Callable
from datetime import datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from api.constants import USERS
from api_client import ApiClient

from adapters.memory.store import MemoryStore
from application.ports import Context
from application.users import USER_TYPE
from domain.text import fold
from domain.users import NewUser, User

Create = Callable[..., dict[str, Any]]
Problem = tuple[str, str]

PEOPLE = (
    NewUser(email="Ann@Example.org", name="Ann", role="admin", is_active=True),
    NewUser(email="bob@example.org", name="bob"),
    NewUser(email="strasse@example.org", name="Straße"),
    NewUser(email="élan@exämple.org", name="Élan, the 2nd", role="x-1"),
    NewUser(email="o_o@example.org", name="100% o_o"),
    NewUser(email="zoe@example.org", name="Ｚｏë ﬁn", is_active=True),
    NewUser(email="comma@example.org", name="a,b"),
    NewUser(email="a@example.org", name="a", role="admin"),
    NewUser(email="b@example.org", name="b\\"),
)
OPERATORS = {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}


@pytest.fixture
def people(store: MemoryStore) -> list[User]:
    created = []
    for new in PEOPLE:
        with store.begin(Context()) as work:
            created.append(work.repository(USER_TYPE).add(new, at=work.now))
    return created


def listed(client: ApiClient, *query: tuple[str, str]) -> list[int]:
    """The ids of the users that the query finds."""
    response = client.get(f"{USERS}?{urlencode(query)}")
    assert response.status_code == 200, response.text
    return [int(found["id"]) for found in response.json["data"]]


def problems(client: ApiClient, query: str) -> list[Problem]:
    """The parameter and the code of each error of a query."""
    response = client.get(f"{USERS}?{query}")
    assert response.status_code == 400, response.text
    return sorted((e["source"]["parameter"], e["code"]) for e in response.json["errors"])


def written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


ORDERED = ("email", "name", "role", "creation_time", "update_time", "id")


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("attribute", ORDERED)
def test_every_comparison_finds_the_matching_users(
    client: ApiClient, people: list[User], attribute: str, operator: str
) -> None:
    # Emails and names are equal if their folded forms are; other comparisons are exact.
    folds = attribute in ("email", "name") and operator in ("eq", "ne")
    for pivot in people:
        value = getattr(pivot, attribute)
        expected = [
            user.id
            for user in people
            if (
                OPERATORS[operator](fold(getattr(user, attribute)), fold(value))
                if folds
                else OPERATORS[operator](getattr(user, attribute), value)
            )
        ]
        assert listed(client, (f"filter[{attribute}][{operator}]", written(value))) == expected


@pytest.mark.parametrize("attribute", [*ORDERED, "is_active"])
def test_a_filter_matches_any_of_several_values(
    client: ApiClient, people: list[User], attribute: str
) -> None:
    values = [getattr(people[place], attribute) for place in (1, 7)]
    expected = [user.id for user in people if getattr(user, attribute) in values]
    texts = [written(value) for value in values]
    assert listed(client, (f"filter[{attribute}]", ",".join(texts))) == expected
    assert listed(client, (f"filter[{attribute}][in]", ",".join(texts))) == expected
    assert listed(client, *((f"filter[{attribute}][]", text) for text in texts)) == expected
    assert listed(client, (f"filter[{attribute}]", texts[0])) == [
        user.id for user in people if getattr(user, attribute) == values[0]
    ]


FOUND: list[tuple[tuple[str, str], list[int]]] = [
    (("filter[email]", "ANN@EXAMPLE.ORG"), [1]),
    (("filter[email]", "ann@example.org,ZOE@example.org"), [1, 6]),
    (("filter[email][ne]", "ANN@example.org"), [2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[email]", "ÉLAN@EXÄMPLE.ORG"), [4]),
    (("filter[email][]", "élan@xn--exmple-cua.org"), [4]),
    (("filter[name]", "ANN"), [1]),
    (("filter[name]", "Ann"), [1]),
    (("filter[name]", "a,b"), [8]),
    (("filter[name][in]", "a,b,bob"), [2, 8]),
    (("filter[name][eq]", "a,b"), [7]),
    (("filter[name][]", "a,b"), [7]),
    (("filter[name][ne]", "a,b"), [1, 2, 3, 4, 5, 6, 8, 9]),
    (("filter[name]", "Élan, the 2nd"), []),
    (("filter[name][eq]", "Élan, the 2nd"), [4]),
    (("filter[name][eq]", "E\u0301lan, the 2nd"), [4]),
    (("filter[name][ne]", "e\u0301lan, THE 2nd"), [1, 2, 3, 5, 6, 7, 8, 9]),
    (("filter[name]", "zoë fin,STRASSE"), [3, 6]),
    (("filter[name][contains]", "STRASSE"), [3]),
    (("filter[name][contains]", "ß"), [3]),
    (("filter[name][contains]", "ÉLAN, THE"), [4]),
    (("filter[name][contains]", "e\u0301lan"), [4]),
    (("filter[name][contains]", "zoë FI"), [6]),
    (("filter[name][contains]", "%"), [5]),
    (("filter[name][contains]", "_"), [5]),
    (("filter[name][contains]", "0%"), [5]),
    (("filter[name][contains]", "o%o"), []),
    (("filter[name][contains]", "\\"), [9]),
    (("filter[name][contains]", "a,b"), [7]),
    (("filter[name][contains]", ""), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[name][starts_with]", "a"), [1, 7, 8]),
    (("filter[name][starts_with]", "100%"), [5]),
    (("filter[name][starts_with]", "_"), []),
    (("filter[email][starts_with]", "ANN@"), [1]),
    (("filter[email][contains]", "EXÄMPLE"), [4]),
    (("filter[role][contains]", "MIN"), [1, 8]),
    (("filter[role][starts_with]", "X-"), [4]),
    (("filter[role][ge]", "X"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[role]", "r" * 50), []),
    (("filter[is_active]", "true"), [1, 6]),
    (("filter[is_active]", "true,false"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[is_active][ne]", "true"), [2, 3, 4, 5, 7, 8, 9]),
    (("filter[id]", "3,1,99"), [1, 3]),
    (("filter[id][lt]", "3"), [1, 2]),
    (("filter[id][gt]", "0"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[id][ge]", "-1"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[id][lt]", "9999999999999999999"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[id][le]", "0"), []),
    (("filter[id][le]", "9223372036854775807"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[creation_time]", "2026-11-22T09:30:00.124Z"), [1]),
    (("filter[creation_time]", "2026-11-22T11:30:00.1240+02:00"), [1]),
    (("filter[creation_time]", "2026-11-22T09:30:00.1240001Z"), []),
    (("filter[creation_time][ge]", "2026-11-22"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[creation_time][lt]", "2026-11-22"), []),
    (("filter[creation_time][gt]", "2026-11-23"), []),
    (("filter[creation_time]", "2026-11-22,2026-11-23"), []),
    (("filter[creation_time][le]", "2026-11-22T09:30:00.1259999Z"), [1, 2]),
    (("filter[creation_time][gt]", "2026-11-22T09:30:00.1249Z"), [2, 3, 4, 5, 6, 7, 8, 9]),
    (("filter[creation_time][lt]", "2026-11-22t05:30:00.126-04:00"), [1, 2]),
    (("filter[update_time][ge]", "9999-12-31T23:59:59Z"), []),
]


@pytest.mark.parametrize(("parameter", "expected"), FOUND)
def test_a_filter_finds_the_matching_users(
    client: ApiClient, people: list[User], parameter: tuple[str, str], expected: list[int]
) -> None:
    assert listed(client, parameter) == expected


def test_all_filters_must_match(client: ApiClient, people: list[User]) -> None:
    assert listed(client, ("filter[role]", "admin"), ("filter[is_active]", "true")) == [1]
    assert listed(client, ("filter[id][gt]", "2"), ("filter[id][lt]", "5")) == [3, 4]
    both = [("filter[name]", "a"), ("filter[name][eq]", "a"), ("filter[name][]", "a")]
    assert listed(client, *both) == [8]
    assert listed(client, ("filter[name]", "a"), ("filter[name][]", "bob")) == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter[id]=abc", "filter[id]"),
        ("filter[id]=", "filter[id]"),
        ("filter[id]=0", "filter[id]"),
        ("filter[id]=007", "filter[id]"),
        ("filter[id]=-1", "filter[id]"),
        ("filter[id]=1,,2", "filter[id]"),
        ("filter[id][gt]=x", "filter[id][gt]"),
        ("filter[id][gt]=01", "filter[id][gt]"),
        ("filter[id][ne]=0", "filter[id][ne]"),
        ("filter[id]=1, 2", "filter[id]"),
        ("filter[id]=9223372036854775808", "filter[id]"),
        (f"filter[id]={quote('٣')}", "filter[id]"),
        ("filter[id][eq]=1,2", "filter[id][eq]"),
        ("filter[id][ne]=1,2", "filter[id][ne]"),
        ("filter[id][lt]=1,2", "filter[id][lt]"),
        ("filter[id][]=1,2", "filter[id][]"),
        ("filter[is_active]=True", "filter[is_active]"),
        ("filter[is_active]=1", "filter[is_active]"),
        ("filter[is_active]=yes", "filter[is_active]"),
        ("filter[is_active]=", "filter[is_active]"),
        ("filter[is_active][lt]=true", "filter[is_active][lt]"),
        ("filter[is_active][ge]=true", "filter[is_active][ge]"),
        ("filter[is_active][contains]=t", "filter[is_active][contains]"),
        ("filter[id][contains]=1", "filter[id][contains]"),
        ("filter[creation_time][starts_with]=2026", "filter[creation_time][starts_with]"),
        ("filter[creation_time]=2026-11", "filter[creation_time]"),
        ("filter[creation_time]=2026-02-30", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22Z", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22T09:30:00", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22 09:30:00Z", "filter[creation_time]"),
        ("filter[creation_time]=2026-13-22T09:30:00Z", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22T24:00:00Z", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22T09:30:00.Z", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22T09:30:00%2B24:00", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22T09:30:00%2B05:60", "filter[creation_time]"),
        ("filter[creation_time]=2026-11-22T09:30:00-00:99", "filter[creation_time]"),
        ("filter[creation_time]=now", "filter[creation_time]"),
        ("filter[role]=UPPER", "filter[role]"),
        ("filter[role]=user,%20admin", "filter[role]"),
        ("filter[role]=", "filter[role]"),
        ("filter[role][eq]=user%0A", "filter[role][eq]"),
        ("filter[role][ne]=-x", "filter[role][ne]"),
        ("filter[role][in]=user,", "filter[role][in]"),
        ("filter[role][]=a,b", "filter[role][]"),
        (f"filter[role]={'r' * 51}", "filter[role]"),
        ("filter[name][like]=a", "filter[name][like]"),
        ("filter[name][EQ]=a", "filter[name][EQ]"),
        ("filter[name]=", "filter[name]"),
        ("filter[name]=a,", "filter[name]"),
        ("filter[name][ne]=%E3%85%A4", "filter[name][ne]"),
        ("filter[email]=", "filter[email]"),
        ("filter[email]=ann", "filter[email]"),
        ("filter[email][eq]=a@example.org,b@example.org", "filter[email][eq]"),
        ("filter[name]=%00", "filter[name]"),
        ("filter[name][contains]=a%00", "filter[name][contains]"),
        ("filter[name]=%FF", "filter[name]"),
        ("filter[name]=%ED%A0%80", "filter[name]"),
    ],
)
def test_an_invalid_filter_is_400(client: ApiClient, query: str, parameter: str) -> None:
    assert problems(client, query) == [(parameter, "invalid_parameter")]


@pytest.mark.parametrize(
    "parameter", ["filter[nick]", "filter[]", "filter[EMAIL]", "filter[version]", "filter[name ]"]
)
@pytest.mark.parametrize("operator", ["", "[]", "[eq]", "[like]"])
def test_a_filter_by_an_unknown_attribute_is_400(
    client: ApiClient, parameter: str, operator: str
) -> None:
    name = parameter + operator
    assert problems(client, f"{quote(name)}=1") == [(name, "unknown_attribute")]


def test_a_query_has_at_most_20_filters(client: ApiClient, people: list[User]) -> None:
    names = [
        f"filter[{attribute}][{op}]"
        for attribute in ("email", "name", "role")
        for op in ("lt", "le", "gt", "ge", "contains", "starts_with")
    ]
    names += [f"filter[name]{op}" for op in ("", "[ne]", "[eq]")]
    assert len(names) == 21
    assert client.get(f"{USERS}?{'&'.join(f'{name}=a' for name in names[:20])}").status_code == 200
    assert problems(client, "&".join(f"{name}=a" for name in names)) == [
        (names[20], "invalid_parameter")
    ]


@pytest.mark.parametrize("form", ["comma", "in", "repeated", "spread"])
def test_a_query_has_at_most_500_values(client: ApiClient, people: list[User], form: str) -> None:
    def query(count: int) -> str:
        if form == "repeated":
            return "&".join(f"filter[id][]={number}" for number in range(1, count + 1))
        if form == "spread":
            return f"filter[id]={','.join(['1'] * (count - 250))}&filter[name]=a{',a' * 249}"
        name = "filter[id]" if form == "comma" else "filter[id][in]"
        return f"{name}={','.join(str(number) for number in range(1, count + 1))}"

    assert client.get(f"{USERS}?{query(500)}").status_code == 200
    ((_, code),) = problems(client, query(501))
    assert code == "invalid_parameter"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", [5, 1, 3, 8, 7, 9, 2, 4, 6]),
        ("-name", [6, 4, 2, 9, 7, 8, 3, 1, 5]),
        ("id", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("-id", [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("is_active", [2, 3, 4, 5, 7, 8, 9, 1, 6]),
        ("-is_active", [1, 6, 2, 3, 4, 5, 7, 8, 9]),
        ("-is_active,-id", [6, 1, 9, 8, 7, 5, 4, 3, 2]),
        ("role,-name", [8, 1, 6, 2, 9, 7, 3, 5, 4]),
        ("-creation_time", [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("name,name,-name", [5, 1, 3, 8, 7, 9, 2, 4, 6]),
        ("email,name,is_active,role,creation_time,update_time,id,-id", None),
    ],
)
def test_a_sort_orders_by_code_point_and_breaks_ties_by_id(
    client: ApiClient, people: list[User], sort: str, expected: list[int] | None
) -> None:
    found = listed(client, ("sort", sort))
    assert found == expected or (expected is None and len(found) == len(people))


@pytest.mark.parametrize(
    "sort", ["nick", "--name", "+name", "name,", ",name", "Name", "name, role", "-", "name.x"]
)
def test_a_sort_by_an_unknown_attribute_is_400(client: ApiClient, sort: str) -> None:
    assert ("sort", "unknown_attribute") in problems(client, urlencode({"sort": sort}))


@pytest.mark.parametrize("parameter", ["sort", "fields[users]"])
def test_unknown_names_are_reported_in_one_error_no_longer_than_the_query(
    client: ApiClient, parameter: str
) -> None:
    response = client.get(f"{USERS}?{parameter}=nick,name,nack,nick")
    errors = [e for e in response.json["errors"] if e["code"] == "unknown_attribute"]
    known = ["email", "name", "is_active", "role", "creation_time", "update_time"]
    listed = ", ".join([*known, "id" if parameter == "sort" else "groups"])
    detail = f"Unknown attributes 'nick', 'nack'. Known: {listed}."
    assert [e["detail"] for e in errors] == [detail]
    assert len(client.get(f"{USERS}?{parameter}={',' * 50_000}").data) < 1000


@pytest.mark.parametrize(
    ("url", "query", "detail"),
    [
        (f"{USERS}/1/history", "sort=-actor", "This list cannot be sorted by 'actor'."),
        (
            f"{USERS}/1/history",
            "sort=actor,nick,version",
            "This list cannot be sorted by 'actor', 'version'. Unknown attribute 'nick'.",
        ),
        (
            f"{USERS}/1/history",
            "filter[changes]=x",
            "This list cannot be filtered by 'changes'.",
        ),
        (USERS, "sort=groups", "This list cannot be sorted by 'groups'."),
    ],
)
def test_an_attribute_without_a_use_in_lists_is_not_called_unknown(
    client: ApiClient, url: str, query: str, detail: str
) -> None:
    (error,) = client.get(f"{url}?{query}").json["errors"]
    assert error["code"] == "unknown_attribute"
    assert error["detail"].startswith(f"{detail} Known: ")


@pytest.mark.parametrize("sort", ["nick", ",".join(["name"] * 9)])
def test_an_unsupported_sort_gets_the_error_of_the_profile(client: ApiClient, sort: str) -> None:
    (error,) = client.get(f"{USERS}?sort={sort}").json["errors"]
    profile = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination"
    assert error["links"]["type"] == f"{profile}/unsupported-sort"


def test_a_query_has_at_most_8_sorts(client: ApiClient) -> None:
    assert client.get(f"{USERS}?sort={','.join(['name'] * 8)}").status_code == 200
    assert problems(client, f"sort={','.join(['name'] * 9)}") == [("sort", "invalid_parameter")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("email,name", {"email", "name"}),
        ("name", {"name"}),
        ("", set()),
        ("update_time,update_time", {"update_time"}),
    ],
)
def test_fields_select_the_attributes(
    client: ApiClient, people: list[User], fields: str, expected: set[str]
) -> None:
    query = f"?fields[users]={fields}"
    single = client.get(f"{USERS}/1{query}")
    assert single.json["data"]["attributes"].keys() == expected
    assert single.json["links"]["self"] == f"{USERS}/1{query}"
    for user in client.get(USERS + query).json["data"]:
        assert user["attributes"].keys() == expected
        assert user["links"]["self"] == f"{USERS}/{user['id']}"
    attributes = {"email": "new@example.org", "name": "New"}
    document = {"data": {"type": "users", "attributes": attributes}}
    created = client.post(USERS + query, json=document)
    assert created.status_code == 201
    assert created.json["data"]["attributes"].keys() == expected
    change = {"data": {"type": "users", "id": "1", "attributes": {"name": "Other"}}}
    changed = client.patch(f"{USERS}/1{query}", json=change)
    assert changed.json["data"]["attributes"].keys() == expected


@pytest.mark.parametrize("url", [USERS, f"{USERS}/1"])
def test_invalid_fields_are_400(client: ApiClient, people: list[User], url: str) -> None:
    for fields in ("nick", "id", "type", "email,", "Email", "email, name"):
        response = client.get(f"{url}?{urlencode({'fields[users]': fields})}")
        assert response.status_code == 400
        assert response.json["errors"][0]["source"] == {"parameter": "fields[users]"}


@pytest.mark.parametrize("url", [USERS, f"{USERS}/1"])
def test_an_unknown_relationship_is_not_included(
    client: ApiClient, people: list[User], url: str
) -> None:
    for path in ("teams", "groups.users", "name", ","):
        response = client.get(f"{url}?include={path}")
        assert response.status_code == 400
        assert response.json["errors"][0]["source"] == {"parameter": "include"}
    # JSON:API: the response to a request with include has included, even if it is empty.
    assert client.get(f"{url}?include=").json["included"] == []
    assert "included" not in client.get(url).json


STRANGERS = (
    "x",
    "page",
    "page[offset]",
    "page[limit]",
    "page[Size]",
    "page[size][]",
    "filter",
    "filter[name",
    "filter[name][eq][]",
    "filter[name][a][b]",
    "filter[name]x",
    "fields",
    "fields[teams]",
    "fields[]",
    "Sort",
    "sort[]",
    "access_token",
    "",
    "é",
)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_parameter_that_is_unknown_is_400_everywhere(
    client: ApiClient, people: list[User], name: str
) -> None:
    for method, url in [
        ("GET", USERS),
        ("GET", f"{USERS}/1"),
        ("DELETE", f"{USERS}/1"),
        ("GET", "/api/v1"),
        ("HEAD", USERS),
    ]:
        response = client.open(f"{url}?{quote(name)}=1", method=method)
        assert response.status_code == 400
        if method != "HEAD":
            (error,) = response.json["errors"]
            assert error["source"] == {"parameter": name}
            assert error["code"] == "unknown_parameter"
    assert client.get(f"{USERS}/1").status_code == 200


@pytest.mark.parametrize("name", ["page[size]", "sort", "filter[id]", "page[number]", "include"])
def test_parameters_of_collections_are_400_for_a_user(
    client: ApiClient, people: list[User], name: str
) -> None:
    for method in ("GET", "DELETE"):
        url = f"{USERS}/1?{name}=1"
        assert client.open(url, method=method).status_code == 400


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page[size]=2&page[size]=2", "page[size]"),
        ("page[size]=2&page%5Bsize%5D=2", "page[size]"),
        ("sort=name&sort=id", "sort"),
        ("filter[name]=a&filter[name]=a", "filter[name]"),
        ("filter[name][in]=a&filter[name][in]=b", "filter[name][in]"),
        ("fields[users]=&fields[users]=", "fields[users]"),
        ("include=&include=", "include"),
        ("page[number]=1&page[number]=2", "page[number]"),
    ],
)
def test_a_repeated_parameter_is_400(client: ApiClient, query: str, parameter: str) -> None:
    assert problems(client, query) == [(parameter, "repeated_parameter")]


def test_all_errors_of_a_query_are_reported_together(client: ApiClient) -> None:
    query = (
        "page[size]=0&page[number]=x&page[after]=zz&sort=nick,-nack&filter[id]=x&filter[nick]=1"
        "&fields[users]=nick&include=teams&y=1&y=2"
    )
    assert problems(client, query) == [
        ("fields[users]", "unknown_attribute"),
        ("filter[id]", "invalid_parameter"),
        ("filter[nick]", "unknown_attribute"),
        ("include", "unknown_relationship"),
        ("page[number]", "invalid_parameter"),
        ("page[number]", "invalid_parameter"),
        ("page[size]", "invalid_parameter"),
        ("sort", "unknown_attribute"),
        ("y", "repeated_parameter"),
        ("y", "unknown_parameter"),
    ]


def test_a_damaged_cursor_is_reported_with_other_errors(
    client: ApiClient,
) -> None:
    assert problems(client, "page[after]=zz&fields[users]=nick&x=1") == [
        ("fields[users]", "unknown_attribute"),
        ("page[after]", "invalid_cursor"),
        ("x", "unknown_parameter"),
    ]


def test_too_many_parameters_are_400(client: ApiClient) -> None:
    query = "&".join(f"x{number}=1" for number in range(1001))
    for url in (USERS, f"{USERS}/1", f"{USERS}/1/history", "/api/v1"):
        assert client.get(f"{url}?{query}").json["errors"][0]["code"] == "too_many_parameters"


@pytest.mark.parametrize(
    "query", ["%", "%zz=1", "=", "&&", "%FF=1", "%00=1", "a%ED%A0%80=1", "\u00ff=1", "[", "]=["]
)
def test_any_query_gets_a_valid_response(client: ApiClient, query: str) -> None:
    response = client.get(USERS, query_string=query)
    assert response.status_code == (200 if query == "&&" else 400)
