"""A resource with every kind of attribute over HTTP, on every store."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from api_client import ApiClient

from application.search import Search
from entrypoints.container import Container

FULL = {
    "title": "Emma",
    "isbn": "a-1",
    "summary": "Of\nHighbury.",
    "lent": True,
    "pages": 474,
    "sold": 2**53 + 1,
    "price": "12.50",
    "published": "1815-12-23",
    "due": "2026-11-22T09:30:00.123Z",
    "contact": "jane@example.org",
    "website": "https://example.org/",
    "edition": "123e4567-e89b-12d3-a456-426614174000",
    "state": "used",
    "extra": {"binding": ["cloth", 1], "é": None},
}
SECRET = "recognizable-pin"
NULLABLE = [
    *("isbn", "summary", "pages", "price", "published", "due", "contact", "website"),
    *("edition", "extra"),
]
SORTABLE_NULLABLE = ["isbn", "pages", "price", "published", "due", "contact", "website", "edition"]


def attributes(book: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in book["attributes"].items()
        if name not in ("creation_time", "update_time")
    }


def document(sent: dict[str, Any], **identity: str) -> dict[str, Any]:
    return {"data": {"type": "books", **identity, "attributes": sent}}


@pytest.fixture
def create(send: Any) -> Any:
    def created(**sent: Any) -> Any:
        response = send("POST", "/books", document(sent))
        assert response.status_code == 201, response.json
        return response.json["data"]

    return created


def codes(response: Any) -> list[tuple[str, str]]:
    return [(e["code"], e["source"]["pointer"]) for e in response.json["errors"]]


def test_stores_and_returns_values_of_every_kind(create: Any, send: Any) -> None:
    book = create(**FULL, pin=SECRET)
    assert attributes(book) == FULL
    read = send("GET", f"/books/{book['id']}")
    assert attributes(read.json["data"]) == FULL
    assert attributes(send("GET", "/books").json["data"][0]) == FULL


def test_absent_attributes_get_their_defaults(create: Any) -> None:
    assert attributes(create(title="Emma")) == {
        **dict.fromkeys(NULLABLE),
        "title": "Emma",
        "lent": False,
        "sold": 0,
        "state": "new",
    }


@pytest.mark.parametrize("name", NULLABLE)
def test_null_is_a_value_of_a_nullable_attribute(create: Any, send: Any, name: str) -> None:
    book = create(**FULL)
    for value in (None, FULL[name]):
        change = document({name: value}, id=book["id"])
        changed = send("PATCH", f"/books/{book['id']}", change)
        assert attributes(changed.json["data"]) == FULL | {name: value}
        read = send("GET", f"/books/{book['id']}")
        assert read.headers["ETag"] == changed.headers["ETag"]
        assert attributes(read.json["data"]) == FULL | {name: value}


@pytest.mark.parametrize(
    ("before", "after"),
    [({"a": [1]}, {"a": [True]}), (0, False), (1, 1.0), ([{"a": 0.0}], [{"a": False}])],
)
def test_equal_values_of_python_are_different_json(
    create: Any, send: Any, before: Any, after: Any
) -> None:
    book = create(title="Emma", extra=before)
    url = f"/books/{book['id']}"
    changed = send("PATCH", url, document({"extra": after}, id=book["id"]))
    assert repr(changed.json["data"]["attributes"]["extra"]) == repr(after)
    read = send("GET", url)
    assert repr(read.json["data"]["attributes"]["extra"]) == repr(after)
    _, event = send("GET", f"{url}/history").json["data"]
    assert repr(event["attributes"]["changes"]) == repr({"extra": {"from": before, "to": after}})


def test_the_same_values_change_nothing(create: Any, send: Any) -> None:
    book = create(**FULL, pin=SECRET)
    url = f"/books/{book['id']}"
    tag = send("GET", url).headers["ETag"]
    reordered = dict(reversed(FULL["extra"].items()))  # type: ignore[attr-defined]
    same = {**FULL, "pin": SECRET, "extra": reordered}
    assert send("PATCH", url, document(same, id=book["id"])).headers["ETag"] == tag


def test_rejects_null_for_another_attribute(create: Any, send: Any) -> None:
    book = create(**FULL)
    wrong = {name: None for name in FULL if name not in NULLABLE}
    response = send("PATCH", f"/books/{book['id']}", document(wrong, id=book["id"]))
    assert response.status_code == 422
    assert codes(response) == [("wrong_type", f"/data/attributes/{name}") for name in wrong]


def test_reports_violations_of_schema_and_domain_together(send: Any) -> None:
    sent = {"isbn": "A B", "pages": "many", "price": "-1.00", "state": "lost", "shoe": 44}
    response = send("POST", "/books", document(sent))
    assert response.status_code == 422
    assert codes(response) == [
        ("missing", "/data/attributes"),
        ("invalid_format", "/data/attributes/isbn"),
        ("wrong_type", "/data/attributes/pages"),
        ("out_of_range", "/data/attributes/price"),
        ("invalid_format", "/data/attributes/state"),
        ("unknown_attribute", "/data/attributes/shoe"),
    ]


def test_a_unique_attribute_is_unique_unless_it_is_null(create: Any, send: Any) -> None:
    first = create(title="Emma", isbn="a-1")
    other = create(title="Emma")
    create(title="Emma")
    response = send("POST", "/books", document({"title": "Emma", "isbn": "a-1"}))
    assert (response.status_code, codes(response)) == (
        409,
        [("isbn_taken", "/data/attributes/isbn")],
    )
    taken = send("PATCH", f"/books/{other['id']}", document({"isbn": "a-1"}, id=other["id"]))
    assert taken.status_code == 409
    assert send("DELETE", f"/books/{first['id']}").status_code == 204
    assert create(title="Emma", isbn="a-1")["attributes"]["isbn"] == "a-1"


@pytest.mark.parametrize("name", SORTABLE_NULLABLE)
@pytest.mark.parametrize("descending", [False, True])
def test_null_sorts_before_every_value_across_cursors(
    create: Any, send: Any, name: str, descending: bool
) -> None:
    values = [None, FULL[name], None, *([] if name == "isbn" else [FULL[name]])]
    ids = [create(title="Emma", **{name: value})["id"] for value in values]
    ascending = sorted(range(len(values)), key=lambda at: (values[at] is not None, at))
    expected = [ids[at] for at in ascending]
    if descending:
        expected = [ids[at] for at in sorted(ascending, key=lambda at: (values[at] is None, at))]
    url = f"/books?sort={'-' if descending else ''}{name}&page[size]=1"
    seen = []
    while url:
        page = send("GET", url).json
        seen += [book["id"] for book in page["data"]]
        url = (page["links"]["next"] or "").removeprefix("/api/v1")
    assert seen == expected


def test_null_matches_only_ne(create: Any, send: Any) -> None:
    create(title="Null")
    create(title="Low", pages=1)
    create(title="High", pages=9)

    def titles(query: str) -> list[str]:
        return [b["attributes"]["title"] for b in send("GET", f"/books?{query}").json["data"]]

    assert titles("filter[pages][ne]=1") == ["Null", "High"]
    assert titles("filter[pages]=1,9") == ["Low", "High"]
    assert titles("filter[pages][lt]=9") == ["Low"]
    assert titles("filter[pages][ge]=1") == ["Low", "High"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("filter[title]=EMMA", True),
        ("filter[title][contains]=mm", True),
        ("filter[isbn]=a-1", True),
        ("filter[lent]=true", True),
        ("filter[sold]=9007199254740993", True),
        ("filter[sold]=9007199254740992", False),
        ("filter[price]=12.5", True),
        ("filter[price][gt]=12.50", False),
        ("filter[published][lt]=1815-12-24", True),
        ("filter[due]=2026-11-22T10:30:00.123%2B01:00", True),
        ("filter[edition]=123e4567-e89b-12d3-a456-426614174000", True),
        ("filter[state]=used", True),
    ],
)
def test_every_kind_can_be_filtered(create: Any, send: Any, query: str, found: bool) -> None:
    create(**FULL)
    assert len(send("GET", f"/books?{query}").json["data"]) == found


def test_operations_and_history_are_those_of_any_resource(create: Any, send: Any) -> None:
    book = create(**FULL)
    operations = [
        {"op": "add", "data": {"type": "books", "lid": "x", "attributes": {"title": "New"}}},
        {
            "op": "update",
            "data": {"type": "books", "lid": "x", "attributes": {"price": "1.00"}},
        },
        {"op": "remove", "ref": {"type": "books", "id": book["id"]}},
    ]
    extension = 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
    response = send("POST", "/operations", {"atomic:operations": operations}, media=extension)
    assert response.status_code == 200, response.json
    added = response.json["atomic:results"][1]["data"]
    assert (added["attributes"]["title"], added["attributes"]["price"]) == ("New", "1.00")
    events = send("GET", f"/books/{book['id']}/history").json["data"]
    assert [event["attributes"]["action"] for event in events] == ["created", "deleted"]
    created = events[0]["attributes"]["changes"]
    assert {name: change["to"] for name, change in created.items()} == FULL


def test_rejects_a_stale_version(create: Any, send: Any) -> None:
    book = create(**FULL)
    tag = send("GET", f"/books/{book['id']}").headers["ETag"]
    change = document({"pages": 475}, id=book["id"])
    statuses = [
        send("PATCH", f"/books/{book['id']}", change, **{"If-Match": tag}).status_code
        for change in (change, document({"pages": 476}, id=book["id"]))
    ]
    assert statuses == [200, 412]


def test_a_secret_attribute_can_be_set_and_is_never_returned(
    create: Any, send: Any, container: Container
) -> None:
    book = create(**FULL, pin=SECRET)
    url = f"/books/{book['id']}"
    first = send("GET", url)
    changed = send("PATCH", url, document({"pin": f"{SECRET}-2"}, id=book["id"]))
    keyed = send(
        "POST", "/books", document({"title": "B", "pin": SECRET}), **{"Idempotency-Key": "k"}
    )
    assert keyed.status_code == 201
    rejected = send("POST", "/books", document({"title": "B", "pin": f"{SECRET} !"}))
    assert codes(rejected) == [("invalid_format", "/data/attributes/pin")]
    for query in (f"filter[pin]={SECRET}", "sort=pin", "fields[books]=pin"):
        assert send("GET", f"/books?{query}").status_code == 400
    shown = [first, changed, keyed, rejected, send("GET", "/books"), send("GET", f"{url}/history")]
    assert not [each for each in shown if SECRET in each.get_data(as_text=True)]
    reads = json.loads(ApiClient(container.app()).get("/openapi.json").data)
    schemas = reads["components"]["schemas"]
    assert (
        "pin"
        in schemas["BooksCreation"]["properties"]["data"]["properties"]["attributes"]["properties"]
    )
    assert "pin" not in schemas["Books"]["properties"]["attributes"]["properties"]
    stored = [event for _, event in container.event_reader().read_from(0, size=100)]
    assert SECRET not in str(stored)


def test_a_secret_attribute_is_not_counted(create: Any, container: Container) -> None:
    create(title="Emma", pin=SECRET)
    queries = container.services()["books"].queries
    with pytest.raises(ValueError, match="pin is secret"):
        queries.count_by(Search(), "pin", None, limit=1)


def test_the_api_describes_all_resources(send: Any, client: Any) -> None:
    names = ("users", "groups", "books", "sources", "notes")
    collections = {each: f"/api/v1/{each}" for each in names}
    assert send("GET", "").json["meta"]["collections"] == collections
    assert 'id="isbn_taken"' in client.get("/docs/errors").text
    paths = client.get("/openapi.json").json["paths"]
    assert {"/api/v1/books", "/api/v1/books/{id}", "/api/v1/books/{id}/history"} <= paths.keys()


def test_a_code_has_the_meanings_of_all_types_that_use_it(client: Any) -> None:
    meaning = "Another book has this ISBN. Another source has this number."
    assert f"<p>{meaning}</p>" in client.get("/docs/errors").text


def test_users_and_books_are_separate(create: Any, send: Any) -> None:
    book = create(title="Emma")
    user = {"data": {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}}
    assert send("POST", "/users", user).status_code == 201
    assert send("POST", "/books", user).status_code == 409
    assert len(send("GET", "/users").json["data"]) == 1
    assert [each["id"] for each in send("GET", "/books").json["data"]] == [book["id"]]


def test_searches_words_in_nullable_text_of_several_lines(create: Any, send: Any) -> None:
    emma = create(title="Emma", summary="Of Highbury,\nand of STRASSE.")
    other = create(title="Highbury revisited")
    create(title="Persuasion", summary=None, pin="highbury")
    for words, expected in (
        ("highbury", [emma, other]),
        ("EMMA straße", [emma]),
        ("revisited highbury", [other]),
        ("persuasion highbury", []),
    ):
        found = send("GET", f"/books?filter[q]={quote(words)}&page[total]=true").json
        assert [each["id"] for each in found["data"]] == [each["id"] for each in expected]
        assert found["meta"]["page"]["total"] == len(expected)


def test_suggests_a_known_attribute_for_an_unknown_name(create: Any, send: Any) -> None:
    create(title="Emma")
    for parameter, suggestion in (
        ("sort=publishedAt", "'published'"),
        ("filter[page]=1", "'pages'"),
        ("Title=x", "'filter[title]'"),
    ):
        (error,) = send("GET", f"/books?{parameter}").json["errors"]
        assert f"Did you mean {suggestion}?" in error["detail"]
    (error,) = send("POST", "/books", document({"title": "Emma", "prize": "1.00"})).json["errors"]
    assert "Did you mean 'price'?" in error["detail"]
    assert "creation_time" not in error["detail"], "it cannot be set"


def test_a_date_is_the_start_of_its_day_in_utc(create: Any, send: Any) -> None:
    create(title="Emma", due="2026-11-28T00:30:00+01:00")
    midnight = create(title="Emma", due="2026-11-28T00:00:00Z")
    noon = create(title="Emma", due="2026-11-28T12:00:00Z")
    for test, expected in (
        ("=2026-11-28", [midnight]),
        ("[ge]=2026-11-28", [midnight, noon]),
        ("[gt]=2026-11-28", [noon]),
        ("[]=2026-11-28", [midnight]),
    ):
        found = send("GET", f"/books?filter[due]{test}").json["data"]
        assert [each["id"] for each in found] == [each["id"] for each in expected]
