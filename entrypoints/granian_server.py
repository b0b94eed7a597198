"""granian as `roster serve` runs it: its main loop, and the processes of its workers.

Server works around two faults of granian 2.8: a signal handler that sets a `threading.Event` can
wait for a lock that its own thread holds, and workers that are killed twice in five seconds end
the service. It relies on parts of granian that are not public:

- `MPServer.main_loop_interrupt` is an event, of which the loop uses only `set`, `wait` and `clear`.
- `MPServer._respawn_workers(workers, ...)` replaces the workers with these indices in `wrks`, and
  notes them in `respawned_wrks`. The loop ends if one of them fails again within 5.5 seconds.
- `WorkerProcess.inner` is the process, with its `exitcode`.
- `MPServer.shutdown(exit_code)` reports a failure if `interrupt_children` has any worker.
- `MPServer.interrupt_signal` is set once SIGTERM or SIGINT was received.

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
    """Wakes the server's main loop. It has the methods of an event that the loop uses.

    A signal handler may call `set` at any moment: an event could wait for its own lock forever.
    Each call wakes the loop once, to look at everything that may have happened.
    """

    def set(self) -> None:
        self.put(None)

    def wait(self) -> None:
        self.get()

    def clear(self) -> None:
        """Do nothing: a signal that arrived since the last wait would be lost."""


class Server(MPServer):
    """Ends the service if a worker fails twice in five seconds, but not if workers are killed.

    granian counts a worker that was terminated, killed or replaced as one that failed.
    """

    main_loop_interrupt: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.main_loop_interrupt = SignalQueue()

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        well = [each for each in workers if (self.wrks[each].inner.exitcode or 0) <= 0]
        super()._respawn_workers(workers, *arguments, **options)
        for each in well:
            del self.respawned_wrks[each]

    def shutdown(self, exit_code: int = 0) -> None:
        if self.interrupt_signal:  # a clean exit, even if a worker ended just before
            self.interrupt_children.clear()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def reset_sigterm_after_fork() -> None:
    """Let SIGTERM end a new worker.

    A forked worker has the handler of the master until it sets its own, and would ignore a SIGTERM
    that arrives before.
    """
    block = partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGTERM})
    unblock = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM})

    def in_worker() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=in_worker)


def die_with_parent(master: int) -> None:
    """End this process when its master ends, even if the master is killed. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != master:  # the master ended before the system could watch it
        os.kill(os.getpid(), signal.SIGKILL)


def tune_gc() -> None:
    """Exclude the objects that exist now from garbage collection, and collect less often.

    Looking at them again and again took 7 % of the time of requests. Collections must still be
    frequent: each request leaves some cycles (Werkzeug's routing does), and their memory is
    scattered, so that it is not returned to the system.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # a full collection, so that the next one is due by the few objects that are left
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
