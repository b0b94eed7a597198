"""Schemathesis asks a real server for all that /openapi.json describes, and more."""

import re
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.clients

Run = Callable[..., str]


def ask(run: Run, base_url: str, *options: object, examples: int, seed: int) -> None:
    """Every check of every operation; it fails where a check does."""
    report = run(
        *("schemathesis", "--config-file", "schemathesis.toml", "run"),
        *(f"{base_url}/openapi.json", "--checks=all", "--continue-on-failure", "--no-color"),
        *("--generation-database=none", f"--max-examples={examples}", f"--seed={seed}"),
        *options,
        seconds=1800,
    )
    assert re.search(r"Selected: (\d+)/\1\n\s*Tested: \1\n", report), report


def test_an_open_service_is_as_it_is_described(run: Run, base_url: str) -> None:
    ask(run, base_url, examples=20, seed=1)


def test_a_guarded_service_is_as_it_is_described(run: Run, guarded: tuple[str, str]) -> None:
    base_url, token = guarded
    ask(run, base_url, f"--header=Authorization: Bearer {token}", examples=10, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_it_is_so_for_many_more_examples(
    run: Run, serve: Callable[[str], str], postgresql_url: str, seed: int
) -> None:
    ask(run, serve(postgresql_url), examples=150, seed=seed)
