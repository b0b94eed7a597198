"""The properties of each database: connections, deadlines, transactions and bulk inserts."""

from typing import Final

SECONDS_WITHOUT_DEADLINE: Final = 30.0
"""The time limit of a read or a transaction that has no deadline."""
CONNECT_SECONDS: Final = 10.0
"""The time limit of an attempt to connect to one server, unless the URL contains another."""
SERVER_SHARE: Final = 0.95
"""The share of the remaining time after which the server cancels a statement."""
