"""Fixtures of accounts."""

import pytest
from accounts_service import AccountService


@pytest.fixture
def service() -> AccountService:
    return AccountService()
