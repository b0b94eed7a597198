"""Hostile request bodies."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roster_process import OPERATIONS, USERS

ATOMIC = 'Content-Type: application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
REJECTED = {400, 403, 404, 409, 413, 415, 422}
ATTRIBUTES = ("email", "name", "is_active", "role", "creation_time", "update_time")

NOT_TEXT: tuple[Any, ...] = (None, True, 0, -1, 1.5, 2**63, 10**300, [], {}, [[]], {"$ne": None})
BAD_TEXT = (
    *("\0", "a\0b", "\ud800", "a\udfffb", "\r\nX: y", "\u2028", "\x1b[2J", "\x7f", "\u0085"),
    *("", " ", "\u3000", "\u200b", "x" * 251, "\U0010ffff" * 300, "e" + "\u0301" * 10_000),
    *("\u3164", "\u2800", "a" + "\u0300" * 24_000 + "\u0316" * 24_000 + "@example.org"),
)
GOOD_NAMES = (
    *("'; DROP TABLE users; --", '" OR 1=1 --', "x' UNION SELECT * FROM users--", "1; SELECT 1"),
    *("%", "_", "100%", "%s%s%n", "{0}", "{{7*7}}", "${jndi:ldap://x}", "../../etc/passwd"),
    *(
        "<script>alert(1)</script>",
        "\\",
        "\\'",
        "$1",
        ":name",
        "?",
        "__proto__",
        "NULL",
        "undefined",
    ),
    *("\u202egpj.exe", "𝒜𝔫𝔫", "ﷺ", "🏴\U000e0067\U000e007f", "I\u0307", "ẞ", "a\u0300" * 120),
)
MASS = {
    "version": 99,
    "id": "1",
    "type": "admins",
    "email_key": "canary@example.org",
    "name_key": "x",
    "creation_time": "1970-01-01T00:00:00.000Z",
    "__proto__": {"is_active": True},
    "constructor": {"prototype": {}},
    "__class__": "x",
    "is_admin": True,
    "password": "x",
    "scope": "users:write",
    "email ": "x@example.org",
    "Email": "x@example.org",
    "email\0": "x",
    "\ud800": 1,
    "~1/~0": 1,
    "": 1,
}
RAW = {
    "nothing": b"",
    "a space": b" ",
    "a brace": b"{",
    "a text": b'"data"',
    "a number": b"1",
    "null": b"null",
    "an array": b"[]",
    "NaN": b'{"data": NaN}',
    "Infinity": b'{"data": {"type": "users", "attributes": {"name": -Infinity}}}',
    "a comment": b'{"data": 1} // x',
    "a comma": b'{"data": {},}',
    "two documents": b"{}{}",
    "single quotes": b"{'data': 1}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"data": {}}'.encode("utf-16"),
    "UTF-32": '{"data": {}}'.encode("utf-32-le"),
    "latin-1": '{"data": "é"}'.encode("latin-1"),
    "overlong UTF-8": b'{"data": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"data": "\xed\xa0\x80"}',
    "NUL": b"\0" * 1000,
    "NUL in a text": b'{"data": "\0"}',
    "duplicate members": b'{"data": 1, "data": 2}',
    "duplicate attributes": b'{"data": {"type": "users", "attributes": {"name": 1, "name": 2}}}',
    "duplicates in escapes": b'{"data": 1, "d\\u0061ta": 2}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and whole": b"[" * 5_000 + b"]" * 5_000,
    "deep in an attribute": b'{"data":{"type":"users","attributes":{"name":%b%b}}}'
    % (b"[" * 500, b"]" * 500),
    "brackets in a text": b'{"data": "%b"}' % (b"[" * 100_000),
    "a quote that does not end": b'{"data": "' + b'\\"' * 100_000,
    "many digits": b'{"data": %b}' % (b"9" * 500_000),
    "a giant exponent": b'{"data": 1e999999999}',
    "a tiny exponent": b'{"data": 1e-999999999}',
    "many colons": b'{"a"' + b":" * 100_000,
    "many attributes": b'{"data":{"type":"users","attributes":{%b}}}'
    % b",".join(b'"%d":1' % number for number in range(30_000)),
    "many relationships": b'{"data":{"type":"users","relationships":{%b}}}'
    % b",".join(b'"%d":1' % number for number in range(30_000)),
    "a long name of an attribute": b'{"data":{"type":"users","attributes":{"%b":1}}}'
    % ("é~".encode() * 300_000),
    "a long type": b'{"data":{"type":"%b","attributes":{}}}' % (b"x" * 1_000_000),
    "over the limit": b" " * (2**20 + 1),
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "a pickle": b"cos\nsystem\n(S'id'\ntR.",
    "YAML": b"!!python/object/apply:os.system ['id']",
}


def document(attributes: Any, **more: Any) -> bytes:
    """A document, with lone surrogates as escapes."""
    whole = {"data": {"type": "users", **more, "attributes": attributes}}
    try:  # as text, because the number of escapes in a document is limited
        return json.dumps(whole, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(whole).encode()


def user(number: object, **attributes: Any) -> dict[str, Any]:
    return {"email": f"hostile-{number}@example.org", "name": "Mallory", **attributes}


@pytest.mark.parametrize("name", RAW)
def test_a_body_that_is_not_a_document_is_rejected(target: Any, name: str) -> None:
    for method, url in (("POST", USERS), ("PATCH", target.canary)):
        response = target.request(method, url, RAW[name])
        assert response.status in REJECTED, response
        assert len(response.body) < 4 * len(RAW[name]) + 500_000
    assert target.request("POST", OPERATIONS, RAW[name], ATOMIC).status in REJECTED


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_value_of_the_wrong_type_is_rejected(target: Any, attribute: str) -> None:
    ignored = {"update_time"} | ({"creation_time"} if attribute == "creation_time" else set())
    for value in (*NOT_TEXT, *BAD_TEXT):
        response = target.post(document(user("wrong", **{attribute: value})))
        harmless = attribute == "is_active" and value is True
        if attribute == "update_time" or harmless or (attribute in ignored and value is None):
            assert response.status in (201, 409), (value, response)
        else:
            assert response.status in (403, 422), (value, response)
        if attribute != "update_time":
            changed = target.request(
                "PATCH", target.victim, document({attribute: value}, id=target.id)
            )
            assert changed.status in ({200} if harmless else {403, 422}), (value, changed)


def test_code_in_a_name_is_stored_unchanged(target: Any) -> None:
    for number, name in enumerate(GOOD_NAMES):
        response = target.post(document(user(f"{target.new_number()}-{number}", name=name)))
        assert response.status == 201, (name, response)
        assert response.document["data"]["attributes"]["name"] == name


def strings(value: Any) -> Iterator[tuple[Any, Any, str]]:
    """Each string of a document: its container, its place there, and the string."""
    for place, found in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(found, str):
            yield value, place, found
        elif isinstance(found, dict | list):
            yield from strings(found)


@pytest.mark.parametrize("bad", ["\0", "\ud800"])
def test_nul_and_surrogates_in_each_string_are_rejected(target: Any, bad: str) -> None:
    new = {"type": "users", "attributes": {**user("nul"), "role": "user"}}
    ref = {"type": "users", "id": target.id}
    change = {"op": "update", "data": {**ref, "attributes": {"name": "Ann"}}}
    removal = {"op": "remove", "ref": ref}
    batch = [{"op": "add", "href": USERS, "data": new}, change, removal]
    requests: list[tuple[str, str, Any, tuple[str, ...]]] = [
        ("POST", USERS, {"data": new}, ()),
        ("PATCH", target.victim, {"data": change["data"]}, ()),
        ("POST", OPERATIONS, {"atomic:operations": batch}, (ATOMIC,)),
    ]
    for method, url, whole, headers in requests:
        for container, place, text in list(strings(whole)):
            for changed in (bad + text, text + bad, bad):
                container[place] = changed
                response = target.request(method, url, json.dumps(whole).encode(), *headers)
                assert response.status in REJECTED, (place, response)
            container[place] = text


@pytest.mark.parametrize("name", MASS)
def test_unknown_and_read_only_members_change_nothing(target: Any, name: str) -> None:
    extra = {name: MASS[name]}
    assert target.post(document(user("mass", **extra))).status in (403, 422)
    changed = target.request("PATCH", target.canary, document(extra, id="1"))
    assert changed.status in (403, 422)
    ignored = {key: value for key, value in extra.items() if key not in ("id", "type")}
    created = target.post(document(user(target.new_number()), **ignored))
    assert created.status == 201
    assert created.header("etag").startswith('"1-')
    shown = created.document["data"]["attributes"]
    assert shown.keys() == set(ATTRIBUTES)
    assert (shown["is_active"], shown["role"]) == (False, "user")
    assert not shown["creation_time"].startswith("1970")


def test_the_errors_of_operations_are_bounded(target: Any) -> None:
    unknown = b",".join(b'"%d":1' % number for number in range(400))
    add = b'{"op":"add","data":{"type":"users","attributes":{%b}}}' % unknown
    batch = b'{"atomic:operations":[%b]}' % b",".join([add] * 100)
    response = target.post(batch, ATOMIC, to=OPERATIONS)
    assert (response.status, len(response.document["errors"])) == (422, 1000)
    assert len(response.body) < 1_000_000
    for href in ("http://169.254.169.254/", "file:///etc/passwd", "//x/api/v1/users/1", "\ud800"):
        removal = {"atomic:operations": [{"op": "remove", "href": href}]}
        sent = json.dumps(removal).encode()
        assert target.post(sent, ATOMIC, to=OPERATIONS).status in (400, 404)


# -- random input ----------------------------------------------------------------------------------

TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from([*BAD_TEXT[:12], *GOOD_NAMES])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXTS
MEMBERS = st.sampled_from(
    [
        *("data", "type", "id", "lid", "attributes", "relationships", "links", "meta", "errors"),
        *("op", "included", "jsonapi", "atomic:operations", "ref", "href", *ATTRIBUTES, *MASS),
    ]
)
ANY_VALUE = st.recursive(
    LEAVES | st.just("users"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | TEXTS, inner, max_size=4),
    max_leaves=12,
)
LIKE_USERS = st.builds(
    lambda attributes, more: {"data": {"type": "users", **more, "attributes": attributes}},
    st.dictionaries(MEMBERS | TEXTS, ANY_VALUE, max_size=3).map(lambda found: user("x") | found),
    st.dictionaries(MEMBERS, ANY_VALUE, max_size=2),
)
WHOLE = json.dumps({"data": {"type": "users", "attributes": user("x", is_active=True)}}).encode()
DAMAGE = st.lists(
    st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 3), st.binary(max_size=4)), max_size=4
)
EXAMPLES = [60, pytest.param(2000, marks=pytest.mark.long)]
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_document_gets_a_response(target: Any, examples: int) -> None:
    @settings(SLOW, max_examples=examples)
    @given(ANY_VALUE | LIKE_USERS, st.sampled_from(["POST", "PATCH", "operations"]))
    def attack(value: Any, kind: str) -> None:
        sent = json.dumps(value).encode()
        if kind == "operations":
            response = target.post(sent, ATOMIC, to=OPERATIONS)
        else:
            response = target.request(kind, USERS if kind == "POST" else target.victim, sent)
        assert response.status in REJECTED | {200, 201}

    attack()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_damage_to_a_document_gets_a_response(target: Any, examples: int) -> None:
    @settings(SLOW, max_examples=examples)
    @given(DAMAGE)
    def attack(damage: list[tuple[int, int, bytes]]) -> None:
        sent = WHOLE
        for at, length, put in damage:
            sent = sent[:at] + put + sent[at + length :]
        assert target.post(sent).status in REJECTED | {201}

    attack()
