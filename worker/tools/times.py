"""Times in words, for people."""

from datetime import UTC, datetime


def time_of(at_ms: int) -> str:
    """Return a time (Unix ms) as `2026-03-02 01:49:40 UTC`; the number itself when no calendar holds it."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(at_ms)
