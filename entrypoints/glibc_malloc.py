"""Settings of glibc's malloc that return the memory of large requests to the system.

By default, glibc gives each thread an arena, and an arena keeps the memory that the thread freed.
glibc maps large blocks separately, but it raises that threshold when such a block is freed. After
four requests at the same time with operations bodies of 8 MiB, a worker keeps more memory:

| bodies                             |    default | with these settings |
| ---------------------------------- | ---------: | ------------------: |
| 8 MiB of one string                |  + 102 MiB |             + 7 MiB |
| operations with large members      |   + 66 MiB |             + 6 MiB |
| many small objects                 |   + 27 MiB |             + 5 MiB |

The environment variables MALLOC_ARENA_MAX=2 and MALLOC_MMAP_THRESHOLD_=131072 have the same
effect. They must be set before the process starts, so `roster serve` cannot set them itself.
tests/system/process/test_large_bodies.py fails without the settings.
"""

import ctypes
from contextlib import suppress
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_MMAP_THRESHOLD: Final = 128 * 1024


def limit_retained_memory() -> None:
    """Limits the freed memory that this process retains. Does nothing without glibc."""
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
