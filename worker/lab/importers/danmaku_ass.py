"""Danmaku written as ASS: a picture of a chat, with some of it missing.

Writers drop comments that would collide, move others in time, and mostly leave out who wrote. Blocked ones
are kept as ASS comments: they were sent. DanmakuRender shows each six seconds before it came.
"""

import re
from pathlib import Path

from worker.lab.importers.readable import open_lines
from worker.lab.importers.recording import NO_TEXT, Chat, Comment, Ledger, Progress
from worker.lab.importers.subtitles import clock_ms

INCOMPLETE = (
    "danmaku written as ASS are a picture of the chat: incomplete, some moved in time, most without who wrote; "
    "judge neither reply times nor silence by them"
)
DRAWN = "drawing, statistics or gift box, no comment"
EARLY_MS = 6_000
_NAME = re.compile(r"\{[^{}]{0,200}\\c&H[Bb][Cc][Aa][Cc][Ff]7&?\}([^{}]{1,80}?):(?:\\h| )?(?=\{|$)")
_OVERRIDE = re.compile(r"\{[^{}]{0,2000}\}")
_DRAWN_STYLES = frozenset({"danmakufactory_stat", "message_box", "gift"})


def read_danmaku_ass(path: Path, ledger: Ledger, progress: Progress) -> Chat:
    """Reads every event that shows a comment.

    Raises:
        ImportRefusedError: too large, or too many unreadable events.
    """
    chat, bad_before, read, early = Chat("other", ledger), ledger.bad, 0, 0
    with open_lines(path, ledger.limits.chat_bytes, "--max-chat-mb", ledger, progress) as lines:
        number = 0
        while data := lines.readline():
            number += 1
            line = data.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith("Title: DanmakuRender") or "DanmakuRender" in line[:60]:
                early = EARLY_MS
            kind, _, rest = line.partition(":")
            if kind not in ("Dialogue", "Comment"):
                continue
            fields = rest.split(",", 9)
            at = clock_ms(fields[1]) if len(fields) == 10 else None
            if at is None:
                ledger.unreadable(number, "is no event with a time and a text")
                continue
            read += 1
            if "\\p1" in fields[9] or fields[3].strip().lower() in _DRAWN_STYLES:
                ledger.drop(DRAWN)
                continue
            named = _NAME.search(fields[9])
            shown = fields[9][named.end() :] if named else fields[9]
            text = _OVERRIDE.sub("", shown).replace("\\N", " ").replace("\\h", " ").strip()
            if text:
                chat.add(Comment(at + early, f"name\0{named[1]}" if named else "", text), number)
            else:
                ledger.drop(NO_TEXT)
        lines.check()
    ledger.check(path, bad_before, read)
    ledger.warnings.append(INCOMPLETE)
    return chat
