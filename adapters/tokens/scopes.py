"""The syntax of scopes. Settings check it, so this module imports no cryptography."""

import re

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, section 3.3


def is_scope(text: str) -> bool:
    """Returns True if the text can be a scope."""
    return bool(_SCOPE.fullmatch(text))
