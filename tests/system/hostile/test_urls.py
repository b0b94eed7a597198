"""Hostile paths and queries."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roster_process import USERS

IDS = (
    *(
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "0x1",
        "1_0",
        " 1",
        "1 ",
        "٣",
        "１",
        "𝟙",
        "¹",
        "Ⅷ",
        "一",
    ),
    *("9223372036854775808", "18446744073709551616", "9" * 40, "9" * 60_000, "NaN", "null", "me"),
    *("1'", "1 OR 1=1", "1;DROP TABLE users", "1,2", "*", "[]", "{}", "1#", "\0", "1\0", "1\n"),
    *("..", ".", "...", "~", "%", "\ud800", "\U0010ffff", "\r\nX-Injected: 1", "1.json.json"),
)
PATHS = (
    *(
        "/api/v1/../v1/users/1",
        "/api/v1/%2e%2e/v1/users/1",
        "/api/v1/./users/1",
        "/api/v1//users/1",
    ),
    *(
        "//api/v1/users/1",
        "///api/v1/users/1",
        "/api/v1/users//1",
        "/api/v1/users/1//",
        "/%2fapi/v1",
    ),
    *("/api/v1/users;/1", "/api/v1/users/1;x=y", "/api/v1/users/1%00", "/api/v1/users%00/1"),
    *("/api/v1/users/%c0%b1", "/api/v1/%e0%80%af/users", "/api/v1/users\\1", "/api\\v1\\users"),
    *("/api/v1/users%252F1", "/api/v1/users/%2531", "/API/V1/users/1", "/api/v1/Users/1"),
    *("/api/v1/users/1%0d%0aX-Injected:%201", "/docs/../../etc/passwd", "/docs/%2e%2e%2fpyproject"),
    *(
        "/docs/..%5c..%5cx",
        "/docs/%00",
        "/static/x",
        "/.git/config",
        "/.env",
        "/wsgi.py",
        "/console",
    ),
    *("/api/v1/%", "/api/v1/%zz", "/api/v1/%u0031", "/api/v2/users", "/api/v1users", "*"),
    "/" + "a/" * 20_000,
)
QUERIES = (
    *("filter[email]='", "filter[email]=' OR ''='", "filter[name]=\0", "filter[name]=\ud800"),
    *(
        "filter[id]=1;DROP TABLE users",
        "filter[id]=9223372036854775808",
        "filter[id]=" + "9" * 5000,
    ),
    *("filter[id]=١", "filter[password]=x", "filter[version]=1", "filter[email_key]=x"),
    *(
        "filter[__proto__]=1",
        "filter[email][$ne]=1",
        "filter[email][eq][x]=1",
        "filter=1",
        "filter[]=1",
    ),
    *("filter[name][like]=%25", "filter[is_active]=1", "filter[creation_time]=now", "filter[[]]=1"),
    *("filter[creation_time]=0000-00-00T00:00:00Z", "filter[creation_time]=9999-12-31T23:59:60Z"),
    *("sort=email_key", "sort=version", "sort=--id", "sort=id;--", "sort=" + "id," * 500, "sort=,"),
    *(
        "sort=(SELECT 1)",
        "sort=1",
        "sort=RANDOM()",
        "page[size]=0",
        "page[size]=-1",
        "page[size]=1e9",
    ),
    *(
        "page[size]=" + "9" * 5000,
        "page[number]=0",
        "page[number]=99999999999999999999",
        "page[]=1",
    ),
    *("page[after]=", "page[after]=AAAA", "page[after]=" + "A" * 50_000, "page[after]=é", "page=1"),
    *(
        "fields[users]=password",
        "fields[users]=*",
        "fields[admins]=x",
        "include=admins",
        "include=..",
    ),
    *("callback=alert", "_method=DELETE", "debug=1", "access_token=x", "a" * 60_000, "=", "%ff=1"),
    "&".join(f"a{number}=1" for number in range(5_000)),
    "&".join(["sort=id"] * 5_000),
    "&".join(f"filter[name][]={number}" for number in range(999)),
    "&".join(f"filter[role][ne]=x{number}" for number in range(30)),
    "filter[role]=" + ",".join("x" for _ in range(501)),
)
WILD = ("%", "_", "%%", "%_%", "\\", "\\%", "*", "?", "[a-z]", "^c", ".*", "' || '")
EXAMPLES = [60, pytest.param(2000, marks=pytest.mark.long)]
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


def escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="=&[],")


@pytest.mark.parametrize("number", range(len(IDS)))
def test_an_invalid_id_is_404(target: Any, number: int) -> None:
    sent = quote(IDS[number].encode("utf-8", "surrogatepass"), safe="")
    for method in ("GET", "DELETE", "PATCH", "PUT"):
        response = target.request(method, f"{USERS}/{sent}", b"{}" if method == "PATCH" else None)
        if IDS[number] == ".":
            continue
        assert response.status in (404, 431), (IDS[number][:50], response)


@pytest.mark.parametrize("number", range(len(PATHS)))
def test_another_spelling_of_a_path_is_not_found(target: Any, number: int) -> None:
    path = PATHS[number]
    assert target.get(path).status in (400, 404, 431), path[:80]
    assert target.request("DELETE", path).status in (400, 404, 405, 431), path[:80]


def test_an_encoded_slash_and_an_absolute_url_lead_to_the_user(target: Any) -> None:
    assert target.get(target.canary.replace("users/", "users%2F")).status == 200
    assert target.get("http://elsewhere.example" + target.canary).status == 200


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_an_invalid_query_is_400(target: Any, number: int) -> None:
    sent = escaped(QUERIES[number])
    for url in (USERS, target.canary):
        response = target.get(f"{url}?{sent}")
        harmless = QUERIES[number] == "="
        allowed = {200, 400, 431} if harmless or "[name][]" in sent else {400, 431}
        assert response.status in allowed, (QUERIES[number][:80], response)


@pytest.mark.parametrize(
    "parameter",
    ["filter[email]", "filter[name][contains]", "filter[email][ne]", "filter[name][lt]", "sort"],
)
def test_combining_marks_are_not_normalized_before_their_length_is_checked(
    target: Any, parameter: str
) -> None:
    marks = "a" + "\u0300" * 15_000 + "\u0316" * 15_000
    before = sum(target.process.cpu_times()[:2]) + cpu_of_children(target)
    for _ in range(3):
        response = target.get(f"{USERS}?{parameter}={marks}".encode())
        assert response.status == 400, response
    after = sum(target.process.cpu_times()[:2]) + cpu_of_children(target)
    assert after - before < 2, "normalization takes two seconds for each request"


def cpu_of_children(target: Any) -> float:
    children = target.process.children(recursive=True)
    return sum(sum(child.cpu_times()[:2]) for child in children)


@pytest.mark.parametrize("op", ["eq", "contains", "starts_with"])
def test_wildcards_match_only_themselves(target: Any, op: str) -> None:
    for attribute in ("email", "role"):
        for wild in WILD:
            query = f"filter[{attribute}][{op}]={quote(wild, safe='')}"
            response = target.get(f"{USERS}?{query}&page[size]=1000")
            if op == "eq":  # neither a role nor an email has these characters
                assert response.status == 400
                continue
            assert response.status == 200
            found = [user["attributes"][attribute] for user in response.document["data"]]
            assert all(wild in text for text in found), (wild, found)


def test_a_damaged_cursor_is_400(target: Any) -> None:
    item = target.get(f"{USERS}?sort=name&page[size]=1").document["data"][0]
    cursor = item["meta"]["page"]["cursor"]
    damaged = [cursor[:-1], cursor + "A", cursor + "=", cursor.swapcase(), cursor[::-1], cursor * 2]
    damaged += [
        f"{cursor[:at]}{'A' if cursor[at] != 'A' else 'B'}{cursor[at + 1 :]}"
        for at in range(len(cursor))
    ]
    for each in damaged:
        response = target.get(f"{USERS}?sort=name&page[after]={each}")
        assert (response.status, response.codes) == (400, {"invalid_cursor"}), each
    assert target.get(f"{USERS}?sort=email&page[after]={cursor}").status == 400


# -- random input ----------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("filter", "sort", "page", "fields", "include", "[", "]", "[]", "email", "name", "id"),
        *("users", "=", "&", ",", "-", "%00", "%ff", "%", "contains", "lt", "size", "after", "1"),
        *("'", "true", ";"),
    ]
)
QUERY = st.lists(PIECES | st.text(max_size=3).map(escaped), max_size=12).map("".join)
STEPS = st.sampled_from(
    [
        *("api", "v1", "users", "1", "2", "operations", ".json", "..", "%2e", "%2F", "%00", ";"),
        *("", "docs", "healthz", "%ff", "%c0%ae", "openapi.json", "?", "a", "%5c"),
    ]
)
PATH = st.lists(STEPS | st.text(max_size=3).map(lambda text: quote(text, safe="")), max_size=8)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_query_gets_a_response(target: Any, examples: int) -> None:
    @settings(SLOW, max_examples=examples)
    @given(QUERY, st.booleans())
    def attack(query: str, one: bool) -> None:
        response = target.get(f"{target.canary if one else USERS}?{query}")
        assert response.status in (200, 400)

    attack()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_path_gets_a_response(target: Any, examples: int) -> None:
    methods = st.sampled_from(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "BREW", "PROPFIND"])

    @settings(SLOW, max_examples=examples)
    @given(methods, PATH.map(lambda steps: "/" + "/".join(steps)))
    def attack(method: str, path: str) -> None:
        assert target.request(method, path).status in (200, 204, 400, 404, 405)

    attack()
