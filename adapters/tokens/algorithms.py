"""The algorithms of signing keys. The command line names them, so this imports no cryptography."""

from typing import Final

SIGNING_ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")
DEFAULT_ALGORITHM: Final = SIGNING_ALGORITHMS[0]
