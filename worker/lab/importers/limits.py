"""What an importer refuses, and the bounds that it refuses by: the only place where they stand.

A recording comes from elsewhere and is hostile until proven otherwise: sizes are checked before parsing,
counts and times while parsing. Every bound names the option that raises it.
"""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
HOUR_MS = 3_600_000


class ImportRefusedError(Exception):
    """The recording cannot become a room log. The message says what was found, where, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one import. `bad_ratio` is the share of unreadable entries that is still accepted."""

    chat_bytes: int = 1024 * MIB  # --max-chat-mb
    speech_bytes: int = 64 * MIB  # --max-speech-mb
    items: int = 2_000_000  # --max-items, chat and speech each
    span_ms: int = 48 * HOUR_MS  # --max-hours
    bad_ratio: float = 0.05  # --max-bad-percent
    line_bytes: int = 4 * MIB  # one line of a chat file; a longer one counts as unreadable
    xml_depth: int = 16  # recorders write two levels, their embedded style sheet a few more
    text_chars: int = 2_000  # of the event types


def open_bounded(path: Path, max_bytes: int, option: str) -> BinaryIO:
    """Opens a regular file of at most `max_bytes`.

    Raises:
        ImportRefusedError: it cannot be read, is no regular file, is empty, compressed, or larger; the
        message names `option`.
    """
    try:
        file = path.open("rb") if stat.S_ISREG(path.stat().st_mode) else None
    except OSError as error:
        raise ImportRefusedError(f"{path}: cannot be read: {error.strerror}") from error
    if file is None:
        raise ImportRefusedError(f"{path}: is not a regular file; save the recording to one first")
    size = path.stat().st_size
    head = file.read(4)
    file.seek(0)
    reason = ""
    if size == 0:
        reason = "the file is empty"
    elif head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")):
        reason = "the file is compressed; decompress it first"
    elif size > max_bytes:
        reason = (
            f"{size / MIB:.1f} MiB is more than the limit of {max_bytes / MIB:.0f} MiB; "
            f"raise it with {option} if you trust the file"
        )
    if reason:
        file.close()
        raise ImportRefusedError(f"{path}: {reason}")
    return file
