"""Whom a token speaks for, and that nobody talks a token into being."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from sys import getsizeof
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from adapters.tokens.key_sets import KeySet
from adapters.tokens.keys import Secret
from adapters.tokens.token_cache import MAX_BYTES, MAX_TOKENS, Verified, VerifiedTokens
from adapters.tokens.tokens import LONGEST, TokenVerifier, sign
from application.access import InvalidToken, Principal
from application.ports import Unavailable

SECRET = "a secret of more than thirty-two bytes"


def by_secret(**options: Any) -> TokenVerifier:
    return TokenVerifier(Secret(SECRET), **options)


def by_keys(body: bytes, **options: Any) -> TokenVerifier:
    keys = KeySet(lambda: body)
    keys.load()
    return TokenVerifier(keys, **options)


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    told = {"exp": int(time()) + 60, "scope": "users:read", **claims}
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(told, secret, algorithm)


def raw(header: Any, claims: Any, signature: bytes = b"x") -> str:
    """A token of any parts."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def refusal(tokens: TokenVerifier, token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        tokens.verify(token)
    return caught.value.detail


def test_a_token_that_was_signed_here_speaks_for_its_subject() -> None:
    token = sign(SECRET, ["users:read", "users:write"], seconds=60, subject="ann")
    expected = Principal("secret", None, "ann", frozenset(("users:read", "users:write")))
    tokens = by_secret()
    assert tokens.verify(token) == expected
    assert tokens.verify(token) == expected  # known by now


def test_a_token_bears_the_issuer_and_the_audience_that_are_asked_for() -> None:
    token = sign(SECRET, ["x"], seconds=60, issuer="https://i.example", audience="roster")
    tokens = by_secret(issuers=["https://i.example"], audiences=["roster"])
    assert tokens.verify(token).scopes == {"x"}


@pytest.mark.parametrize("name", ["rs256", "es256", "eddsa"])
def test_each_kind_of_key_checks_its_own_tokens(
    request: pytest.FixtureRequest, shown: Callable[..., bytes], name: str
) -> None:
    key = request.getfixturevalue(name)
    tokens = by_keys(shown(key))
    assert tokens.verify(key.sign()) == Principal(
        "key_set", None, "ann", frozenset(("users:read",))
    )
    other = type(key)(key.algorithm, key.kid)
    assert refusal(tokens, other.sign()) == "The token is not valid."


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("named", ["EdDSA", "Ed25519", None])
def test_ed25519_goes_by_both_its_names(
    eddsa: Any, shown: Callable[..., bytes], algorithm: str, named: str | None
) -> None:
    tokens = by_keys(shown({**eddsa.jwk, **({"alg": named} if named else {})}))
    token = jwt.encode({"exp": time() + 60}, eddsa.private, algorithm, {"kid": "ed"})
    assert tokens.verify(token).subject is None


def test_a_secret_and_a_key_set_may_stand_side_by_side(
    rs256: Any, shown: Callable[..., bytes]
) -> None:
    keys = KeySet(lambda: shown(rs256))
    keys.load()
    tokens = TokenVerifier(Secret(SECRET), keys)
    assert tokens.verify(signed()).scopes == tokens.verify(rs256.sign()).scopes


@pytest.mark.parametrize("kid", ["other", None])
def test_a_key_without_an_id_is_tried_for_any_token(
    signing_key: Any, shown: Callable[..., bytes], kid: str | None
) -> None:
    key = signing_key("ES256")
    tokens = by_keys(shown(signing_key("ES256", "first"), key))
    assert tokens.verify(key.sign({"kid": kid} if kid else None)).subject == "ann"


def test_two_keys_of_one_id_are_told_apart_by_their_kind(
    signing_key: Any, shown: Callable[..., bytes]
) -> None:
    first, second = signing_key("ES256", "same"), signing_key("EdDSA", "same")
    tokens = by_keys(shown(first, second))
    assert tokens.verify(first.sign()) == tokens.verify(second.sign())


# Attacks


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 0, [], ["HS256"], {}])
@pytest.mark.parametrize("signature", [b"", b"x"])
def test_a_token_can_not_do_without_a_signature(
    rs256: Any, shown: Callable[..., bytes], name: Any, signature: bytes
) -> None:
    keys = KeySet(lambda: shown(rs256))
    keys.load()
    token = raw({"alg": name, "kid": "rsa"}, {"exp": int(time()) + 60}, signature)
    assert refusal(TokenVerifier(Secret(SECRET), keys), token)


def test_a_public_key_is_nobodys_secret(rs256: Any, shown: Callable[..., bytes]) -> None:
    public = rs256.private.public_key()
    plain = serialization.PublicFormat.SubjectPublicKeyInfo
    keys = KeySet(lambda: shown(rs256))
    keys.load()
    for secret in (
        public.public_bytes(serialization.Encoding.PEM, plain),
        public.public_bytes(serialization.Encoding.DER, plain),
        json.dumps(rs256.jwk).encode(),
        rs256.jwk["n"].encode(),
    ):
        body = raw({"alg": "HS256", "kid": "rsa"}, {"exp": int(time()) + 60})
        head = body.rpartition(".")[0].encode()
        mac = jwt.get_algorithm_by_name("HS256").sign(head, secret)
        token = head + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
        assert refusal(TokenVerifier(keys), token.decode())
        assert refusal(TokenVerifier(Secret(SECRET), keys), token.decode())


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_secret_is_for_its_own_algorithm_alone(algorithm: str) -> None:
    long = SECRET * 2
    tokens = TokenVerifier(Secret(long))
    assert refusal(tokens, signed(long, algorithm))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_an_rsa_key_is_for_its_own_algorithm_alone(
    rs256: Any, shown: Callable[..., bytes], algorithm: str
) -> None:
    claims = {"exp": time() + 60}
    token = jwt.encode(claims, rs256.private, algorithm, {"kid": "rsa"})
    assert refusal(by_keys(shown(rs256)), token)


def test_a_key_that_the_token_brings_along_is_not_asked(
    rs256: Any, signing_key: Any, shown: Callable[..., bytes]
) -> None:
    own = signing_key("RS256", "rsa")
    header = {"jwk": own.jwk, "jku": "https://127.0.0.1:1/", "x5u": "https://127.0.0.1:1/"}
    assert refusal(by_keys(shown(rs256)), own.sign(header))


def test_another_secret_is_refused() -> None:
    assert refusal(by_secret(), signed(SECRET + "!")) == "The token is not valid."


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_anywhere_is_refused(part: int) -> None:
    tokens, token = by_secret(), signed()
    assert tokens.verify(token)
    parts = token.split(".")
    middle = len(parts[part]) // 2
    swapped = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + swapped + parts[part][middle + 1 :]
    assert refusal(tokens, ".".join(parts))


# Claims


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": None}, "lacks the claim `exp`"),
        ({"exp": int(time()) - 60}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -(10**300)}, "expired"),
        ({"exp": "soon"}, "not valid"),
        ({"exp": str(int(time()) + 10**6)}, "`exp`"),
        ({"exp": True}, "expired"),
        ({"exp": 10**10 + 0.5, "nbf": True}, "`nbf`"),
        ({"exp": [9**12]}, "not valid"),
        ({"exp": float("nan")}, "not valid"),
        ({"exp": float("inf")}, "not valid"),
        ({"nbf": int(time()) + 10**6}, "not valid yet"),
        ({"nbf": "now"}, "not valid"),
        ({"nbf": "0"}, "`nbf`"),
        ({"iat": int(time()) + 10**6}, "not valid yet"),
        ({"iat": "0"}, "`iat`"),
        ({"iat": False}, "`iat`"),
        ({"iat": "now"}, "`iat`"),
        ({"iat": [0]}, "`iat`"),
        ({"iat": {}}, "`iat`"),
        ({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, "`cnf`"),
        ({"cnf": {}}, "`cnf`"),
        ({"scope": 5}, "scope"),
        ({"scope": {"users:read": True}}, "scope"),
        ({"scope": ["users:read", 5]}, "scope"),
        ({"sub": 5}, "not valid"),
        ({"sub": ""}, "sub"),
        ({"sub": "a\0b"}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "\ud800"}, "sub"),
        ({"sub": "a" * 256}, "sub"),
    ],
)
def test_a_claim_that_does_not_hold_is_told(claims: dict[str, Any], reason: str) -> None:
    assert reason in refusal(by_secret(), signed(**claims))


@pytest.mark.parametrize("claims", [{"exp": 10**300}, {"nbf": 0}, {"aud": ["a"]}, {"iss": "x"}])
def test_claims_that_hold_or_that_nobody_asked_about_do_not_matter(claims: dict[str, Any]) -> None:
    tokens, token = by_secret(), signed(**claims)
    assert tokens.verify(token) == tokens.verify(token)


@pytest.mark.parametrize(
    ("seconds", "leeway", "good"),
    [(-20, 30, True), (-40, 30, False), (-20, 0, False), (-200, 300, True)],
)
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_clocks_may_differ_by_the_leeway(
    claim: str, seconds: int, leeway: float, good: bool
) -> None:
    now = int(time())
    token = signed(**{claim: now + seconds if claim == "exp" else now - seconds})
    tokens = by_secret(leeway=leeway)
    if good:
        assert tokens.verify(token) == tokens.verify(token)
    else:
        assert refusal(tokens, token)


def test_the_leeway_is_thirty_seconds_by_default() -> None:
    now = int(time())
    assert by_secret().verify(signed(exp=now - 20))
    assert refusal(by_secret(), signed(exp=now - 31)) == "The token has expired."


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT", None]
)
def test_an_access_token_may_say_that_it_is_one(typ: str | None) -> None:
    claims = {"exp": int(time()) + 60}
    token = jwt.encode(claims, SECRET, "HS256", {"typ": typ} if typ else {"typ": ""})
    assert by_secret().verify(token)


@pytest.mark.parametrize(
    "typ",
    [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "application/okta-internal-at+jwt",
        "text/jwt",
        "application/",
        "JWS",
        "",
        None,
        5,
        ["JWT"],
        {"JWT": 1},
    ],
)
def test_a_token_of_another_type_is_refused(typ: Any) -> None:
    header, claims = {"alg": "HS256", "typ": typ}, {"exp": int(time()) + 60}
    body = raw(header, claims).rpartition(".")[0]
    mac = jwt.get_algorithm_by_name("HS256").sign(body.encode(), SECRET.encode())
    token = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refusal(by_secret(), token).startswith("The token's type (`typ`) must be")


@pytest.mark.parametrize(
    ("audience", "good"),
    [
        ("roster", True),
        (["roster"], True),
        (["other", "roster"], True),
        (["other"], False),
        ("roster2", False),
        ("roste", False),
        (["roster", 5], False),
        ([], False),
        (None, False),
        ({"roster": 1}, False),
        ("api://roster", True),
        (["other", "api://roster"], True),
        ("roster,api://roster", False),
    ],
)
def test_the_audience_must_be_among_those_accepted(audience: Any, good: bool) -> None:
    tokens, token = by_secret(audiences=["roster", "api://roster"]), signed(aud=audience)
    if good:
        assert tokens.verify(token)
    else:
        assert refusal(tokens, token)


@pytest.mark.parametrize("name", ["rs256", "secret"])
def test_each_of_several_issuers_is_accepted(
    request: pytest.FixtureRequest, shown: Callable[..., bytes], name: str
) -> None:
    issuers = ["https://a.example", "https://b.example"]
    if name == "secret":
        tokens, sign_one = by_secret(issuers=issuers), signed
    else:
        key = request.getfixturevalue(name)
        tokens, sign_one = by_keys(shown(key), issuers=issuers), key.sign
    for issuer in issuers:
        assert tokens.verify(sign_one(iss=issuer)).issuer == issuer
    told = refusal(tokens, sign_one(iss="https://c.example"))
    assert told == "The token's issuer (`iss`) is not accepted."
    assert refusal(tokens, sign_one()) == "The token lacks the claim `iss`."


@pytest.mark.parametrize("issuer", [None, "https://i.example/", ["https://i.example"], 5])
def test_the_issuer_must_be_the_one(issuer: Any) -> None:
    token = raw({"alg": "HS256"}, {"exp": int(time()) + 60, "iss": issuer}).rpartition(".")[0]
    mac = jwt.get_algorithm_by_name("HS256").sign(token.encode(), SECRET.encode())
    whole = f"{token}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refusal(by_secret(issuers=["https://i.example"]), whole)
    if issuer is None or isinstance(issuer, str):
        assert by_secret().verify(whole).issuer == issuer
    else:
        assert "`iss`" in refusal(by_secret(), whole)


@pytest.mark.parametrize(
    ("told", "scopes"),
    [
        ("users:read", {"users:read"}),
        ("users:read users:read", {"users:read"}),
        (" users:read  users:write ", {"users:read", "users:write"}),
        (["users:read", "users:write"], {"users:read", "users:write"}),
        ("users:read,users:write", {"users:read,users:write"}),
        ("users:reader", {"users:reader"}),
        ("users", {"users"}),
        ("", set()),
        ([], set()),
        (None, set()),
    ],
)
@pytest.mark.parametrize("claim", ["scope", "scp"])
def test_scopes_are_whole_words(claim: str, told: Any, scopes: set[str]) -> None:
    token = signed(**{"scope": None, claim: told})
    assert by_secret().verify(token).scopes == scopes


@pytest.mark.parametrize("scope", ["", "users:read", [], ["users:read"]])
def test_scp_does_not_count_beside_scope(scope: Any) -> None:
    token = signed(scope=scope, scp="users:write")
    assert by_secret().verify(token).scopes == set(scope and ["users:read"])


@pytest.mark.parametrize("scp", [5, {"users:read": True}, ["users:read", 5], True])
def test_scp_of_another_type_is_refused(scp: Any) -> None:
    assert "`scp`" in refusal(by_secret(), signed(scope=None, scp=scp))


# Anything at all


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        "a b.c.d",
        "ä.ö.ü",
        "١.٢.٣",
        "a.b.c\n",
        "=.=.=",
        "a" * LONGEST,
        f"{'a' * 10**6}.b.c",
        f"{'.' * 10**6}",
        raw({"alg": "HS256", "crit": ["exp"]}, {}),
        raw({"alg": "HS256", "b64": False, "crit": ["b64"]}, {}),
        raw({"alg": "HS256", "kid": 5}, {}),
        raw({"alg": "RS256", "kid": None}, {}),
        raw([], []),
        raw(None, None),
        raw({}, {}),
        raw("HS256", "exp"),
    ],
)
def test_what_is_no_token_is_refused(rs256: Any, shown: Callable[..., bytes], token: str) -> None:
    assert refusal(by_keys(shown(rs256)), token)
    assert refusal(by_secret(), token)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["HS256", "RS256", "EdDSA", "none"]) | JSON},
    optional={"kid": st.sampled_from(["rsa"]) | JSON, "crit": JSON, "b64": JSON, "typ": JSON},
)


@given(st.text() | st.builds(raw, HEADERS | JSON, JSON, st.binary(max_size=300)))
def test_whatever_comes_is_refused_and_nothing_else(
    rs256: Any, shown: Callable[..., bytes], token: str
) -> None:
    keys = KeySet(lambda: shown(rs256))
    keys.load()
    assert refusal(TokenVerifier(Secret(SECRET), keys), token)


CLAIMS = st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "scope", "jti"]),
    JSON | st.just(int(time()) + 10**6),
)


@given(CLAIMS)
def test_whatever_the_claims_are_the_answer_is_a_principal_or_a_refusal(
    claims: dict[str, Any],
) -> None:
    body = raw({"alg": "HS256"}, claims).rpartition(".")[0]
    mac = jwt.get_algorithm_by_name("HS256").sign(body.encode(), SECRET.encode())
    token = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    for tokens in (by_secret(), by_secret(issuers=["i"], audiences=["a"])):
        with suppress(InvalidToken):
            assert tokens.verify(token) == tokens.verify(token)


# What the operator learns


def evidence(tokens: TokenVerifier, token: str) -> tuple[str, dict[str, str]]:
    """Why the token is refused, for the log."""
    with pytest.raises(InvalidToken) as caught:
        tokens.verify(token)
    return caught.value.reason, caught.value.facts


def test_the_reason_names_what_the_operator_must_change(
    es256: Any, eddsa: Any, signing_key: Any, shown: Callable[..., bytes]
) -> None:
    tokens = by_keys(shown(es256, eddsa), issuers=["https://i.example"], audiences=["roster"])
    good = {"iss": "https://i.example", "aud": "roster"}
    assert tokens.verify(es256.sign(**good))
    forged = signing_key("ES256", "ec").sign(**good)
    unknown = signing_key("ES256", "Ann Secretive").sign(**good)
    assert evidence(tokens, es256.sign(**good | {"iss": "https://j.example"})) == (
        "The token's issuer (`iss`) is not accepted.",
        {"kid": "ec", "issuer": "https://j.example"},
    )
    assert evidence(tokens, es256.sign(**good | {"aud": "payroll"})) == (
        "The token's audience (`aud`) is not accepted.",
        {"kid": "ec", "issuer": "https://i.example"},
    )
    assert evidence(tokens, forged) == ("The token's signature does not match.", {"kid": "ec"})
    assert evidence(tokens, unknown) == ("No key fits the token's `kid` and `alg`.", {})
    assert evidence(tokens, signed()) == ("The token's algorithm (`alg`) is not accepted.", {})
    assert evidence(tokens, "Ann.Secretive")[1] == {}


def test_an_issuer_is_logged_in_part_if_it_is_long() -> None:
    tokens = by_secret(issuers=["https://i.example"])
    _, facts = evidence(tokens, signed(iss="https://i.example/" + "x" * 10_000))
    assert len(facts["issuer"]) == 200


# What is known again


def test_a_token_that_was_known_expires_all_the_same(eventually: Callable[..., None]) -> None:
    tokens = by_secret(leeway=0)
    token = signed(exp=time() + 1.2)
    assert tokens.verify(token)

    def is_refused() -> bool:
        try:
            tokens.verify(token)
        except InvalidToken as error:
            return error.detail == "The token has expired."
        return False

    eventually(is_refused)


def test_what_is_known_of_a_token_is_its_digest_alone() -> None:
    tokens = by_secret()
    token = signed(sub="ann")
    tokens.verify(token)
    kept = repr(vars(tokens._verified))
    assert "'ann'" in kept
    assert not any(part in kept for part in token.split("."))


def test_no_more_tokens_are_known_than_fit() -> None:
    tokens = by_secret()
    for number in range(MAX_TOKENS + 10):
        tokens.verify(signed(jti=str(number)))
    assert len(tokens._verified) == MAX_TOKENS


def test_tokens_with_many_scopes_take_no_more_memory_than_others() -> None:
    known = VerifiedTokens()
    source = Secret(SECRET)
    scopes = frozenset(f"{number:x}" for number in range(3000))  # as many as 16 KiB hold
    before = principal_bytes = getsizeof(scopes) + sum(map(getsizeof, scopes))
    for number in range(MAX_TOKENS):
        principal = Principal("secret", None, str(number), scopes)
        known.add(number.to_bytes(32), Verified(principal, time() + 60, source, ()))
        assert len(known) * principal_bytes <= MAX_BYTES
    assert before * len(known) <= known.total_bytes <= MAX_BYTES
    assert known.get((MAX_TOKENS - 1).to_bytes(32))
    assert not known.get((0).to_bytes(32))


def test_the_memory_of_removed_tokens_is_free_again() -> None:
    known = VerifiedTokens()
    source = Secret(SECRET)
    for number in (1, 1, 2, 2, 1):
        principal = Principal("secret", None, "ann", frozenset(("users:read",)))
        known.add(bytes([number]), Verified(principal, time() + 60, source, ()))
    one = VerifiedTokens()
    one.add(b"1", Verified(principal, time() + 60, source, ()))
    assert (len(known), known.total_bytes) == (2, 2 * one.total_bytes)


def test_a_token_is_forgotten_when_its_key_is_withdrawn(
    signing_key: Any, shown: Callable[..., bytes]
) -> None:
    old, new = signing_key("ES256", "old"), signing_key("ES256", "new")
    bodies = [shown(new), shown(old)]
    keys = KeySet(lambda: bodies.pop())
    keys.load()
    tokens = TokenVerifier(keys)
    token = old.sign()
    assert tokens.verify(token)
    keys.load()
    assert refusal(tokens, token)
    assert tokens.verify(new.sign())


def test_without_any_keys_nobody_is_called_a_liar(rs256: Any) -> None:
    def unreadable() -> bytes:
        return b""

    with pytest.raises(Unavailable):
        TokenVerifier(KeySet(unreadable)).verify(rs256.sign())


@pytest.mark.parametrize("blank", [" ", "   ", "\u2800", "\u3164", "\u115f \u2800"])
@pytest.mark.parametrize("claim", ["sub", "client_id", "iss"])
def test_a_blank_name_identifies_nobody(claim: str, blank: str) -> None:
    assert "one of them visible" in refusal(by_secret(), signed(**{claim: blank}))
