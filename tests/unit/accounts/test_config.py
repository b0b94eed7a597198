"""The configuration of accounts."""

from application.accounts.config import AccountConfig
from entrypoints.account_config import make_config
from entrypoints.settings import Settings


def test_the_defaults_are_those_of_the_settings() -> None:
    config = make_config(Settings.of({}), ["users"])
    assert config == AccountConfig(role_scopes=config.role_scopes)
