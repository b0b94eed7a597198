"""The hashes were created with Django 5.2, Werkzeug 3.1, passlib 1.7 and argon2-cffi 25.1."""

from base64 import b64encode

import pytest

from adapters.passwords.formats import parse
from application.ports.passwords import UnsupportedHash

PASSWORD = "correct h\xf6rse battery"
HASHES = {
    "django pbkdf2_sha256": (
        "pbkdf2_sha256$1000$saltsaltsalt$4FS7FMI4/Bae/jZesf3bEgVhdwisagkoul5/Ztc1FPo="
    ),
    "django pbkdf2_sha1": ("pbkdf2_sha1$1000$saltsaltsalt$PQg6Uw+9dD/zSphwoDGW1ljpmGI="),
    "django scrypt": (
        "scrypt$1024$saltsaltsalt$8$5$F/s26GxP2XtmMDoDH1qx8rqtNEKdYBtQtG+vW8HxZ7UbnsXOKkw"
        "h97IWaoJ7JGyQ0f+orvyQ6oGaX0qPDySmnA=="
    ),
    "werkzeug pbkdf2": (
        "pbkdf2:sha256:1000$zaaFzVYF6YLOkZAQ$9554b72dd31fd5ab510051979974dd8b2131c4367399"
        "28e58635cf6da680bb19"
    ),
    "werkzeug pbkdf2 sha1": (
        "pbkdf2:sha1:1000$mnHqjf1SineSNyZg$f3bb5c146716d07c2fac11994421e3393422d38f"
    ),
    "werkzeug pbkdf2 sha512": (
        "pbkdf2:sha512:1000$G6OTCBSzeRYwvrPc$4b77f9c8c32c6470b11091206d80c946271d8718da89"
        "90cfe2ed66accb1b334f87df4ec6323765b75752e718cae04442411c21016382822624952ccab4b0"
        "928a"
    ),
    "werkzeug scrypt": (
        "scrypt:1024:8:1$8HV3H1Ku56q4Sbv2$9071258df720133f19f4dcec8455fc720a7e6936b0e8527"
        "bc192eddcb4b78bf671fbea29ccb7288cbc83341b781fa0316f9da3d251fe3731b142b76ced55aa5"
        "a"
    ),
    "passlib pbkdf2_sha256": (
        "$pbkdf2-sha256$1000$g3AO4dxb630PQUjpPSdEqA$ty9NNHwYctloqu2UklfaHGv81ZQLn7qUcUTI.YbnC5A"
    ),
    "passlib pbkdf2_sha512": (
        "$pbkdf2-sha512$1000$.P8/p5Ty/l.rFaIUQkiJ0Q$MBRIItpQQZGuowNiIK/DlyUmD7mxQYvrUJZNR"
        "nOL1CsmE5Cg1E5Dkm5s2bJU1m3.RJhlXmLqwEmWYNG2b4vgjQ"
    ),
    "passlib pbkdf2_sha1": ("$pbkdf2$1000$Uoqx1lpL6X3P.X.vNSbEmA$fMDViQw535IwMZY1MOeDKVEjl0I"),
    "passlib scrypt": (
        "$scrypt$ln=10,r=8,p=1$+5/z3lsLYew95xyjVOrdmw$nKYakjQITvTBUX3Rg+QOYYz88Gt3dMj0RMkPrlPpwIg"
    ),
    "passlib bcrypt 2a": ("$2a$04$MNI0Z.cMLF4OfN74OL4yUe7v4GF9XHw1D7/PUZuivuAmv2e0GxBgq"),
    "passlib bcrypt 2b": ("$2b$04$DH3H9RlNojqPVmfW0UTZFen25V.z0j5baavdsdbH1tJ3kj4qirgt2"),
    "passlib bcrypt 2y": ("$2y$04$t0bOARHrYR/yG8om5BtnReIdJhOa/8N7njzSMH2SdZarl.olRYYVa"),
    "argon2id": (
        "$argon2id$v=19$m=64,t=1,p=1$pkzu0tnbXHLgQ9toYjQI+A$4w9SjR9Xm8OC9V0b5i6sEdZqP0CBd"
        "XqnYujVL3LVnyk"
    ),
    "argon2i": ("$argon2i$v=19$m=64,t=1,p=2$xA1fnLvUchbPs3Z+CNj1QA$WQXp1cWQZrxxluRjmnGM3w"),
    "argon2i v16": (
        "$argon2i$v=16$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$jyxOt42O7RzXPEsoAfK/22pIdNd1o3u7E9OI9RRGfBE"
    ),
}
LONG_BCRYPT = "$2b$04$qmsX/i2abKQyNei0v6K8N.OiqcJh6Bv26haXppdvrdW54WSCfNv3q"
ARGON2 = "$YWFhYWFhYWFhYWFhYWFhYQ$YksCmTRKD/4QmxSARV1MSQvEDbHv3pDm4HoVuW3XdkM"
BCRYPT = "ECDkKrOK5W27.V80LjgxkuGAwfaLJ2xqUWa.6XrNtwsrY/nmpEVoy"
SHA256 = "4FS7FMI4/Bae/jZesf3bEgVhdwisagkoul5/Ztc1FPo="


@pytest.mark.parametrize("password_hash", HASHES.values(), ids=HASHES)
def test_a_hash_of_each_format_is_that_of_its_password(password_hash: str) -> None:
    verify = parse(password_hash)
    assert verify(PASSWORD.encode())
    assert not verify(b"")
    assert not verify(PASSWORD.encode() + b"y")
    assert not verify(PASSWORD.upper().encode())


def test_bcrypt_counts_only_the_first_72_bytes() -> None:
    verify = parse(LONG_BCRYPT)
    assert verify(b"x" * 71 + b"yz")
    assert verify(b"x" * 71 + b"y" + b"more" * 100)
    assert not verify(b"x" * 71 + b"z")


@pytest.mark.parametrize(
    "password_hash",
    [
        "",
        "x",
        PASSWORD,
        "!",
        "*",
        "$1$abcdefgh$mBpEgqbGBdnA5v9jwlGqe.",
        "$5$rounds=5000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$67a1e09bb1f83f5007dc119c14d663aa",
        f"$argon2d$v=19$m=64,t=1,p=1{ARGON2}",
        f"argon2$argon2id$v=19$m=64,t=1,p=1{ARGON2}",
        f"$argon2id$v=18$m=64,t=1,p=1{ARGON2}",
        f"$argon2id$v=19$m=064,t=1,p=1{ARGON2}",
        f"$argon2id$v=19$m=64,t=0,p=1{ARGON2}",
        f"$argon2id$v=19$m=7,t=1,p=1{ARGON2}",
        f"$argon2id$v=19$m=64,t=1,p=1{ARGON2}\n",
        f"$argon2id$v=19$m=64,t=1,p=1{ARGON2}AA",
        f"$argon2id$v=19$m=64,t=1,p=1{ARGON2[:-1]}N",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$c2hvcnQ",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$YksCmTRKD/4QmxSARV1MSQvEDbHv3pDm4HoVuW3XdkM",
        f"$2x$04${BCRYPT}",
        f"$2$04${BCRYPT}",
        f"$2b$4${BCRYPT}",
        f"$2b$03${BCRYPT}",
        f"$2b$04${BCRYPT[:-1]}",
        f"$2b$04${BCRYPT[:-1]}z",
        f"bcrypt$$2b$04${BCRYPT}",
        f"pbkdf2_sha256$1000$${SHA256}",
        f"pbkdf2_sha256$0$salt${SHA256}",
        f"pbkdf2_sha256$-1$salt${SHA256}",
        f"pbkdf2_sha256$\u0661$salt${SHA256}",
        f"pbkdf2_sha256$1000$salt${SHA256[:-1]}",
        "pbkdf2_sha256$1000$salt$",
        f"pbkdf2_sha1$1000$salt${SHA256}",
        f"pbkdf2_md5$1000$salt${SHA256}",
        "pbkdf2:sha256$salt$" + "0" * 64,
        "pbkdf2:sha256:1000$salt$" + "0" * 63,
        "pbkdf2:md5:1000$salt$" + "0" * 32,
        "scrypt:1000:8:1$salt$" + "0" * 128,
        "scrypt:1:8:1$salt$" + "0" * 128,
        "scrypt:65536:1:1$salt$" + "0" * 128,
        "scrypt:1024:8:1$salt$" + "0" * 64,
        "x" * 600,
    ],
)
def test_other_and_malformed_hashes_are_rejected(password_hash: str) -> None:
    with pytest.raises(UnsupportedHash):
        parse(password_hash)


def argon2_hash(salt_bytes: int, tag_bytes: int) -> str:
    salt, tag = (b64encode(bytes(each)).decode().rstrip("=") for each in (salt_bytes, tag_bytes))
    return f"$argon2id$v=19$m=64,t=1,p=1${salt}${tag}"


@pytest.mark.parametrize(
    ("accepted", "rejected"),
    [
        (argon2_hash(8, 16), argon2_hash(7, 16)),
        (argon2_hash(8, 16), argon2_hash(8, 15)),
        (argon2_hash(8, 128), argon2_hash(8, 129)),
        (argon2_hash(234, 128), argon2_hash(235, 128)),
    ],
)
def test_the_salt_and_the_tag_of_argon2_have_lengths(accepted: str, rejected: str) -> None:
    assert not parse(accepted)(b"password")
    with pytest.raises(UnsupportedHash):
        parse(rejected)


def test_a_hash_has_at_most_512_characters() -> None:
    assert len(argon2_hash(234, 128)) == 512


@pytest.mark.parametrize(
    ("cheap", "expensive"),
    [
        (f"$argon2id$v=19$m=262144,t=4,p=4{ARGON2}", f"$argon2id$v=19$m=262145,t=1,p=1{ARGON2}"),
        (f"$argon2i$v=19$m=65536,t=64,p=4{ARGON2}", f"$argon2i$v=19$m=65536,t=65,p=4{ARGON2}"),
        (f"$argon2id$v=19$m=1024,t=3,p=16{ARGON2}", f"$argon2id$v=19$m=1024,t=3,p=17{ARGON2}"),
        (f"$2b$16${BCRYPT}", f"$2b$17${BCRYPT}"),
        (f"pbkdf2_sha256$2000000$salt${SHA256}", f"pbkdf2_sha256$2000001$salt${SHA256}"),
        (
            "pbkdf2:sha256:2000000$salt$" + "0" * 64,
            "pbkdf2:sha256:9999999999$salt$" + "0" * 64,
        ),
        ("scrypt:262144:8:1$salt$" + "0" * 128, "scrypt:524288:8:1$salt$" + "0" * 128),
        ("scrypt:32768:8:16$salt$" + "0" * 128, "scrypt:32768:8:17$salt$" + "0" * 128),
        ("scrypt:1048576:2:1$salt$" + "0" * 128, "scrypt:1048576:2:2$salt$" + "0" * 128),
        ("scrypt:2:8192:255$salt$" + "0" * 128, "scrypt:2:8192:256$salt$" + "0" * 128),
        ("scrypt:2:1:1000000$salt$" + "0" * 128, "scrypt:2:1:1000001$salt$" + "0" * 128),
        (
            f"$scrypt$ln=18,r=8,p=1$c2FsdA${SHA256[:-1]}",
            f"$scrypt$ln=99,r=8,p=1$c2FsdA${SHA256[:-1]}",
        ),
    ],
)
def test_hashes_that_cost_too_much_are_rejected(cheap: str, expensive: str) -> None:
    parse(cheap)
    with pytest.raises(UnsupportedHash, match="costs too much"):
        parse(expensive)


def test_the_largest_accepted_cost_of_scrypt_can_be_verified() -> None:
    """N must be less than 2 ** (16 r) (RFC 7914, section 2)."""
    assert not parse("scrypt:32768:1:1$salt$" + "0" * 128)(b"password")
