"""argon2id in memory that is reused (docs/decisions/0062-memory-of-argon2.md).

The library allocates the memory of each hash. `roster serve` returns freed memory to the system
(entrypoints/glibc_malloc.py), which must clear it again, so a hash takes a third longer.
"""

from functools import cache
from typing import Any, Final

from argon2.exceptions import HashingError
from argon2.low_level import ARGON2_VERSION, Type, core, ffi, hash_secret_raw

TAG_BYTES: Final = 32
_FAILED: Final = -22


class Argon2id:
    """Computes argon2id with these costs: `memory` in KiB, `passes` and `lanes`.

    Each concurrent hash has a block of memory, which is kept for the next one.
    """

    def __init__(self, *, memory: int, passes: int, lanes: int) -> None:
        self._memory = memory
        self._passes = passes
        self._lanes = lanes
        self._blocks: list[Any] = []

    def tag(self, password: bytes, salt: bytes) -> bytes:
        """Returns the hash of TAG_BYTES. Raises MemoryError."""
        if not _can_reuse_memory():
            return self._library_tag(password, salt)
        try:
            block = self._blocks.pop()
        except IndexError:
            block = ffi.new("uint8_t[]", self._memory * 1024)
        try:
            return self._tag(password, salt, block)
        finally:
            self._blocks.append(block)

    def matches_library(self) -> bool:
        """Returns True if the tag of an example is the one that the library computes."""
        password, salt = b"password", b"salt of 16 bytes"
        block = ffi.new("uint8_t[]", self._memory * 1024)
        return self._tag(password, salt, block) == self._library_tag(password, salt)

    def _tag(self, password: bytes, salt: bytes, block: Any) -> bytes:
        def allocate(memory: Any, size: int) -> int:
            if size > len(block):
                return _FAILED
            memory[0] = block
            return 0

        def keep(memory: Any, size: int) -> None:
            """Does nothing. The library has overwritten the memory."""

        # These must live as long as the context, which has only their addresses.
        on_allocate = ffi.callback("int(uint8_t **, size_t)", allocate, error=_FAILED)
        on_free = ffi.callback("void(uint8_t *, size_t)", keep)
        tag = ffi.new("uint8_t[]", TAG_BYTES)
        password_bytes = ffi.new("uint8_t[]", password)
        salt_bytes = ffi.new("uint8_t[]", salt)
        context = ffi.new(
            "argon2_context *",
            {
                "version": ARGON2_VERSION,
                "out": tag,
                "outlen": TAG_BYTES,
                "pwd": password_bytes,
                "pwdlen": len(password),
                "salt": salt_bytes,
                "saltlen": len(salt),
                "t_cost": self._passes,
                "m_cost": self._memory,
                "lanes": self._lanes,
                "threads": self._lanes,
                "allocate_cbk": on_allocate,
                "free_cbk": on_free,
            },
        )
        if core(context, Type.ID.value):
            raise MemoryError  # the costs are valid, so only memory or threads can lack
        return bytes(ffi.buffer(tag))

    def _library_tag(self, password: bytes, salt: bytes) -> bytes:
        try:
            return hash_secret_raw(
                password, salt, self._passes, self._memory, self._lanes, TAG_BYTES, Type.ID
            )
        except HashingError:
            raise MemoryError from None


@cache
def _can_reuse_memory() -> bool:
    """Returns False if the system permits no callbacks, or the library's context has changed."""
    try:
        return Argon2id(memory=64, passes=2, lanes=2).matches_library()
    except Exception:  # noqa: BLE001 (the library then computes all hashes)
        return False
