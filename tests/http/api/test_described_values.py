"""The service accepts exactly the values that /openapi.json describes.

This is tested for headers, cursors, pages and ids. Each run, including those of CI, has other
examples.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from api.constants import ATOMIC, JSONAPI, OPERATIONS, USERS
from api_client import ApiClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

Create = Callable[..., dict[str, Any]]

ANN = {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}
KNOWN = ("Idempotency-Key", "If-Match", "If-None-Match")
CHANGING = settings(
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HOW_MANY = [100, pytest.param(3000, marks=pytest.mark.long)]

# A header that a server can receive has no control characters except the tab.
FIELD = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f\t"))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


@pytest.fixture
def described(client: ApiClient) -> Any:
    return client.get("/openapi.json").json


def parameters(described: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The path, the method and a parameter, for each parameter of each operation."""
    for path, item in described["paths"].items():
        for method in {"get", "post", "patch", "delete"} & item.keys():
            for parameter in (*item.get("parameters", ()), *item[method].get("parameters", ())):
                yield path, method, parameter


def schemas(described: Any, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The schemas of a parameter, by path and method."""
    return {
        (path, method): parameter["schema"]
        for path, method, parameter in parameters(described)
        if parameter["name"] == name
    }


def only_schema(described: Any, name: str) -> dict[str, Any]:
    """The schema of a parameter, which is the same in all operations."""
    first, *others = schemas(described, name).values()
    assert all(other == first for other in others)
    return first


def nearly(described: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Values that match a schema, and values with one changed character."""
    place = st.tuples(described, st.integers(0, 300), FIELD.filter(lambda text: len(text) < 3))
    changed = place.map(lambda of: of[0][: of[1]] + of[2] + of[0][of[1] + 1 :])
    return described | changed


def as_a_header(value: str) -> str:
    """The value as a server receives it (RFC 9110 section 5.5)."""
    return value.strip(" \t")


def keys_by(pattern: str) -> st.SearchStrategy[str]:
    described = st.from_regex(pattern, fullmatch=True)
    printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
    long = st.text(printable, min_size=250, max_size=260)
    quoted = long.map(lambda text: f'"{text}"')
    escaped = st.text(st.sampled_from('"\\a'), max_size=8).map(lambda text: f'"{text}"')
    return (nearly(described) | FIELD | long | quoted | escaped).map(as_a_header)


def send(client: ApiClient, path: str, key: str) -> int:
    if path == OPERATIONS:
        body: Any = {"atomic:operations": [{"op": "add", "data": ANN}]}
        content_type = ATOMIC
    else:
        body, content_type = {"data": ANN}, JSONAPI
    headers = {"Idempotency-Key": key, "Content-Type": content_type}
    return client.post(path, json=body, headers=headers).status_code


@pytest.mark.parametrize("examples", HOW_MANY)
@pytest.mark.parametrize("path", [USERS, OPERATIONS])
def test_an_idempotency_key_is_accepted_if_and_only_if_it_is_described(
    client: ApiClient, described: Any, path: str, examples: int
) -> None:
    schema = schemas(described, "Idempotency-Key")[path, "post"]
    validator = Draft202012Validator(schema)

    @settings(CHANGING, max_examples=examples)
    @given(key=keys_by(schema["pattern"]))
    @example(key='"8e03978e-40d5"')
    @example(key="two words")
    @example(key='"two words"')
    @example(key='" "')
    @example(key='"')
    @example(key='""')
    @example(key='"a\\"b"')
    @example(key='"a"b"')
    @example(key='a"b')
    @example(key="a\\b")
    @example(key='"a\\b"')
    @example(key="k" * 255)
    @example(key="k" * 256)
    @example(key=f'"{"k" * 255}"')
    @example(key=f'"{"k" * 256}"')
    @example(key='"' + '\\"' * 255 + '"')
    @example(key="")
    @example(key="é")
    def agree(key: str) -> None:
        assert (send(client, path, key) != 400) is validator.is_valid(key)

    agree()


@pytest.mark.parametrize("examples", HOW_MANY)
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_a_condition_is_accepted_if_and_only_if_it_is_described(
    client: ApiClient,
    create: Create,
    create_group: Create,
    described: Any,
    name: str,
    examples: int,
) -> None:
    create()
    create_group()
    places = schemas(described, name)
    changes = {(f"{USERS}/{{id}}", method) for method in ("get", "patch", "delete")}
    assert {*changes, ("/api/v1", "get"), (USERS, "get"), (f"{USERS}/{{id}}/history", "get")} <= {
        *places
    }
    etag = client.get(f"{USERS}/1").headers["ETag"]
    tags = st.sampled_from(["*", etag, f"W/{etag}", '"', ",", '"x"', "W/", etag[:-1]])
    values = (FIELD | st.lists(tags, max_size=4).map(", ".join)).map(as_a_header)

    @settings(CHANGING, max_examples=examples // 3)
    @given(value=values, place=st.sampled_from(sorted(places)))
    def agree(value: str, place: tuple[str, str]) -> None:
        path, method = place
        url = path.format(id=9 if method == "delete" else 1)
        needs_body = method in ("post", "patch") or "relationships" in path
        body = {"json": _document(path)} if method != "get" and needs_body else {}
        response = client.open(url, method=method.upper(), headers={name: value}, **body)
        accepted = response.status_code in (200, 204, 304, 404, 412)
        assert accepted is Draft202012Validator(places[place]).is_valid(value)

    agree()


def _document(path: str) -> Any:
    """A document that changes nothing."""
    if path.endswith("owner"):
        return {"data": None}
    if "relationships" in path:
        return {"data": []}
    return {"data": {"type": path.split("/")[3], "id": "1", "attributes": {}}}


def test_every_header_that_changes_a_response_is_described(
    client: ApiClient, create: Create, described: Any
) -> None:
    create()
    etag = client.get(f"{USERS}/1").headers["ETag"]
    document = {"data": {"type": "users", "id": "1", "attributes": {}}}
    for method, body in (("get", {}), ("patch", {"json": document}), ("delete", {})):
        for name, value in (("If-Match", '"no"'), ("If-None-Match", etag)):
            response = client.open(
                f"{USERS}/1", method=method.upper(), headers={name: value}, **body
            )
            assert response.status_code in (304, 412), (method, name)
            assert (f"{USERS}/{{id}}", method) in schemas(described, name)
    assert {p["name"] for *_, p in parameters(described) if p["in"] == "header"} == {*KNOWN}


def is_described_number(schema: dict[str, Any], text: str) -> bool:
    """Returns True if the text is a number in decimal digits that the schema permits."""
    if not re.fullmatch("[0-9]{1,5000}", text):
        return False
    digits = text.lstrip("0") or "0"
    return len(digits) < 19 and Draft202012Validator(schema).is_valid(int(digits))


@pytest.mark.parametrize("examples", HOW_MANY)
@pytest.mark.parametrize(
    ("name", "with_it"), [("page[size]", ""), ("page[number]", "page[size]=1&")]
)
def test_a_page_is_accepted_if_and_only_if_it_is_described(
    client: ApiClient, create: Create, described: Any, name: str, with_it: str, examples: int
) -> None:
    create()
    schema = only_schema(described, name)
    most = schema["maximum"]
    numbers = st.integers(-1, most + 1) | st.integers(most - 3, most + 3) | st.integers(0, 10**30)
    written = (
        numbers.map(str)
        | numbers.map("0{}".format)
        | st.text(st.sampled_from("0123456789_+-.eE x\n٣"))
    )

    @settings(CHANGING, max_examples=examples)
    @given(text=written | TEXT)
    @example(text=str(most))
    @example(text=str(most + 1))
    @example(text="0")
    @example(text="007")
    @example(text="1\n")
    @example(text="")
    def agree(text: str) -> None:
        response = client.get(f"{USERS}?{with_it}{quote(name)}={quote(text)}")
        assert (response.status_code == 200) is is_described_number(schema, text)
        assert response.status_code in (200, 400)

    agree()


@pytest.mark.parametrize("examples", HOW_MANY)
@pytest.mark.parametrize("name", ["page[after]", "page[before]"])
def test_a_cursor_that_is_accepted_is_described(
    client: ApiClient, create: Create, described: Any, name: str, examples: int
) -> None:
    """A cursor is opaque, so the service may reject a cursor that matches the schema."""
    for each in ("ann", "zoë", "😀" * 250, '"' * 250):
        create(name=each)
    schema = only_schema(described, name)
    validator = Draft202012Validator(schema)
    sorts = ["id", "email", "-name", "role,name", "email,name,role,is_active,creation_time"]
    genuine = {
        (sort, item["meta"]["page"]["cursor"])
        for sort in sorts
        for item in client.get(f"{USERS}?sort={sort}").json["data"]
    }
    assert len(genuine) == 4 * len(sorts)
    made_up = st.from_regex(schema["pattern"], fullmatch=True) | TEXT
    changed = nearly(st.sampled_from(sorted(cursor for _, cursor in genuine)))
    long = st.integers(4000, 5000).map("A".__mul__)

    @settings(CHANGING, max_examples=examples)
    @given(cursor=made_up | changed | long, sort=st.sampled_from(sorts))
    def agree(cursor: str, sort: str) -> None:
        response = client.get(f"{USERS}?sort={sort}&{quote(name)}={quote(cursor)}")
        if (sort, cursor) in genuine:
            assert response.status_code == 200
            assert validator.is_valid(cursor)
        else:
            assert response.status_code == 400
            assert response.json["errors"][0]["code"] == "invalid_cursor"

    for sort, cursor in genuine:
        assert validator.is_valid(cursor)
        response = client.get(f"{USERS}?sort={sort}&{quote(name)}={cursor}")
        assert response.status_code == 200
    agree()


@pytest.mark.parametrize("examples", HOW_MANY)
def test_words_are_searched_if_and_only_if_they_are_described(
    client: ApiClient, described: Any, examples: int
) -> None:
    schema = schemas(described, "filter[q]")[USERS, "get"]
    validator = Draft202012Validator(schema)
    spaces = st.sampled_from([" ", "  ", "\t", "\n", "\x1c", "\x85", "\u3000", "\u200b", "\ufeff"])
    parts = st.lists(spaces | st.sampled_from(["a", "é", "😀", "'"]), max_size=24).map("".join)
    long = st.integers(990, 1010).map("a".__mul__)

    @settings(CHANGING, max_examples=examples)
    @given(text=st.from_regex(schema["pattern"], fullmatch=True) | parts | TEXT | long)
    @example(text="a b c d e f g h")
    @example(text="a b c d e f g h i")
    @example(text="")
    @example(text=" ")
    @example(text="\n")
    def agree(text: str) -> None:
        response = client.get(f"{USERS}?{quote('filter[q]')}={quote(text)}")
        assert response.status_code in (200, 400)
        assert (response.status_code == 200) is validator.is_valid(text)

    agree()


@pytest.mark.parametrize("examples", HOW_MANY)
def test_an_id_names_a_user_if_and_only_if_it_is_described(
    client: ApiClient, described: Any, examples: int
) -> None:
    schema = schemas(described, "id")[f"{USERS}/{{id}}", "get"]
    validator = Draft202012Validator(schema)
    numbers = st.integers(-1, 2**65) | st.integers(2**63 - 3, 2**63 + 3)
    described_ids = st.from_regex(schema["pattern"], fullmatch=True)
    other = st.text(st.characters(categories=["Nd", "Lu", "Ll"]), min_size=1, max_size=30)

    @settings(CHANGING, max_examples=examples)
    @given(key=described_ids | numbers.map(str) | numbers.map("0{}".format) | other)
    def agree(key: str) -> None:
        response = client.get(f"{USERS}/{quote(key)}")
        (error,) = response.json["errors"]
        assert (response.status_code, error["status"]) == (404, "404")
        assert (error["code"] == "user_not_found") is validator.is_valid(key)

    agree()
