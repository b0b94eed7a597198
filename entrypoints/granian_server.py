"""granian's server with changes for `roster serve`: its main loop and its worker processes.

Server works around two faults of granian 2.8. A signal handler that sets a `threading.Event` can
wait for a lock that its own thread holds. If workers are killed twice within five seconds, the
service ends. The class relies on parts of granian that are not public:

- `MPServer.main_loop_interrupt` is an event. The loop uses only its `set`, `wait` and `clear`.
- `MPServer._respawn_workers(workers, ...)` replaces the workers with these indices in `wrks`, and
  records them in `respawned_wrks`. The loop ends if one of them fails again within 5.5 seconds.
- `WorkerProcess.inner` is the process, with its `exitcode`.
- `MPServer.shutdown(exit_code)` reports a failure if `interrupt_children` has any worker.
- `MPServer.interrupt_signal` is set after SIGTERM or SIGINT.

tests/system/entrypoints/test_granian_server.py fails when one of them changes.
"""

import ctypes
import gc
import os
import signal
import sys
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from granian.server.mp import MPServer

_NEW_OBJECTS: Final = 2_000
"""The number of new objects after which the garbage collector runs."""
_PR_SET_PDEATHSIG: Final = 1


class SignalQueue(SimpleQueue[None]):
    """Replaces the event that wakes the server's main loop.

    A signal handler may interrupt any statement and call `set`. An event could then wait for its
    own lock forever. Each call wakes the loop once, and the loop checks everything.
    """

    def set(self) -> None:
        self.put(None)

    def wait(self) -> None:
        self.get()

    def clear(self) -> None:
        """Does nothing, so that a signal since the last `wait` is not lost."""


class Server(MPServer):
    """Ends the service if a worker fails twice in five seconds, but not if workers are killed.

    For granian, every worker that ends has failed, even if it was terminated or replaced.
    """

    main_loop_interrupt: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.main_loop_interrupt = SignalQueue()

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        not_failed = [each for each in workers if (self.wrks[each].inner.exitcode or 0) <= 0]
        super()._respawn_workers(workers, *arguments, **options)
        for each in not_failed:
            del self.respawned_wrks[each]

    def shutdown(self, exit_code: int = 0) -> None:
        if self.interrupt_signal:  # a clean exit, even if a worker ended just before
            self.interrupt_children.clear()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def reset_sigterm_after_fork() -> None:
    """Makes sure that SIGTERM ends a new worker.

    A forked worker has the handler of the master until it sets its own handler. Until then it would
    ignore SIGTERM.
    """
    block = partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGTERM})
    unblock = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM})

    def in_worker() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=in_worker)


def die_with_parent(master: int) -> None:
    """Ends this process when its master ends, even if the master is killed. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != master:  # the master ended before the system could watch it
        os.kill(os.getpid(), signal.SIGKILL)


def tune_gc() -> None:
    """Excludes the objects that exist now from garbage collection, and collects less often.

    Traversing them repeatedly took 7 % of the time of requests. Collections must still be frequent.
    Each request leaves some reference cycles, for example in Werkzeug's routing. Their memory is
    fragmented, so it is not returned to the system.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # now the few objects that are left decide when the next full collection runs
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
