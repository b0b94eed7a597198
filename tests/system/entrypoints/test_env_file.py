"""Settings from files of environment variables."""

import os
from pathlib import Path

import pytest

from entrypoints import env_file
from entrypoints.settings import BadSetting


def read(tmp_path: Path, text: str | bytes) -> dict[str, str]:
    file = tmp_path / "roster.env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return dict(env_file.read(str(file)).values)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ROSTER_X=a b", "a b"),
        ("ROSTER_X=", ""),
        ("ROSTER_X=a=b#c?d$e\\f'g", "a=b#c?d$e\\f'g"),
        ("ROSTER_X='a # b\\\"$c '", 'a # b\\"$c '),
        ('ROSTER_X="it\'s # $b "', "it's # $b "),
        ('ROSTER_X=""', ""),
        ("  export\tROSTER_X=a  ", "a"),
        ("ROSTER_X=a\r", "a"),
        ("\ufeffROSTER_X=ä", "ä"),
        ("ROSTER_X=a\nROSTER_X=b", "b"),
    ],
)
def test_a_line_sets_a_variable(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, f"{line}\n") == {"ROSTER_X": value}


def test_comments_and_foreign_variables_are_ignored(tmp_path: Path) -> None:
    text = """
# ROSTER_A=1
; ROSTER_B=1
PATH=/tmp
some.key="x # y" z
KEY="-----BEGIN KEY-----
ROSTER_C=1
-----END KEY-----"
OTEL_SERVICE_NAME=people
  ROSTER_D=4
"""
    assert read(tmp_path, text) == {"OTEL_SERVICE_NAME": "people", "ROSTER_D": "4"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ROSTER_X", "must be NAME=VALUE, a comment or empty"),
        ("ROSTER_X =1", "must be NAME=VALUE, a comment or empty"),
        ("=1", "must be NAME=VALUE, a comment or empty"),
        ("ROSTER_X='hush", "ROSTER_X: must have one ' at its end"),
        ("ROSTER_X='hush'x", "ROSTER_X: must have one ' at its end"),
        ("ROSTER_X='hu'sh'", "ROSTER_X: must have one ' at its end"),
        ("ROSTER_X='", "ROSTER_X: must have one ' at its end"),
        ('ROSTER_X="hu\\sh"', "ROSTER_X: must be in single quotes"),
        ("ROSTER_X=hush # 1", "ROSTER_X: must be in single quotes"),
        ("ROSTER_X=hu\0sh", "ROSTER_X: must not contain a null character"),
    ],
)
def test_a_bad_line_is_named_and_its_value_is_not_shown(
    tmp_path: Path, line: str, problem: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        read(tmp_path, f"ROSTER_A=1\n\n{line}\n")
    assert f"roster.env, line 3: {problem}" in str(refused.value)
    assert "hu" not in str(refused.value).partition("line 3")[2]


def test_a_file_is_text_of_bounded_length(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="must be text in UTF-8"):
        read(tmp_path, b"ROSTER_X=\xff\n")
    assert read(tmp_path, "#" * (env_file.MAX_BYTES - 1) + "\n") == {}
    with pytest.raises(BadSetting, match="must have at most 1048576 bytes"):
        read(tmp_path, "#" * env_file.MAX_BYTES + "\n")


def test_a_file_of_another_user_is_foreign(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.touch()
    assert not env_file.is_foreign(str(file))
    if os.geteuid() == 0:
        os.chown(file, 12345, 12345)
        assert env_file.is_foreign(str(file))
