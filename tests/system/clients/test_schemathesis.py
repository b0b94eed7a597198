"""Schemathesis sends valid and invalid requests to all operations of /openapi.json."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import randrange

import pytest

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
Check = Callable[..., None]


def new_seed() -> int:
    """A new seed for each run. The report of a failure contains it."""
    return randrange(2**32)


BOUNDARIES = "--phases=examples,coverage"
"""Sends the documented examples, and each parameter with each of its boundary values."""

RANDOM = "--phases=fuzzing,stateful"
"""Sends random requests, and sequences of requests that use the responses of earlier ones."""

SHORT_COVERAGE = """
[[operations]]
include-name-regex = "^GET .*/(groups|members)$"
phases.coverage.enabled = false
"""
"""Omits the boundary values of most lists, which take two minutes. All lists share their code."""


ONLY_ACCOUNTS = "--include-tag=accounts"
REFRESH = """
[[operations]]
include-name = "POST /oauth/token"
checks.positive_data_acceptance.expected-statuses = ["2XX", "400", "429", "5XX"]
"""
"""Permits that the service refuses refresh tokens that it did not issue."""

SHORT_LISTS = """
[[operations]]
include-name-regex = "^GET .*/sessions$"
phases.coverage.enabled = false
"""
"""Omits the boundary values of lists of sessions, as SHORT_COVERAGE does for other lists."""


@pytest.fixture
def check(run: Callable[..., str], tmp_path: Path) -> Check:
    """Runs every check of every operation. `more` is added to the configuration.

    Each run needs a new directory, because Schemathesis stores its findings there and reuses them.
    """
    for name in ("schemathesis.toml", "schemathesis_hooks.py"):
        shutil.copy(HERE / name, tmp_path)

    def check(*options: str, more: str = "", examples: int, seed: int) -> None:
        with (tmp_path / "schemathesis.toml").open("a") as config:
            config.write(more)
        _check(partial(run, within=tmp_path), *options, examples=examples, seed=seed)

    return check


def _check(
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
    selected = r"(\d+)/\d+" if ONLY_ACCOUNTS in options else r"(\d+)/\1"
    assert re.search(rf"Selected: {selected}\n\s*Tested: \1\n", report), report


def test_an_open_service_conforms_to_its_description(check: Check, base_url: str) -> None:
    check(base_url, BOUNDARIES, more=SHORT_COVERAGE, examples=1, seed=1)


def test_a_guarded_service_conforms_to_its_description(
    check: Check, guarded: tuple[str, str]
) -> None:
    base_url, token = guarded
    header = f"--header=Authorization: Bearer {token}"
    check(base_url, RANDOM, header, examples=15, seed=1)


def test_a_service_with_accounts_conforms_to_its_description(
    check: Check, with_accounts: str
) -> None:
    check(with_accounts, BOUNDARIES, ONLY_ACCOUNTS, more=REFRESH + SHORT_LISTS, examples=1, seed=1)


@pytest.mark.long
def test_accounts_conform_to_their_description_for_many_examples(
    check: Check, with_accounts: str
) -> None:
    check(with_accounts, RANDOM, ONLY_ACCOUNTS, more=REFRESH, examples=50, seed=new_seed())


@pytest.mark.long
def test_a_service_conforms_to_its_description_for_many_examples(
    check: Check, serve: Callable[[str], str], postgresql_url: str
) -> None:
    check(serve(postgresql_url), examples=150, seed=new_seed())
