"""Files of private keys that sign access tokens."""

import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from errno import EMFILE, EPERM
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from structlog.testing import capture_logs

from adapters.tokens.key_files import MAX_BYTES, create_private_file, replace_private_file
from adapters.tokens.keys import UnusableKeySet
from adapters.tokens.signing_keys import (
    CHECK_SECONDS,
    SigningKey,
    SigningKeys,
    public_key_set,
    read_signing_keys,
    thumbprint,
    write_signing_keys,
)
from application.ports import Unavailable

ES256, EDDSA = SigningKey.generate(), SigningKey.generate("EdDSA")
RS256 = SigningKey.generate("RS256")


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = str(tmp_path / "keys.json")
    assert create_private_file(file, write_signing_keys([ES256]))
    return file


def as_text(*keys: Any) -> bytes:
    return json.dumps({"keys": [dict(each) for each in keys]}).encode()


def test_a_created_file_has_keys_that_only_its_owner_can_access(path: str) -> None:
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert SigningKeys(path).signing().kid == ES256.kid
    assert [each.name for each in Path(path).parent.iterdir()] == ["keys.json"]


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    jwk = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS"
        "oc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
        "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4"
        "vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert ES256.kid == thumbprint(ES256.public)


@pytest.mark.parametrize("key", [ES256, EDDSA, RS256], ids=lambda each: each.algorithm)
def test_public_keys_have_no_private_members_and_verify(key: SigningKey) -> None:
    (public,) = public_key_set([key])["keys"]
    assert set(public) <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}
    token = jwt.encode({"a": 1}, key.private, algorithm=key.algorithm)
    assert jwt.decode(token, jwt.PyJWK(public).key, algorithms=[key.algorithm]) == {"a": 1}
    assert (public["alg"], public["kid"]) == (key.algorithm, key.kid)


def test_keys_do_not_show_their_private_members() -> None:
    assert ES256.jwk["d"] not in repr(ES256)


def weak_rsa() -> dict[str, Any]:
    return dict(RSAAlgorithm.to_jwk(generate_rsa(65537, 1024), as_dict=True))


def test_a_kid_has_up_to_200_characters() -> None:
    (key,) = read_signing_keys(as_text({**ES256.jwk, "kid": "k" * 200}))
    assert key.kid == "k" * 200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not JSON"),
        (b"{}", "not a JSON Web Key Set"),
        (as_text(), "no private key"),
        (as_text(ES256.public), "no private key"),
        (as_text(ES256.jwk, ES256.public), "key 2 of the file is not a private key"),
        (as_text(ES256.jwk, ES256.jwk), "the same kid"),
        (as_text({**ES256.jwk, "alg": "RS256"}), "key 1 of the file is not a key for"),
        (as_text({**ES256.jwk, "use": "enc"}), "key 1 of the file is not a key for"),
        (as_text({**ES256.jwk, "x": "AA"}), "key 1 of the file is malformed"),
        (as_text({**ES256.jwk, "kid": 7}), "kid"),
        (as_text({**ES256.jwk, "kid": ""}), "kid"),
        (as_text({**ES256.jwk, "kid": "k" * 201}), "kid of 1 to 200 printable characters"),
        (as_text(*[ES256.jwk] * 101), "the file has more than 100 keys"),
        (as_text({"kty": "oct", "k": "c2VjcmV0", "d": "x"}), "key 1 of the file is not a key for"),
        (as_text(weak_rsa()), "2048 bits"),
        (
            as_text(ECAlgorithm.to_jwk(generate_ec(SECP384R1()), as_dict=True)),
            "key 1 of the file is not a key for",
        ),
    ],
)
def test_a_file_without_usable_private_keys_is_rejected(text: bytes, problem: str) -> None:
    with pytest.raises(UnusableKeySet, match=problem):
        read_signing_keys(text)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601])
def test_a_file_that_all_users_can_access_is_rejected(path: str, mode: int) -> None:
    Path(path).chmod(mode)
    with pytest.raises(UnusableKeySet, match="must not be accessible to all users"):
        SigningKeys(path)
    Path(path).chmod(0o640)
    assert SigningKeys(path).current()


def test_a_file_that_is_too_long_is_rejected(path: str) -> None:
    Path(path).write_bytes(b" " * 262_144)
    with pytest.raises(UnusableKeySet, match="is not JSON"):
        SigningKeys(path)
    Path(path).write_bytes(b" " * 262_145)
    with pytest.raises(UnusableKeySet, match="is longer than 262144 bytes"):
        SigningKeys(path)


def test_an_impossible_name_is_rejected() -> None:
    with pytest.raises(UnusableKeySet, match="its name is not valid"):
        SigningKeys("keys\0.json")


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UnusableKeySet, match="No such file"):
        SigningKeys(str(tmp_path / "missing.json"))


def test_without_a_usable_file_there_are_no_keys(tmp_path: Path) -> None:
    keys = SigningKeys(str(tmp_path / "missing.json"), may_be_unusable=True)
    assert keys.current() == ()
    for use in (keys.signing, keys.published):
        with pytest.raises(Unavailable):
            use()


def test_one_of_several_concurrent_creations_succeeds(tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    texts = [write_signing_keys([SigningKey.generate()]) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        created = [*pool.map(lambda text: create_private_file(path, text), texts)]
    assert created.count(True) == 1
    assert Path(path).read_bytes() == texts[created.index(True)]
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


def test_concurrent_rotations_lose_no_key_and_keep_the_permissions(path: str) -> None:
    Path(path).chmod(0o640)
    added = [SigningKey.generate() for _ in range(8)]

    def rotate(key: SigningKey) -> None:
        replace_private_file(path, lambda text: write_signing_keys([key, *read_signing_keys(text)]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rotate, added))
    kids = {each.kid for each in SigningKeys(path).current()}
    assert kids == {ES256.kid, *(each.kid for each in added)}
    assert Path(path).stat().st_mode & 0o777 == 0o640


def test_a_new_file_is_written_to_the_same_folder(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another file system cannot replace it."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    replace_private_file(path, lambda _: write_signing_keys([EDDSA]))
    assert [each.kid for each in SigningKeys(path).current()] == [EDDSA.kid]


def test_a_file_whose_owner_would_change_is_not_replaced(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the service, which is the owner, could not read its keys after a restart."""
    before = Path(path).read_bytes()

    def fail(*_: object) -> None:
        raise PermissionError(EPERM, os.strerror(EPERM))

    monkeypatch.setattr(os, "chown", fail)
    with pytest.raises(UnusableKeySet, match="as its owner or as root"):
        replace_private_file(path, lambda _: write_signing_keys([EDDSA]))
    assert Path(path).read_bytes() == before
    assert [each.name for each in Path(path).parent.iterdir()] == ["keys.json"]


def test_a_file_does_not_become_too_long_to_be_read(path: str) -> None:
    before = Path(path).read_bytes()
    with pytest.raises(UnusableKeySet, match="would be longer"):
        replace_private_file(path, lambda text: text + b" " * MAX_BYTES)
    assert Path(path).read_bytes() == before


def test_a_changed_file_is_read_again_after_the_interval(path: str) -> None:
    now = [0.0]
    keys = SigningKeys(path, clock=lambda: now[0])
    before = keys.current_keys()
    replace_private_file(path, lambda text: write_signing_keys([EDDSA, *read_signing_keys(text)]))
    assert keys.current_keys() is before
    now[0] = CHECK_SECONDS
    assert [each.kid for each in keys.current()] == [EDDSA.kid, ES256.kid]
    assert keys.signing().algorithm == "EdDSA"


def test_an_unknown_kid_checks_the_file_at_once(path: str) -> None:
    keys = SigningKeys(path, clock=lambda: 0.0)
    assert keys.find(EDDSA.kid) is None
    replace_private_file(path, lambda text: write_signing_keys([EDDSA, *read_signing_keys(text)]))
    assert keys.find(EDDSA.kid)


def test_a_new_key_is_published_before_any_worker_signs_with_it(path: str) -> None:
    """Each worker looks at the file at other times."""
    signing, publishing = (SigningKeys(path, clock=lambda: 0.0) for _ in range(2))
    replace_private_file(path, lambda text: write_signing_keys([EDDSA, *read_signing_keys(text)]))
    signing.refresh()
    assert signing.signing().kid in [each.kid for each in publishing.published()]


def test_a_broken_new_file_leaves_the_previous_keys(path: str) -> None:
    now = [0.0]
    keys = SigningKeys(path, clock=lambda: now[0])
    Path(path).write_bytes(b"{")
    now[0] += CHECK_SECONDS
    assert keys.signing().kid == ES256.kid
    Path(path).unlink()
    now[0] += CHECK_SECONDS
    assert keys.signing().kid == ES256.kid
    create_private_file(path, write_signing_keys([EDDSA]))
    now[0] += CHECK_SECONDS
    assert keys.signing().kid == EDDSA.kid


def test_a_file_that_cannot_be_read_is_read_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the worker would keep the old keys until the file changes again."""
    now = [0.0]
    keys = SigningKeys(path, clock=lambda: now[0])
    replace_private_file(path, lambda _: write_signing_keys([EDDSA]))

    def fail(*_: object) -> None:
        raise OSError(EMFILE, os.strerror(EMFILE))

    with monkeypatch.context() as patched, capture_logs() as entries:
        patched.setattr(Path, "open", fail)
        for _ in range(2):
            now[0] += CHECK_SECONDS
            assert keys.signing().kid == ES256.kid
            assert [each["event"] for each in entries] == ["signing keys not renewed"]
    now[0] += CHECK_SECONDS
    assert keys.signing().kid == EDDSA.kid
