"""Log lines that come by the thousand: the first of each kind are written, the others counted.

A kind is a logger and a message's template, with its digits left out of account. A broker that is gone makes
aiokafka write a hundred lines a second, for as long as it is gone.
"""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

LINES = 5
"""So many lines of a kind are written in a window."""
WINDOW_S = 60.0
KINDS_MAX = 256
"""Kinds beyond that many in a window count as one: text that never repeats must not fill the memory."""
SWEEP_S = 5.0
EXAMPLE_CHARACTERS = 300
TEMPLATE_CHARACTERS = 300
"""Templates that begin with the same so many characters are one: a long one must not fill the memory either."""

_DIGITS = re.compile(r"\d+")

Kind = tuple[str, str]
OTHERS: Kind = ("", "")


@dataclass(slots=True)
class _Window:
    began_s: float
    written: int = 0
    left_out: int = 0
    logger: str = ""
    level: int = logging.INFO
    example: str = ""


class Limiter:
    """Decides which records are written, and says how many were not. Not safe for use by several threads at once.

    `now_s` gives monotonic seconds.
    """

    def __init__(
        self, now_s: Callable[[], float], *, lines: int = LINES, window_s: float = WINDOW_S, kinds_max: int = KINDS_MAX
    ) -> None:
        self._now_s = now_s
        self._lines = lines
        self._window_s = window_s
        self._kinds_max = kinds_max
        self._windows: dict[Kind, _Window] = {}

    def __len__(self) -> int:
        """The kinds that are kept."""
        return len(self._windows)

    def admits(self, record: logging.LogRecord) -> bool:
        """Whether to write a record. What is critical always is. Call `due` before: windows end there."""
        if record.levelno >= logging.CRITICAL:
            return True
        kind = (record.name, _DIGITS.sub("#", _template_of(record)))
        window = self._windows.get(kind)
        if window is None:
            if len(self._windows) >= self._kinds_max:
                kind = OTHERS
            window = self._windows.setdefault(kind, _Window(self._now_s()))
        if window.written < self._lines:
            window.written += 1
            return True
        window.left_out += 1
        window.logger, window.level = record.name, max(window.level, record.levelno)
        window.example = _message_of(record)[:EXAMPLE_CHARACTERS]
        return False

    def due(self, *, all_of_them: bool = False) -> list[logging.LogRecord]:
        """Ends the windows that are over, or all; returns a record for each that had left something out."""
        now_s = self._now_s()
        over = [kind for kind, w in self._windows.items() if all_of_them or now_s - w.began_s >= self._window_s]
        return [_summary(w, now_s) for kind in over if (w := self._windows.pop(kind)).left_out]


def _template_of(record: logging.LogRecord) -> str:
    try:
        return str(record.msg)[:TEMPLATE_CHARACTERS]
    except Exception:  # what cannot be told must not end who logs; the handler says so
        return type(record.msg).__name__


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a template that does not fit its arguments must not end who logs
        return _template_of(record)


def _summary(window: _Window, now_s: float) -> logging.LogRecord:
    text = "%d more of these left out in the last %.0f s, the last one: %s"
    values = (window.left_out, now_s - window.began_s, window.example)
    return logging.LogRecord(window.logger, window.level, __file__, 0, text, values, None)


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes what a `Limiter` admits. `start` sees to it that what was left out is told also once it has stopped."""

    def __init__(self, stream: TextIO, limiter: Limiter) -> None:
        super().__init__(stream)
        self._limiter = limiter

    def emit(self, record: logging.LogRecord) -> None:
        """Before a critical record, which may be the last, all that was left out is told."""
        self._tell(all_of_them=record.levelno >= logging.CRITICAL)
        if self._limiter.admits(record):
            super().emit(record)

    def start(self) -> None:
        """Starts a thread that looks for windows that are over; it ends with the process."""
        threading.Thread(target=self._sweep, name="log-lines", daemon=True).start()

    def close(self) -> None:
        """Tells what was left out, then closes."""
        with self.lock:  # type: ignore[union-attr]
            self._tell(all_of_them=True)
        super().close()

    def _sweep(self) -> None:
        idle = threading.Event()  # never set: a wait on it is a pause
        while not idle.wait(SWEEP_S):
            with self.lock:  # type: ignore[union-attr]
                self._tell()

    def _tell(self, *, all_of_them: bool = False) -> None:
        for record in self._limiter.due(all_of_them=all_of_them):
            super().emit(record)
