"""Limits of the processor time of a block."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time


@contextmanager
def processor_time_below(seconds: float) -> Iterator[None]:
    """Fails if the block takes at least these seconds of this process's processor time.

    Other processes do not count. The garbage collector is off, because its time depends on the
    objects that earlier tests left.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        start = process_time()
        yield
        taken = process_time() - start
    finally:
        if collects:
            gc.enable()
    assert taken < seconds, f"the block took {taken:.3f} s of processor time, at least {seconds} s"
