"""A shutdown that always ends, and soon where there is no broker to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from worker.transport.hooks import Attachment
from worker.transport.protocols import StoppingApp

#: A shutdown that takes longer asks whether there is a broker; mostly it has ended by then.
ASK_AFTER_S = 3.0
#: How long no broker may answer before a shutdown gives up: one that restarts is mostly back sooner.
GONE_S = 8.0


class DeadlineError(RuntimeError):
    """Work that must end before partitions are handed over, or before the process ends, did not."""


class BrokerGoneError(RuntimeError):
    """No broker answers while the process is to end: nothing more can be written or committed."""


class KillDeadline(threading.Thread):
    """Ends the process when a shutdown takes longer than `shutdown_timeout_s`, whatever the event loop does.

    Where no broker has answered for 8 s it does not wait that long. A thread, since what hangs may be the loop itself.
    """

    def __init__(self, app: StoppingApp, attachment: Attachment, poll_s: float = 0.2) -> None:
        super().__init__(name="kill-deadline", daemon=True)
        self._app = app
        self._attachment = attachment
        self._poll_s = poll_s

    def run(self) -> None:
        idle = threading.Event()  # never set: a wait on it is a pause
        while not self._app.should_stop:
            idle.wait(self._poll_s)
        problem = self._watch(idle.wait)
        if problem is not None:
            self._attachment.hooks.fatal(problem)

    def _watch(self, pause: Callable[[float], object]) -> RuntimeError | None:
        """Follows a shutdown to its end; returns why it must be cut short."""
        attachment, clock = self._attachment, self._attachment.clock
        began_s = heard_s = clock()
        timeout_s = attachment.settings.shutdown_timeout_s
        while not self._app._shutdown.is_set():
            if clock() - began_s > timeout_s:
                return DeadlineError(f"shutdown did not end within {timeout_s:g} s")
            if attachment.answers is not None and clock() - began_s > ASK_AFTER_S:
                if attachment.answers():
                    heard_s = clock()
                heard_s = max(heard_s, attachment.acknowledged_s)
                if clock() - heard_s > GONE_S:
                    return BrokerGoneError(f"no broker has answered for {GONE_S:g} s")
            pause(self._poll_s)
        return None
