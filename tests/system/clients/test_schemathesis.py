"""Schemathesis asks a real server for all that /openapi.json describes, and more."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import randrange

import pytest

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
Ask = Callable[..., None]


@pytest.fixture
def ask(run: Callable[..., str], tmp_path: Path) -> Ask:
    """Makes every check of every operation; it fails where a check does.

    From a directory of its own, since it keeps there what it found, and begins with that the next
    time.
    """
    for name in ("schemathesis.toml", "schemathesis_hooks.py"):
        shutil.copy(HERE / name, tmp_path)
    return partial(_ask, partial(run, within=tmp_path))


def _ask(
    run: Callable[..., str], base_url: str, *options: object, examples: int, seed: int
) -> None:
    report = run(
        *("schemathesis", "--config-file", "schemathesis.toml", "run"),
        *(f"{base_url}/openapi.json", "--continue-on-failure", "--no-color"),
        *("--checks=all", "--exclude-checks=use_after_free,status_code_conformance"),
        *("--generation-database=none", f"--max-examples={examples}", f"--seed={seed}"),
        *options,
        seconds=1800,
    )
    assert re.search(r"Selected: (\d+)/\1\n\s*Tested: \1\n", report), report


def new_seed() -> int:
    """Another one in each run; the report of a failure contains it."""
    return randrange(2**32)


def test_an_open_service_is_as_it_is_described(ask: Ask, base_url: str) -> None:
    ask(base_url, examples=40, seed=new_seed())


def test_a_guarded_service_is_as_it_is_described(ask: Ask, guarded: tuple[str, str]) -> None:
    base_url, token = guarded
    ask(base_url, f"--header=Authorization: Bearer {token}", examples=20, seed=new_seed())


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_it_is_so_for_many_more_examples(
    ask: Ask, serve: Callable[[str], str], postgresql_url: str, seed: int
) -> None:
    ask(serve(postgresql_url), examples=150, seed=seed)
