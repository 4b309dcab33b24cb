"""How the process ends that must not go on: at an error outside a single event, or without memory."""

import asyncio
import logging
import mmap
import os
import sys
import threading
from collections.abc import Awaitable, Callable

from worker.partition.rooms import BreakerTripped
from worker.state.codec import ChangelogError
from worker.transport import BrokerGoneError

log = logging.getLogger(__name__)


def end_process(problem: BaseException, code: int = 1) -> None:
    """Leaves at once: no flush, no commit. The last line says why; a known reason needs no traceback."""
    try:
        known = isinstance(problem, (BreakerTripped, BrokerGoneError, ChangelogError, MemoryError))
        if not known:
            log.critical("the process ends because of an unexpected error", exc_info=problem)
        log.critical("the worker stops: %s: %s", type(problem).__name__, problem)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:  # also when there is no memory for words, or nobody takes them
        os._exit(code)


class MemoryGuard(threading.Thread):
    """Ends the process once a reserve of memory cannot be had any more.

    A MemoryError seldom reaches anybody who would end: the clients' tasks log it and try again, and a worker goes on
    that does little and answers nothing. A thread, for the same reason; the reserve is asked of the system and given
    back untouched, so it costs no memory.
    """

    RESERVE_BYTES = 16 << 20
    """Room for a batch in the making and for a thread's stack (8 MiB): mostly, this ends before anything has failed."""
    INTERVAL_S = 0.5
    LAST_WORDS = (
        b"the worker stops: MemoryError: 16 MiB of memory cannot be had: raise the process's limit, or lower "
        b"STREAM_AUDIT_ROOMS_MAX\n"
    )

    def __init__(self) -> None:
        super().__init__(name="memory-guard", daemon=True)

    def run(self) -> None:
        idle = threading.Event()  # never set: a wait on it is a pause
        try:
            while not idle.wait(self.INTERVAL_S):
                mmap.mmap(-1, self.RESERVE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        finally:
            try:
                os.write(2, self.LAST_WORDS)
            finally:
                os._exit(1)


async def or_fatal(work: Awaitable[None], fatal: Callable[[BaseException], None]) -> None:
    """Awaits the work of an agent or task; whatever interrupts it, but a cancellation of this task, is fatal.

    Faust would start an agent anew, also after a cancellation that nobody asked for. The batch that it had in hand
    would be neither applied nor acknowledged, while those behind it are.
    """
    try:
        await work
    except asyncio.CancelledError as stray:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            problem = RuntimeError("work was interrupted by a cancellation that nobody asked for")
            problem.__cause__ = stray
            fatal(problem)
        raise
    except Exception as problem:
        fatal(problem)
