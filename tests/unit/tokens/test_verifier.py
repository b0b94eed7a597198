"""Verifies tokens: signatures, claims, attacks, the log and the cache."""

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
from waiting import until

from adapters.tokens.issuer import sign
from adapters.tokens.key_sets import KeySet
from adapters.tokens.keys import Secret
from adapters.tokens.token_cache import MAX_BYTES, MAX_TOKENS, Verified, VerifiedTokens
from adapters.tokens.verifier import MAX_LENGTH, TokenVerifier
from application.access import InvalidToken, Principal
from application.ports import Unavailable

SECRET = "a secret of more than thirty-two bytes"
NOT_VALID = "The token is not valid."
EXPIRED = "The token has expired."
NOT_VALID_YET = "The token is not valid yet."
WRONG_TYPE = "The token's type (`typ`) must be JWT or at+jwt, or absent."
LACKS_AUDIENCE = "The token lacks the claim `aud`."
NO_BEARER = "The token is bound to a key (`cnf`), and Roster accepts only bearer tokens."


def by_secret(**options: Any) -> TokenVerifier:
    return TokenVerifier(Secret(SECRET), **{"leeway": 30, **options})


def by_keys(body: bytes, **options: Any) -> TokenVerifier:
    keys = KeySet(lambda: body)
    keys.load()
    return TokenVerifier(keys, **{"leeway": 30, **options})


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    payload = {"exp": int(time()) + 60, "scope": "users:read", **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm)


def raw(header: Any, claims: Any, signature: bytes = b"x") -> str:
    """A token with any header, claims and signature."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def with_mac(header: Any, claims: Any) -> str:
    """A token with any header and claims, and a valid HS256 signature."""
    content = raw(header, claims).rpartition(".")[0]
    mac = jwt.get_algorithm_by_name("HS256").sign(content.encode(), SECRET.encode())
    return f"{content}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def name_error(claim: str) -> str:
    accepted = "a string of 1 to 255 printable characters, one of them visible"
    return f"The token's `{claim}` claim must be {accepted}."


def scope_error(claim: str) -> str:
    return f"The token's `{claim}` claim must be a string or a list of strings."


def number_error(claim: str) -> str:
    return f"The token's `{claim}` claim must be a number."


def rejection(tokens: TokenVerifier, token: str) -> str:
    """Returns the detail of the error for a token that must be rejected."""
    with pytest.raises(InvalidToken) as caught:
        tokens.verify(token)
    return caught.value.detail


def test_a_signed_token_identifies_its_subject() -> None:
    token = sign(SECRET, ["users:read", "users:write"], seconds=60, subject="ann")
    expected = Principal("secret", None, "ann", frozenset(("users:read", "users:write")))
    tokens = by_secret()
    assert tokens.verify(token) == expected
    assert tokens.verify(token) == expected  # from the cache


def test_a_signed_token_states_when_it_was_issued() -> None:
    before = int(time())
    claims = jwt.decode(sign(SECRET, ["x"], seconds=60), options={"verify_signature": False})
    assert before <= claims["iat"] <= time()
    assert claims["exp"] == claims["iat"] + 60


def test_a_signed_token_has_the_issuer_and_the_audience() -> None:
    token = sign(SECRET, ["x"], seconds=60, issuer="https://i.example", audience="roster")
    tokens = by_secret(issuers=["https://i.example"], audiences=["roster"])
    assert tokens.verify(token).scopes == {"x"}


@pytest.mark.parametrize("name", ["rs256", "es256", "eddsa"])
def test_each_kind_of_key_checks_its_own_tokens(
    request: pytest.FixtureRequest, key_set_of: Callable[..., bytes], name: str
) -> None:
    key = request.getfixturevalue(name)
    tokens = by_keys(key_set_of(key))
    assert tokens.verify(key.sign()) == Principal(
        "key_set", None, "ann", frozenset(("users:read",))
    )
    other = type(key)(key.algorithm, key.kid)
    assert rejection(tokens, other.sign()) == NOT_VALID


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("named", ["EdDSA", "Ed25519", None])
def test_accepts_both_names_of_ed25519(
    eddsa: Any, key_set_of: Callable[..., bytes], algorithm: str, named: str | None
) -> None:
    tokens = by_keys(key_set_of({**eddsa.jwk, **({"alg": named} if named else {})}))
    token = jwt.encode({"exp": time() + 60}, eddsa.private, algorithm, {"kid": "ed"})
    assert tokens.verify(token).subject is None


def test_a_secret_and_a_key_set_can_be_used_together(
    rs256: Any, key_set_of: Callable[..., bytes]
) -> None:
    keys = KeySet(lambda: key_set_of(rs256))
    keys.load()
    tokens = TokenVerifier(Secret(SECRET), keys, leeway=30)
    assert tokens.verify(signed()).scopes == tokens.verify(rs256.sign()).scopes


@pytest.mark.parametrize("kid", ["other", None])
def test_a_key_without_an_id_is_tried_for_any_token(
    signing_key: Any, key_set_of: Callable[..., bytes], kid: str | None
) -> None:
    key = signing_key("ES256")
    tokens = by_keys(key_set_of(signing_key("ES256", "first"), key))
    assert tokens.verify(key.sign({"kid": kid} if kid else None)).subject == "ann"


def test_two_keys_with_one_id_are_distinguished_by_their_kind(
    signing_key: Any, key_set_of: Callable[..., bytes]
) -> None:
    first, second = signing_key("ES256", "same"), signing_key("EdDSA", "same")
    tokens = by_keys(key_set_of(first, second))
    assert tokens.verify(first.sign()) == tokens.verify(second.sign())


# Attacks


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 0, [], ["HS256"], {}])
@pytest.mark.parametrize("signature", [b"", b"x"])
def test_rejects_a_token_without_a_signature(
    rs256: Any, key_set_of: Callable[..., bytes], name: Any, signature: bytes
) -> None:
    keys = KeySet(lambda: key_set_of(rs256))
    keys.load()
    token = raw({"alg": name, "kid": "rsa"}, {"exp": int(time()) + 60}, signature)
    assert rejection(TokenVerifier(Secret(SECRET), keys, leeway=30), token) == NOT_VALID


def test_rejects_a_token_that_is_signed_with_a_public_key_as_the_secret(
    rs256: Any, key_set_of: Callable[..., bytes]
) -> None:
    public = rs256.private.public_key()
    plain = serialization.PublicFormat.SubjectPublicKeyInfo
    keys = KeySet(lambda: key_set_of(rs256))
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
        for tokens in (
            TokenVerifier(keys, leeway=30),
            TokenVerifier(Secret(SECRET), keys, leeway=30),
        ):
            assert rejection(tokens, token.decode()) == NOT_VALID


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_secret_verifies_only_its_own_algorithm(algorithm: str) -> None:
    long = SECRET * 2
    tokens = TokenVerifier(Secret(long), leeway=30)
    assert rejection(tokens, signed(long, algorithm)) == NOT_VALID


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_an_rsa_key_verifies_only_its_own_algorithm(
    rs256: Any, key_set_of: Callable[..., bytes], algorithm: str
) -> None:
    claims = {"exp": time() + 60}
    token = jwt.encode(claims, rs256.private, algorithm, {"kid": "rsa"})
    assert rejection(by_keys(key_set_of(rs256)), token) == NOT_VALID


def test_ignores_a_key_in_the_header_of_the_token(
    rs256: Any, signing_key: Any, key_set_of: Callable[..., bytes]
) -> None:
    own = signing_key("RS256", "rsa")
    header = {"jwk": own.jwk, "jku": "https://127.0.0.1:1/", "x5u": "https://127.0.0.1:1/"}
    assert rejection(by_keys(key_set_of(rs256)), own.sign(header)) == NOT_VALID


def test_rejects_a_token_of_another_secret() -> None:
    assert rejection(by_secret(), signed(SECRET + "!")) == NOT_VALID


@pytest.mark.parametrize("part", [0, 1, 2])
def test_rejects_a_token_that_was_changed_in_any_part(part: int) -> None:
    tokens, token = by_secret(), signed()
    assert tokens.verify(token).scopes == {"users:read"}
    parts = token.split(".")
    middle = len(parts[part]) // 2
    swapped = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + swapped + parts[part][middle + 1 :]
    assert rejection(tokens, ".".join(parts)) == NOT_VALID


# Claims


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"exp": None}, "The token lacks the claim `exp`."),
        ({"exp": int(time()) - 60}, EXPIRED),
        ({"exp": 0}, EXPIRED),
        ({"exp": -(10**300)}, EXPIRED),
        ({"exp": "soon"}, NOT_VALID),
        ({"exp": str(int(time()) + 10**6)}, number_error("exp")),
        ({"exp": True}, EXPIRED),
        ({"exp": 10**10 + 0.5, "nbf": True}, number_error("nbf")),
        ({"exp": [9**12]}, NOT_VALID),
        ({"exp": float("nan")}, NOT_VALID),
        ({"exp": float("inf")}, NOT_VALID),
        ({"nbf": int(time()) + 10**6}, NOT_VALID_YET),
        ({"nbf": "now"}, NOT_VALID),
        ({"nbf": "0"}, number_error("nbf")),
        ({"iat": int(time()) + 10**6}, NOT_VALID_YET),
        ({"iat": "0"}, number_error("iat")),
        ({"iat": False}, number_error("iat")),
        ({"iat": "now"}, number_error("iat")),
        ({"iat": [0]}, number_error("iat")),
        ({"iat": {}}, number_error("iat")),
        ({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, NO_BEARER),
        ({"cnf": {}}, NO_BEARER),
        ({"scope": 5}, scope_error("scope")),
        ({"scope": {"users:read": True}}, scope_error("scope")),
        ({"scope": ["users:read", 5]}, scope_error("scope")),
        ({"sub": 5}, NOT_VALID),
        ({"sub": ""}, name_error("sub")),
        ({"sub": "a\0b"}, name_error("sub")),
        ({"sub": "a\nb"}, name_error("sub")),
        ({"sub": "\ud800"}, name_error("sub")),
        ({"sub": "a" * 256}, name_error("sub")),
    ],
)
def test_names_the_invalid_claim(claims: dict[str, Any], detail: str) -> None:
    assert rejection(by_secret(), signed(**claims)) == detail


@pytest.mark.parametrize("subject", ["a", "é", "a" * 255])
def test_accepts_a_subject_of_any_valid_length(subject: str) -> None:
    assert by_secret().verify(signed(sub=subject)).subject == subject


@pytest.mark.parametrize("claims", [{"exp": 10**300}, {"nbf": 0}, {"aud": ["a"]}, {"iss": "x"}])
def test_accepts_valid_claims_and_claims_that_are_not_checked(claims: dict[str, Any]) -> None:
    tokens, token = by_secret(), signed(**claims)
    assert tokens.verify(token) == tokens.verify(token)


@pytest.mark.parametrize(
    ("seconds", "leeway", "valid"),
    [(-20, 30, True), (-40, 30, False), (-20, 0, False), (-200, 300, True)],
)
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_clocks_may_differ_by_the_leeway(
    claim: str, seconds: int, leeway: float, valid: bool
) -> None:
    now = int(time())
    claims: Any = {claim: now + seconds if claim == "exp" else now - seconds}
    token = signed(**claims)
    tokens = by_secret(leeway=leeway)
    if valid:
        assert tokens.verify(token) == tokens.verify(token)
    else:
        assert rejection(tokens, token) == (EXPIRED if claim == "exp" else NOT_VALID_YET)


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT", None]
)
def test_accepts_the_types_of_access_tokens(typ: str | None) -> None:
    claims = {"exp": int(time()) + 60, "scope": "users:read"}
    token = jwt.encode(claims, SECRET, "HS256", {"typ": typ} if typ else {"typ": ""})
    assert by_secret().verify(token).scopes == {"users:read"}


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
def test_rejects_a_token_of_another_type(typ: Any) -> None:
    header, claims = {"alg": "HS256", "typ": typ}, {"exp": int(time()) + 60}
    assert rejection(by_secret(), with_mac(header, claims)) == WRONG_TYPE


@pytest.mark.parametrize(
    ("audience", "accepted"),
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
def test_the_audience_must_be_among_those_accepted(audience: Any, accepted: bool) -> None:
    tokens, token = by_secret(audiences=["roster", "api://roster"]), signed(aud=audience)
    if accepted:
        assert tokens.verify(token).scopes == {"users:read"}
    else:
        lacking = audience is None or audience == []
        expected = LACKS_AUDIENCE if lacking else "The token's audience (`aud`) is not accepted."
        assert rejection(tokens, token) == expected


@pytest.mark.parametrize("name", ["rs256", "secret"])
def test_each_of_several_issuers_is_accepted(
    request: pytest.FixtureRequest, key_set_of: Callable[..., bytes], name: str
) -> None:
    issuers = ["https://a.example", "https://b.example"]
    if name == "secret":
        tokens, sign_one = by_secret(issuers=issuers), signed
    else:
        key = request.getfixturevalue(name)
        tokens, sign_one = by_keys(key_set_of(key), issuers=issuers), key.sign
    for issuer in issuers:
        assert tokens.verify(sign_one(iss=issuer)).issuer == issuer
    not_accepted = "The token's issuer (`iss`) is not accepted."
    assert rejection(tokens, sign_one(iss="https://c.example")) == not_accepted
    assert rejection(tokens, sign_one()) == "The token lacks the claim `iss`."


@pytest.mark.parametrize("issuer", [None, "https://i.example/", ["https://i.example"], 5])
def test_rejects_another_issuer(issuer: Any) -> None:
    token = with_mac({"alg": "HS256"}, {"exp": int(time()) + 60, "iss": issuer})
    not_accepted = "The token's issuer (`iss`) is not accepted."
    assert rejection(by_secret(issuers=["https://i.example"]), token) == not_accepted
    if issuer is None or isinstance(issuer, str):
        assert by_secret().verify(token).issuer == issuer
    else:
        assert rejection(by_secret(), token) == name_error("iss")


@pytest.mark.parametrize(
    ("sent", "scopes"),
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
def test_scopes_are_whole_words(claim: str, sent: Any, scopes: set[str]) -> None:
    token = signed(**{"scope": None, claim: sent})
    assert by_secret().verify(token).scopes == scopes


@pytest.mark.parametrize("scope", ["", "users:read", [], ["users:read"]])
def test_ignores_scp_if_there_is_a_scope(scope: Any) -> None:
    token = signed(scope=scope, scp="users:write")
    assert by_secret().verify(token).scopes == set(scope and ["users:read"])


@pytest.mark.parametrize("scp", [5, {"users:read": True}, ["users:read", 5], True])
def test_rejects_scp_of_another_type(scp: Any) -> None:
    assert rejection(by_secret(), signed(scope=None, scp=scp)) == scope_error("scp")


# Invalid tokens of any kind


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
        "a" * MAX_LENGTH,
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
def test_rejects_text_that_is_not_a_token(
    rs256: Any, key_set_of: Callable[..., bytes], token: str
) -> None:
    assert rejection(by_keys(key_set_of(rs256)), token) == NOT_VALID
    assert rejection(by_secret(), token) == NOT_VALID


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
def test_rejects_any_text_without_another_error(
    rs256: Any, key_set_of: Callable[..., bytes], token: str
) -> None:
    keys = KeySet(lambda: key_set_of(rs256))
    keys.load()
    tokens = TokenVerifier(Secret(SECRET), keys, leeway=30)
    assert rejection(tokens, token) in (NOT_VALID, WRONG_TYPE)


CLAIMS = st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "scope", "jti"]),
    JSON | st.just(int(time()) + 10**6),
)


@given(CLAIMS)
def test_any_claims_result_in_a_principal_or_a_rejection(
    claims: dict[str, Any],
) -> None:
    token = with_mac({"alg": "HS256"}, claims)
    for tokens in (by_secret(), by_secret(issuers=["i"], audiences=["a"])):
        with suppress(InvalidToken):
            assert tokens.verify(token) == tokens.verify(token)


# The log


def logged(tokens: TokenVerifier, token: str) -> tuple[str, dict[str, str]]:
    """Returns the reason and the facts that are logged for a rejected token."""
    with pytest.raises(InvalidToken) as caught:
        tokens.verify(token)
    return caught.value.reason, caught.value.facts


def test_the_reason_names_what_the_operator_must_change(
    es256: Any, eddsa: Any, signing_key: Any, key_set_of: Callable[..., bytes]
) -> None:
    tokens = by_keys(key_set_of(es256, eddsa), issuers=["https://i.example"], audiences=["roster"])
    accepted = {"iss": "https://i.example", "aud": "roster"}
    assert tokens.verify(es256.sign(**accepted)).scopes == {"users:read"}
    forged = signing_key("ES256", "ec").sign(**accepted)
    unknown = signing_key("ES256", "Ann Secretive").sign(**accepted)
    assert logged(tokens, es256.sign(**accepted | {"iss": "https://j.example"})) == (
        "The token's issuer (`iss`) is not accepted.",
        {"kid": "ec", "issuer": "https://j.example"},
    )
    assert logged(tokens, es256.sign(**accepted | {"aud": "payroll"})) == (
        "The token's audience (`aud`) is not accepted.",
        {"kid": "ec", "issuer": "https://i.example"},
    )
    assert logged(tokens, forged) == ("The token's signature does not match.", {"kid": "ec"})
    assert logged(tokens, unknown) == ("No key fits the token's `kid` and `alg`.", {})
    assert logged(tokens, signed()) == ("The token's algorithm (`alg`) is not accepted.", {})
    assert logged(tokens, "Ann.Secretive")[1] == {}


def test_no_lone_surrogate_is_logged() -> None:
    """A log entry is UTF-8, so it could not be written, and the response would be lost."""
    expired = with_mac({"alg": "HS256"}, {"exp": 1, "iss": "a\ud800"})
    assert logged(by_secret(), expired) == ("The token has expired.", {"issuer": "a?"})


def test_no_key_id_is_logged_if_the_token_names_none(
    signing_key: Any, key_set_of: Callable[..., bytes]
) -> None:
    tokens = by_keys(key_set_of(signing_key("ES256")))
    forged = signing_key("ES256").sign()
    assert logged(tokens, forged) == ("The token's signature does not match.", {})


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("a" * (MAX_LENGTH + 1), f"The token is longer than {MAX_LENGTH} characters."),
        ("a.b", "The token is not a signed JWT in compact form."),
        ("a.b.c", "The token's header is not valid."),
    ],
)
def test_the_reason_describes_text_that_is_not_a_token(token: str, reason: str) -> None:
    assert logged(by_secret(), token) == (reason, {})


def test_an_issuer_is_logged_in_part_if_it_is_long() -> None:
    tokens = by_secret(issuers=["https://i.example"])
    _, facts = logged(tokens, signed(iss="https://i.example/" + "x" * 10_000))
    assert len(facts["issuer"]) == 200


# The cache


def test_a_token_is_verified_once_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = by_secret(leeway=0)
    end = int(time()) + 600
    token = signed(sub="ann", exp=end)
    assert tokens.verify(token).subject == "ann"
    monkeypatch.setattr("adapters.tokens.verifier.time", lambda: end - 0.001)
    assert tokens.verify(token) is tokens.verify(token)


def test_a_cached_token_is_rejected_when_it_expires() -> None:
    tokens = by_secret(leeway=0)
    token = signed(exp=int(time()) + 2)
    assert tokens.verify(token).scopes == {"users:read"}

    def is_rejected() -> bool:
        try:
            tokens.verify(token)
        except InvalidToken as error:
            return error.detail == EXPIRED
        return False

    until(is_rejected)


def test_the_cache_contains_only_the_digest_of_a_token() -> None:
    tokens = by_secret()
    token = signed(sub="ann")
    tokens.verify(token)
    cached = repr(vars(tokens._verified))
    assert "'ann'" in cached
    assert not any(part in cached for part in token.split("."))


def test_caches_a_limited_number_of_tokens() -> None:
    cache = VerifiedTokens()
    verified = Verified(Principal("secret", None, "ann"), time() + 60, Secret(SECRET), ())
    for number in range(MAX_TOKENS + 10):
        cache.add(number.to_bytes(32), verified)
    assert len(cache) == MAX_TOKENS
    cached = [number for number in range(MAX_TOKENS + 10) if cache.get(number.to_bytes(32))]
    assert cached == list(range(10, MAX_TOKENS + 10))


def test_tokens_with_many_scopes_take_no_more_memory_than_others() -> None:
    cache = VerifiedTokens()
    source = Secret(SECRET)
    scopes = frozenset(f"{number:x}" for number in range(3000))  # the most that fit in 16 KiB
    principal_bytes = getsizeof(scopes) + sum(map(getsizeof, scopes))
    for number in range(100):
        principal = Principal("secret", None, str(number), scopes)
        cache.add(number.to_bytes(32), Verified(principal, time() + 60, source, ()))
        assert len(cache) * principal_bytes <= MAX_BYTES
    assert principal_bytes * len(cache) <= cache.total_bytes <= MAX_BYTES
    newest = cache.get((99).to_bytes(32))
    assert newest is not None
    assert newest.principal.subject == "99"
    assert cache.get((0).to_bytes(32)) is None


def test_the_memory_of_removed_tokens_is_free_again() -> None:
    cache = VerifiedTokens()
    source = Secret(SECRET)
    for number in (1, 1, 2, 2, 1):
        principal = Principal("secret", None, "ann", frozenset(("users:read",)))
        cache.add(bytes([number]), Verified(principal, time() + 60, source, ()))
    one = VerifiedTokens()
    one.add(b"1", Verified(principal, time() + 60, source, ()))
    assert (len(cache), cache.total_bytes) == (2, 2 * one.total_bytes)


def test_rejects_a_cached_token_when_its_key_is_withdrawn(
    signing_key: Any, key_set_of: Callable[..., bytes]
) -> None:
    old, new = signing_key("ES256", "old"), signing_key("ES256", "new")
    bodies = [key_set_of(new), key_set_of(old)]
    keys = KeySet(lambda: bodies.pop())
    keys.load()
    tokens = TokenVerifier(keys, leeway=30)
    token = old.sign()
    assert tokens.verify(token).scopes == {"users:read"}
    keys.load()
    assert rejection(tokens, token) == NOT_VALID
    assert tokens.verify(new.sign()).subject == "ann"


def test_is_unavailable_without_any_keys(rs256: Any) -> None:
    def unreadable() -> bytes:
        return b""

    with pytest.raises(Unavailable):
        TokenVerifier(KeySet(unreadable), leeway=30).verify(rs256.sign())


@pytest.mark.parametrize("blank", [" ", "   ", "\u2800", "\u3164", "\u115f \u2800"])
@pytest.mark.parametrize("claim", ["sub", "client_id", "iss"])
def test_rejects_a_blank_name(claim: str, blank: str) -> None:
    assert rejection(by_secret(), signed(**{claim: blank})) == name_error(claim)
