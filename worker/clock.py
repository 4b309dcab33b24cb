"""The only caller of `time`. No decision may depend on it: it serves metrics, back-off and timeouts."""

import time


def now_ms() -> int:
    """Wall clock in Unix milliseconds; may jump."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds on a clock that never goes back; only differences mean anything. Safe from every thread."""
    return time.monotonic()
