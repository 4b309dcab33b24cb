"""A shutdown that always ends."""

from __future__ import annotations

import threading
from typing import Any

from worker.transport.hooks import Attachment


class DeadlineError(RuntimeError):
    """Work that must end before partitions are handed over, or before the process ends, did not."""


class KillDeadline(threading.Thread):
    """Ends the process when a shutdown takes longer than `shutdown_timeout_s`, whatever the event loop does.

    A thread, since what hangs may be the loop itself.
    """

    def __init__(self, app: Any, attachment: Attachment, poll_s: float = 0.2) -> None:
        super().__init__(name="kill-deadline", daemon=True)
        self._app = app
        self._attachment = attachment
        self._poll_s = poll_s

    def run(self) -> None:
        idle = threading.Event()  # never set: a wait on it is a pause
        while not self._app.should_stop:
            idle.wait(self._poll_s)
        clock, timeout_s = self._attachment.clock, self._attachment.settings.shutdown_timeout_s
        deadline_s = clock() + timeout_s
        while not self._app._shutdown.is_set():
            if clock() > deadline_s:
                self._attachment.hooks.fatal(DeadlineError(f"shutdown did not end within {timeout_s:g} s"))
                return
            idle.wait(self._poll_s)
