"""A service for the documentation's commands."""

from collections.abc import Callable

import pytest


@pytest.fixture
def base_url(serve: Callable[[str], str], sqlite_url: str) -> str:
    """Where a service over an empty directory answers."""
    return serve(sqlite_url)
