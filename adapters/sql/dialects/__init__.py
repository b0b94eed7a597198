"""The properties of each database: connections, deadlines, transactions and bulk inserts."""

from typing import Final

SECONDS_WITHOUT_DEADLINE: Final = 30.0
"""The time limit of a read or a transaction that has no deadline."""
