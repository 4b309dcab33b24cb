"""How fast a recording becomes a room log, and what it takes of memory: each format in a process of its own.

    python -m tests.bench.imports [MESSAGES] [FORMAT ...]

The file is made first, and is not timed. Memory is the most that the process held, without what Python and the
importers hold before they read.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.lab.importers.chat_samples import CHATS
from worker.lab.importers import Job, Limits, import_recording

MESSAGES = 200_000
FORMATS = (
    "bililive-recorder",
    "bililive-tools",
    "blrec",
    "oba-live-tool",
    "douyin-live",
    "douyin-barrage-grab",
    "yt-dlp",
)
LEAST_PER_S = 45_000
HOUR_MS = 3_600_000


def held_mb() -> float:
    """The most that this process held so far, in MB."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1_000


def measured(name: str, chat: Path, messages: int) -> str:
    """One import, as a line of figures: messages a second, MB, MB of the file."""
    before = held_mb()
    limits = Limits(span_ms=max(48, messages // 3_000) * HOUR_MS)
    started = time.process_time()
    import_recording(Job(chat=chat, out=chat.with_name("room.jsonl"), chat_format=name, limits=limits))
    seconds = time.process_time() - started
    return f"{messages / seconds:.0f} {held_mb() - before:.0f} {chat.stat().st_size / 1e6:.0f}"


def main() -> None:
    """Measure each format and print a table."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    table = Table("format", "messages/s a core", "memory, MB", "file, MB", title=f"{messages:,} messages")
    for name in sys.argv[2:] or FORMATS:
        with tempfile.TemporaryDirectory() as place:
            chat = Path(place) / "chat"
            chat.write_text(CHATS[name](messages), encoding="utf-8")
            command = [sys.executable, "-m", "tests.bench.imports", "--one", name, str(chat), str(messages)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        speed, memory, size = done.stdout.split()
        table.add_row(name, f"{int(speed):,}", memory, size, style="" if int(speed) >= LEAST_PER_S else "red")
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(measured(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
    else:
        main()
