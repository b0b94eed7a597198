"""Creates random identifiers and tokens."""

from secrets import token_urlsafe
from typing import Final

from application.ports.tokens import RandomTokens

REFRESH_PREFIX: Final = "rrt_"
LINK_PREFIX: Final = "rlt_"
_TOKEN_BYTES: Final = 32
_ID_BYTES: Final = 16


class SecureTokens(RandomTokens):
    """Uses the random numbers of the operating system."""

    def session_id(self) -> str:
        return f"s{token_urlsafe(_ID_BYTES)}"  # the letter: it is never a number or an option

    def refresh_token(self) -> str:
        return f"{REFRESH_PREFIX}{token_urlsafe(_TOKEN_BYTES)}"

    def link_token(self) -> str:
        return f"{LINK_PREFIX}{token_urlsafe(_TOKEN_BYTES)}"
