"""Bodies that nobody sends by mistake."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSONAPI = "application/vnd.api+json"
USERS = "/api/v1/users"
OPERATIONS = "/api/v1/operations"
ATOMIC = 'Content-Type: application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
REFUSED = {400, 403, 404, 409, 413, 415, 422}
ATTRIBUTES = ("email", "name", "is_active", "role", "creation_time", "update_time")

NO_TEXT: tuple[Any, ...] = (None, True, 0, -1, 1.5, 2**63, 10**300, [], {}, [[]], {"$ne": None})
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
    """Surrogates and all, in escapes."""
    whole = {"data": {"type": "users", **more, "attributes": attributes}}
    try:  # as text: a document may have only so many escapes
        return json.dumps(whole, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(whole).encode()


def person(number: object, **attributes: Any) -> dict[str, Any]:
    return {"email": f"hostile-{number}@example.org", "name": "Mallory", **attributes}


@pytest.mark.parametrize("name", RAW)
def test_a_body_that_is_no_document_is_refused(target: Any, name: str) -> None:
    for method, url in (("POST", USERS), ("PATCH", target.canary)):
        answer = target.ask(method, url, RAW[name])
        assert answer.status in REFUSED, answer
        assert len(answer.body) < 4 * len(RAW[name]) + 500_000
    assert target.ask("POST", OPERATIONS, RAW[name], ATOMIC).status in REFUSED


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_value_of_the_wrong_kind_is_refused(target: Any, attribute: str) -> None:
    ignored = {"update_time"} | ({"creation_time"} if attribute == "creation_time" else set())
    for value in (*NO_TEXT, *BAD_TEXT):
        answer = target.post(document(person("wrong", **{attribute: value})))
        harmless = attribute == "is_active" and value is True
        if attribute == "update_time" or harmless or (attribute in ignored and value is None):
            assert answer.status in (201, 409), (value, answer)
        else:
            assert answer.status in (403, 422), (value, answer)
        if attribute != "update_time":
            changed = target.ask("PATCH", target.victim, document({attribute: value}, id=target.id))
            assert changed.status in ({200} if harmless else {403, 422}), (value, changed)


def test_what_looks_like_code_is_a_name_and_kept_as_it_was_sent(target: Any) -> None:
    for number, name in enumerate(GOOD_NAMES):
        answer = target.post(document(person(f"{target.salt()}-{number}", name=name)))
        assert answer.status == 201, (name, answer)
        assert answer.document["data"]["attributes"]["name"] == name


def strings(value: Any) -> Iterator[tuple[Any, Any, str]]:
    """Each string of a document: what holds it, its place there, itself."""
    for place, found in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(found, str):
            yield value, place, found
        elif isinstance(found, dict | list):
            yield from strings(found)


@pytest.mark.parametrize("spoil", ["\0", "\ud800"])
def test_nul_and_surrogates_in_each_string_are_refused(target: Any, spoil: str) -> None:
    user = {"type": "users", "attributes": {**person("nul"), "role": "user"}}
    ref = {"type": "users", "id": target.id}
    change = {"op": "update", "data": {**ref, "attributes": {"name": "Ann"}}}
    removal = {"op": "remove", "ref": ref}
    batch = [{"op": "add", "href": USERS, "data": user}, change, removal]
    sendings: list[tuple[str, str, Any, tuple[str, ...]]] = [
        ("POST", USERS, {"data": user}, ()),
        ("PATCH", target.victim, {"data": change["data"]}, ()),
        ("POST", OPERATIONS, {"atomic:operations": batch}, (ATOMIC,)),
    ]
    for method, url, whole, headers in sendings:
        for holder, place, text in list(strings(whole)):
            for spoilt in (spoil + text, text + spoil, spoil):
                holder[place] = spoilt
                answer = target.ask(method, url, json.dumps(whole).encode(), *headers)
                assert answer.status in REFUSED, (place, answer)
            holder[place] = text


@pytest.mark.parametrize("name", MASS)
def test_what_is_not_to_be_set_can_not_be_set(target: Any, name: str) -> None:
    extra = {name: MASS[name]}
    assert target.post(document(person("mass", **extra))).status in (403, 422)
    changed = target.ask("PATCH", target.canary, document(extra, id="1"))
    assert changed.status in (403, 422)
    beside = {key: value for key, value in extra.items() if key not in ("id", "type")}
    made = target.post(document(person(target.salt()), **beside))
    assert made.status == 201
    assert made.header("etag").startswith('"1-')
    shown = made.document["data"]["attributes"]
    assert shown.keys() == set(ATTRIBUTES)
    assert (shown["is_active"], shown["role"]) == (False, "user")
    assert not shown["creation_time"].startswith("1970")


def test_operations_are_bounded_too(target: Any) -> None:
    unknown = b",".join(b'"%d":1' % number for number in range(400))
    add = b'{"op":"add","data":{"type":"users","attributes":{%b}}}' % unknown
    batch = b'{"atomic:operations":[%b]}' % b",".join([add] * 100)
    answer = target.post(batch, ATOMIC, to=OPERATIONS)
    assert (answer.status, len(answer.document["errors"])) == (422, 1000)
    assert len(answer.body) < 1_000_000
    for href in ("http://169.254.169.254/", "file:///etc/passwd", "//x/api/v1/users/1", "\ud800"):
        batch = {"atomic:operations": [{"op": "remove", "href": href}]}
        sent = json.dumps(batch).encode()
        assert target.post(sent, ATOMIC, to=OPERATIONS).status in (400, 404)


# -- by chance -------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from([*BAD_TEXT[:12], *GOOD_NAMES])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXTS
MEMBERS = st.sampled_from(
    [
        *("data", "type", "id", "lid", "attributes", "relationships", "links", "meta", "errors"),
        *("op", "included", "jsonapi", "atomic:operations", "ref", "href", *ATTRIBUTES, *MASS),
    ]
)
ANYTHING = st.recursive(
    LEAVES | st.just("users"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | TEXTS, inner, max_size=4),
    max_leaves=12,
)
ALIKE = st.builds(
    lambda attributes, more: {"data": {"type": "users", **more, "attributes": attributes}},
    st.dictionaries(MEMBERS | TEXTS, ANYTHING, max_size=3).map(lambda found: person("x") | found),
    st.dictionaries(MEMBERS, ANYTHING, max_size=2),
)
WHOLE = json.dumps({"data": {"type": "users", "attributes": person("x", is_active=True)}}).encode()
DAMAGE = st.lists(
    st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 3), st.binary(max_size=4)), max_size=4
)
HOW_LONG = [60, pytest.param(2000, marks=pytest.mark.long)]
UNHURRIED = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("examples", HOW_LONG)
def test_any_document_gets_an_answer(target: Any, examples: int) -> None:
    @settings(UNHURRIED, max_examples=examples)
    @given(ANYTHING | ALIKE, st.sampled_from(["POST", "PATCH", "operations"]))
    def attack(value: Any, way: str) -> None:
        sent = json.dumps(value).encode()
        if way == "operations":
            answer = target.post(sent, ATOMIC, to=OPERATIONS)
        else:
            answer = target.ask(way, USERS if way == "POST" else target.victim, sent)
        assert answer.status in REFUSED | {200, 201}

    attack()


@pytest.mark.parametrize("examples", HOW_LONG)
def test_any_damage_to_a_document_gets_an_answer(target: Any, examples: int) -> None:
    @settings(UNHURRIED, max_examples=examples)
    @given(DAMAGE)
    def attack(damage: list[tuple[int, int, bytes]]) -> None:
        sent = WHOLE
        for at, length, put in damage:
            sent = sent[:at] + put + sent[at + length :]
        assert target.post(sent).status in REFUSED | {201}

    attack()
