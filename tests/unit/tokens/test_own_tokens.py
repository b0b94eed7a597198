"""Access tokens that Roster issues and verifies."""

from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from waiting import until

from adapters.tokens.issuer import JwtIssuer, issue_time_of, milliseconds, sign
from adapters.tokens.key_files import create_private_file, replace_private_file
from adapters.tokens.keys import Key, Secret
from adapters.tokens.revocations import Revocations
from adapters.tokens.signing_keys import SigningKey, SigningKeys, write_signing_keys
from adapters.tokens.verifier import OwnTokens, TokenVerifier
from application.access import (
    KEY_SET,
    ROSTER_KEY,
    SECRET,
    SESSION,
    InvalidToken,
    SessionClaims,
)
from application.ports import Unavailable
from application.ports.accounts import Revocation
from application.ports.tokens import AccessClaims

SECRET_TEXT = "s" * 32
OWN, OTHER = SigningKey.generate(), SigningKey.generate()
NOW = datetime.now(UTC).replace(microsecond=123_456)
LIFETIME = timedelta(days=1)
"""Longer than any run of all tests: NOW is the time at which this file was imported."""


class Reader:
    """The revocations of a store."""

    def __init__(self) -> None:
        self.rows: list[Revocation] = []
        self.reads = self.returned = 0
        self.is_available = True
        self.failing_read = -1

    def revocations(
        self, *, after: int, before: int | None = None, also: Collection[int] = (), limit: int
    ) -> Sequence[Revocation]:
        self.reads += 1
        if not self.is_available or self.reads == self.failing_read:
            raise Unavailable
        found = [
            each
            for each in self.rows
            if (after < each.id and (before is None or each.id < before)) or each.id in also
        ]
        page = sorted(found)[:limit]
        self.returned += len(page)
        return page


class OtherIssuer:
    """The key set of another issuer."""

    kind = KEY_SET
    algorithms = ("ES256",)

    def __init__(self, *keys: Key) -> None:
        self._keys = keys

    def current_keys(self) -> tuple[Key, ...]:
        return self._keys

    refreshed_keys = current_keys


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "keys.json")
    create_private_file(path, write_signing_keys([OWN]))
    return path


@pytest.fixture
def keys(path: str) -> SigningKeys:
    return SigningKeys(path)


@pytest.fixture
def issuer(keys: SigningKeys) -> JwtIssuer:
    return JwtIssuer(keys, issuer="roster", audience="people")


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def clock() -> Now:
    return Now()


@pytest.fixture
def verifier(keys: SigningKeys, reader: Reader, clock: Now) -> TokenVerifier:
    return verifier_of(keys, reader, clock)


def verifier_of(keys: SigningKeys, reader: Reader, clock: Now) -> TokenVerifier:
    accounts: Any = reader
    revocations = Revocations(accounts, leeway=30, clock=clock)
    return TokenVerifier(
        Secret(SECRET_TEXT),
        OtherIssuer(OTHER.verifying, Key(("ES256",), OTHER.private.public_key())),
        issuers=["https://idp.example.org"],
        audiences=["api"],
        own=OwnTokens(keys, "roster", "people", revocations),
        leeway=30,
    )


def claims(**changes: Any) -> AccessClaims:
    defaults = AccessClaims(
        7, "s-session-of-ann", ("users:read", "me"), "admin", NOW, NOW, NOW + LIFETIME
    )
    return defaults._replace(**changes)


def test_an_access_token_has_the_claims_of_rfc_9068(issuer: JwtIssuer) -> None:
    token = issuer.issue(claims())
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": OWN.kid, "typ": "at+jwt"}
    content = jwt.decode(token, options={"verify_signature": False})
    jti = content.pop("jti")
    assert issue_time_of(jti) == milliseconds(NOW)
    assert jti[14] == "7"
    assert jti[19] in "89ab"
    assert content == {
        "iss": "roster",
        "aud": "people",
        "sub": "7",
        "exp": int((NOW + LIFETIME).timestamp()),
        "iat": int(NOW.timestamp()),
        "client_id": "roster",
        "scope": "users:read me",
        "roles": ["admin"],
        "sid": "s-session-of-ann",
        "auth_time": int(NOW.timestamp()),
        "amr": ["pwd"],
    }
    assert issuer.issue(claims()) != token


def test_the_principal_of_a_session_is_its_user(issuer: JwtIssuer, verifier: TokenVerifier) -> None:
    token = issuer.issue(claims())
    for _ in range(2):  # verified, then cached
        principal = verifier.verify(token)
        assert principal.identity == (SESSION, None, "users/7")
        assert principal.scopes == {"users:read", "me"}
        assert principal.session == ("s-session-of-ann", 7, milliseconds(NOW))


def test_a_removed_key_is_refused_for_tokens_that_were_not_seen_before(
    path: str, reader: Reader, clock: Now
) -> None:
    keys = SigningKeys(path, clock=clock)
    verifier = verifier_of(keys, reader, clock)
    issuer = JwtIssuer(keys, issuer="roster", audience="people")
    first, second = (issuer.issue(claims()) for _ in range(2))
    assert verifier.verify(first).session
    replace_private_file(path, lambda _: write_signing_keys([OTHER]))
    clock.seconds += 3
    with pytest.raises(InvalidToken):
        verifier.verify(second)


def test_without_keys_any_unknown_token_may_be_valid(
    tmp_path: Path, issuer: JwtIssuer, reader: Reader, clock: Now
) -> None:
    """A client that got 401 would discard a valid token."""
    keys = SigningKeys(str(tmp_path / "missing.json"), may_be_unusable=True)
    verifier = verifier_of(keys, reader, clock)
    token = issuer.issue(claims())
    for verify in (verifier.verify, verifier.session_of):
        with pytest.raises(Unavailable):
            verify(token)


def test_a_token_without_a_session_has_its_scopes(
    issuer: JwtIssuer, verifier: TokenVerifier
) -> None:
    token = issuer.issue_plain(["users:read", "users:write"], seconds=60, subject="nightly import")
    principal = verifier.verify(token)
    assert principal.scopes == {"users:read", "users:write"}
    assert (principal.subject, principal.session) == ("nightly import", None)


def test_other_tokens_are_accepted_with_their_own_issuer_and_audience(
    verifier: TokenVerifier,
) -> None:
    known = {"issuer": "https://idp.example.org", "audience": "api"}
    assert verifier.verify(sign(SECRET_TEXT, ["a"], seconds=60, subject="7", **known)).kind == (
        SECRET
    )
    theirs = {"iss": "https://idp.example.org", "aud": "api", "sub": "7", "sid": "s", "exp": 2**40}
    principal = verifier.verify(jwt.encode(theirs, OTHER.private, "ES256", {"kid": OTHER.kid}))
    assert (principal.kind, principal.subject, principal.session) == (KEY_SET, "7", None)


def test_a_token_of_the_command_line_has_no_session(
    issuer: JwtIssuer, verifier: TokenVerifier
) -> None:
    token = issuer.issue_plain(["users:read"], seconds=60, subject="users/7")
    principal = verifier.verify(token)
    assert principal.identity == (ROSTER_KEY, "roster", "users/7")
    assert principal.session is None


def own_claims(**changes: Any) -> dict[str, Any]:
    token_id = "0199d7c5-0000-7000-8000-000000000000"
    defaults = {"iss": "roster", "aud": "people", "sub": "7", "sid": "s", "jti": token_id}
    merged = {**defaults, "exp": 2**40, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def own_token(
    key: Any = OWN.private,
    algorithm: str = "ES256",
    kid: str | None = OWN.kid,
    typ: str | None = "at+jwt",
    **changes: Any,
) -> str:
    headers = {"typ": typ, **({} if kid is None else {"kid": kid})}
    return jwt.encode(own_claims(**changes), key, algorithm, headers)


def test_a_token_with_these_claims_is_valid(verifier: TokenVerifier) -> None:
    assert verifier.verify(own_token()).kind == SESSION


def test_tokens_of_roster_expire_without_leeway(verifier: TokenVerifier) -> None:
    """A session that ends by its age or by idleness ends its access tokens (within 5 s)."""
    past = int(time()) - 2
    secret = jwt.encode({"exp": past, "sub": "x", **THEIRS}, SECRET_TEXT, "HS256")
    assert verifier.verify(secret).kind == SECRET
    with pytest.raises(InvalidToken, match="expired"):
        verifier.verify(own_token(exp=past))


def test_a_token_that_was_verified_before_expires_without_leeway(verifier: TokenVerifier) -> None:
    token = own_token(exp=int(time()) + 2)
    verifier.verify(token)

    def is_rejected() -> bool:
        try:
            verifier.verify(token)
        except InvalidToken:
            return True
        return False

    until(is_rejected, within=5)


THEIRS = {"iss": "https://idp.example.org", "aud": "api"}


REASONS = {
    "The token's `alg` is not that of its key.": [
        own_token(SECRET_TEXT, "HS256"),
        own_token(SECRET_TEXT, "HS256", **THEIRS),
        own_token(SigningKey.generate("EdDSA").private, "EdDSA"),
    ],
    "The token's issuer (`iss`) is not accepted.": [
        own_token(SECRET_TEXT, "HS256", kid=None),
        own_token(OTHER.private, kid=OTHER.kid),
        own_token(**THEIRS),
        own_token(iss="https://idp.example.org"),
    ],
    "The token's signature does not match.": [
        own_token(OTHER.private),
        own_token(OTHER.private, **THEIRS),
        own_token(kid=None),
        own_token(kid=None, **THEIRS),
        own_token(kid=OTHER.kid),
        own_token(kid=OTHER.kid, **THEIRS),
    ],
    "The token's audience (`aud`) is not accepted.": [
        own_token(aud="api"),
    ],
    "The token lacks the claim `iss`.": [
        own_token(iss=None),
    ],
    "The type (`typ`) of a token of Roster must be at+jwt.": [
        own_token(typ="JWT"),
        own_token(typ=None),
    ],
    "The token's type (`typ`) must be JWT or at+jwt, or absent.": [
        own_token(typ="id+jwt"),
    ],
    "The claim `sub` of a session must be the id of a user.": [
        own_token(sub="users/7"),
        own_token(sub="0"),
        own_token(sub="\u0667"),
    ],
    "The claims `sub`, `sid` and `jti` must be strings.": [
        own_token(sid=7),
    ],
    "The claim `jti` of a session must be a UUID.": [
        own_token(jti="1"),
    ],
    "The token has expired.": [
        own_token(exp=1),
    ],
    "The token is not valid yet.": [
        own_token(nbf=2**40),
    ],
}
"""The tokens that are rejected, by the reason in the log."""


@pytest.mark.parametrize(
    ("token", "reason"), [(token, reason) for reason, tokens in REASONS.items() for token in tokens]
)
def test_a_key_verifies_only_tokens_of_its_own_kind(
    verifier: TokenVerifier, token: str, reason: str
) -> None:
    with pytest.raises(InvalidToken) as caught:
        verifier.verify(token)
    assert caught.value.reason == reason


def test_an_unsigned_token_with_the_id_of_a_key_is_rejected(verifier: TokenVerifier) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(own_token(None, "none") + "AA")


@pytest.mark.parametrize("kid", [pytest.param(OWN.kid, id="own"), None])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_the_public_key_is_not_a_secret(
    verifier: TokenVerifier, encoding: Encoding, kid: str | None
) -> None:
    secret = OWN.private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    content = own_token(SECRET_TEXT, "HS256", kid).rpartition(".")[0]
    mac = jwt.get_algorithm_by_name("HS256").sign(content.encode(), secret)
    with pytest.raises(InvalidToken):
        verifier.verify(f"{content}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}")


def test_tokens_of_a_removed_key_are_rejected(
    path: str, issuer: JwtIssuer, keys: SigningKeys, verifier: TokenVerifier
) -> None:
    token = issuer.issue(claims())
    verifier.verify(token)
    replace_private_file(path, lambda _: write_signing_keys([SigningKey.generate()]))
    keys.refresh()
    with pytest.raises(InvalidToken):
        verifier.verify(token)
    assert verifier.verify(issuer.issue(claims())).kind == SESSION


def test_tokens_of_an_ended_session_are_rejected(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader, clock: Now
) -> None:
    token, other = issuer.issue(claims()), issuer.issue(claims(session_id="another"))
    verifier.verify(token)
    reader.rows.append(Revocation(1, "s-session-of-ann", None, NOW))
    clock.seconds += 2
    with pytest.raises(InvalidToken, match="The session of the token has ended, or its user has"):
        verifier.verify(token)
    verifier.verify(other)


def test_tokens_that_were_issued_before_a_change_of_role_are_rejected(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader
) -> None:
    reader.rows.append(Revocation(1, None, 7, NOW))
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.issue(claims()))
    verifier.verify(issuer.issue(claims(issue_time=NOW + timedelta(milliseconds=1))))
    verifier.verify(issuer.issue(claims(user_id=8)))


@pytest.mark.parametrize("token", [own_token(), own_token(exp=1)])
def test_a_token_that_is_no_longer_accepted_names_its_session(
    verifier: TokenVerifier, reader: Reader, token: str
) -> None:
    reader.rows += [Revocation(1, "s", None, NOW), Revocation(2, None, 7, NOW)]
    with pytest.raises(InvalidToken):
        verifier.verify(token)
    session = verifier.session_of(token)
    assert session
    assert (session.session_id, session.user_id) == ("s", 7)


@pytest.mark.parametrize(
    "token",
    [
        *(each for reason, tokens in REASONS.items() for each in tokens if "expired" not in reason),
        sign(SECRET_TEXT, ["a"], seconds=60, subject="7", issuer=THEIRS["iss"], audience="api"),
        own_token(sid=None),
        "x" * 20_000,
        "x",
    ],
)
def test_any_other_token_names_no_session(verifier: TokenVerifier, token: str) -> None:
    assert verifier.session_of(token) is None


def test_the_store_is_read_at_most_once_in_two_seconds(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader, clock: Now
) -> None:
    token = issuer.issue(claims())
    for _ in range(100):
        verifier.verify(token)
        clock.seconds += 0.1
    assert reader.reads <= 6


def test_without_the_store_tokens_are_accepted_for_five_seconds(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader, clock: Now
) -> None:
    token = issuer.issue(claims())
    verifier.verify(token)
    reader.is_available = False
    clock.seconds += 5
    verifier.verify(token)
    clock.seconds += 0.1
    for _ in range(10):
        with pytest.raises(Unavailable):
            verifier.verify(token)
    assert reader.reads == 2
    reader.is_available = True
    clock.seconds += 2
    verifier.verify(token)


def test_a_revocation_that_commits_late_is_found(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader, clock: Now
) -> None:
    token = issuer.issue(claims())
    reader.rows.append(Revocation(5, "another", None, NOW))
    verifier.verify(token)
    clock.seconds += 600
    verifier.verify(token)
    reader.rows.append(Revocation(3, "s-session-of-ann", None, NOW))
    clock.seconds += 2
    with pytest.raises(InvalidToken):
        verifier.verify(token)


def test_all_pages_of_revocations_are_read(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader
) -> None:
    reader.rows += [Revocation(each, f"s{each}", None, NOW) for each in range(1, 2500)]
    reader.rows.append(Revocation(2500, "s-session-of-ann", None, NOW))
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.issue(claims()))


@pytest.mark.parametrize("known", [[Revocation(1, "s1", None, NOW)], []])
@pytest.mark.parametrize("count", [19, 20, 499, 500, 501, 2500])
def test_all_revocations_of_a_large_unit_that_commits_late_are_found(
    issuer: JwtIssuer, verifier: TokenVerifier, reader: Reader, clock: Now, count: int, known: Any
) -> None:
    """An operator deactivates many users in one unit, and someone logs out meanwhile."""
    token, others = issuer.issue(claims()), ("another", "a-third")
    reader.rows += known
    verifier.verify(token)
    for number, each in enumerate(others, 1):  # two such units are in progress
        reader.rows.append(Revocation(10 + (count + 1) * number, each, None, datetime.now(UTC)))
        clock.seconds += 2
        verifier.verify(token)
    clock.seconds += 600
    late = [Revocation(10 + each, f"s-{each}", None, NOW) for each in range(2, count + 1)]
    reader.rows += [Revocation(11, "s-session-of-ann", None, NOW), *late]
    clock.seconds += 2
    with pytest.raises(InvalidToken):
        verifier.verify(token)


def test_revocations_are_read_once_after_a_gap_is_filled(reader: Reader, clock: Now) -> None:
    revocations = Revocations(reader, leeway=30, clock=clock)  # type: ignore[arg-type]
    session = SessionClaims("s-other", 7, milliseconds(NOW))
    reader.rows += [Revocation(1, "s1", None, NOW), Revocation(3000, "s3000", None, NOW)]
    revocations.check(session)
    reader.rows += [Revocation(each, f"s{each}", None, NOW) for each in range(2, 3000)]
    clock.seconds += 2
    revocations.check(session)
    reader.returned = 0
    clock.seconds += 2
    revocations.check(session)
    assert reader.returned == 1


MANY = range(5001, 10_001)


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([*MANY], id="an empty table, whose earlier ids are used"),
        pytest.param([1, *MANY], id="a large unit that was rolled back"),
        pytest.param([1, 100, *MANY], id="two such units"),
    ],
)
def test_revocations_after_missing_ids_are_read_once(
    reader: Reader, clock: Now, ids: list[int]
) -> None:
    """Otherwise each worker would read all of them every two seconds, for 15 minutes."""
    revocations = Revocations(reader, leeway=30, clock=clock)  # type: ignore[arg-type]
    session = SessionClaims("s-other", 7, milliseconds(NOW))
    reader.rows += [Revocation(each, f"s{each}", None, datetime.now(UTC)) for each in ids]
    revocations.check(session)
    reader.returned = 0
    for _ in range(10):
        clock.seconds += 2
        revocations.check(session)
    assert reader.returned < len(MANY) / 10


def test_a_read_that_fails_is_continued(reader: Reader, clock: Now) -> None:
    """The time of one read is limited. Many revocations must not be out of its reach."""
    revocations = Revocations(reader, leeway=30, clock=clock)  # type: ignore[arg-type]
    session = SessionClaims("s-other", 7, milliseconds(NOW))
    reader.rows += [Revocation(each, f"s{each}", None, datetime.now(UTC)) for each in MANY]
    for _ in range(10):
        reader.failing_read = reader.reads + 3
        with suppress(Unavailable):
            revocations.check(session)
            break
        clock.seconds += 2
    else:
        pytest.fail("The revocations were never read to the end.")
    with pytest.raises(InvalidToken):
        revocations.check(SessionClaims(f"s{MANY[-1]}", 7, milliseconds(NOW)))


@pytest.mark.parametrize(
    ("left", "added"),
    [
        pytest.param(10, 11, id="a standby that lacked the last commits"),
        pytest.param(0, 1, id="a backup without revocations"),
        pytest.param(19, 20, id="another revocation with the last id"),
        pytest.param(19, 5, id="an earlier id, in place of the last one"),
    ],
)
def test_revocations_are_found_after_the_database_has_lost_some(
    reader: Reader, clock: Now, left: int, added: int
) -> None:
    """The database then gives new revocations ids that a worker has read already."""
    revocations = Revocations(reader, leeway=30, clock=clock)  # type: ignore[arg-type]
    rows = [Revocation(each, f"s{each}", None, datetime.now(UTC)) for each in range(1, 21)]
    reader.rows += rows
    revocations.check(SessionClaims("s-late", 7, milliseconds(NOW)))
    reader.rows = [each for each in rows[:left] if each.id != added]
    reader.rows.append(Revocation(added, "s-late", None, datetime.now(UTC)))
    clock.seconds += 2
    for session in ("s-late", "s20"):
        with pytest.raises(InvalidToken):
            revocations.check(SessionClaims(session, 7, milliseconds(NOW)))


def test_revocations_of_units_that_mix_their_ids_are_found(reader: Reader, clock: Now) -> None:
    """Two commands end sessions at the same time, and one of them commits later."""
    revocations = Revocations(reader, leeway=30, clock=clock)  # type: ignore[arg-type]
    session = SessionClaims("s-other", 7, milliseconds(NOW))
    units = [Revocation(each, f"s{each}", None, datetime.now(UTC)) for each in range(100, 5000)]
    reader.rows += [Revocation(1, "s1", None, NOW), Revocation(5000, "s5000", None, NOW)]
    for unit in (units[0::3], units[1::3], units[2::3]):
        revocations.check(session)
        reader.rows += unit
        clock.seconds += 2
    for each in units:
        with pytest.raises(InvalidToken):
            revocations.check(SessionClaims(str(each.session_id), 7, milliseconds(NOW)))


@pytest.mark.parametrize(("seconds", "is_found"), [(899, True), (900, False)])
def test_a_missing_revocation_is_looked_up_for_15_minutes(
    reader: Reader, clock: Now, seconds: int, is_found: bool
) -> None:
    revocations = Revocations(reader, leeway=30, clock=clock)  # type: ignore[arg-type]
    session = SessionClaims("s-late", 7, milliseconds(NOW))
    reader.rows += [Revocation(1, "s1", None, NOW), Revocation(3, "s3", None, NOW)]
    revocations.check(session)
    reader.rows.append(Revocation(2, "s-late", None, NOW))
    clock.seconds += seconds
    if is_found:
        with pytest.raises(InvalidToken):
            revocations.check(session)
    else:
        revocations.check(session)


def test_revocations_are_forgotten_when_their_tokens_have_expired(
    reader: Reader, clock: Now
) -> None:
    present = NOW
    accounts: Any = reader
    revocations = Revocations(accounts, leeway=30, clock=clock, now=lambda: present)
    of_session = SessionClaims("s-ended", 8, milliseconds(NOW))
    of_user = SessionClaims("s-other", 7, milliseconds(NOW))
    reader.rows += [Revocation(1, "s-ended", None, NOW), Revocation(2, None, 7, NOW)]
    retention = timedelta(hours=1, minutes=15, seconds=30)
    for present in (NOW, NOW + retention - timedelta(milliseconds=1)):  # noqa: B007 (read above)
        clock.seconds += 60
        for each in (of_session, of_user):
            with pytest.raises(InvalidToken):
                revocations.check(each)
    present = NOW + retention
    clock.seconds += 60
    revocations.check(of_session)
    revocations.check(of_user)
