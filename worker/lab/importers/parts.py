"""Several files of one broadcast: recorders begin a new one every half hour, and whenever they connect again.

Parts are joined by when each began. What lies between two of them was not recorded: it is neither silence nor
a break. A message that stands in both of two parts that overlap is kept once.
"""

import re
from array import array
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

from worker.lab.importers.instants import BEIJING
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.recording import BEFORE, DUPLICATE, Chat, Comment, Deed, Gift, Item, Ledger, Speech
from worker.lab.importers.spool import Seen, in_order

APART_MS = 600_000  # parts further apart are one broadcast only if both say so
UNRECORDED_MS = 60_000
SEAM_MS = 120_000
SAME_MS = 2_000
TIMES_KEPT, RECENT_MAX = 20, 100_000
Recent = dict[tuple[str, str, str], list[int]]  # who did what in the parts so far, and when
FILES_MAX = 1_000
CHAT_SUFFIXES = frozenset({".xml", ".json", ".jsonl", ".csv", ".txt", ".ass", ".log"})
SPEECH_SUFFIXES = frozenset({
    ".srt", ".vtt", ".json", ".jsonl", ".ass", ".ssa", ".lrc", ".tsv", ".csv", ".json3", ".srv3", ".ttml", ".aud",
})  # fmt: skip
_IN_NAME = re.compile(
    r"(?<!\d)(20\d{2})[-_.年]?(0[1-9]|1[0-2])[-_.月]?(0[1-9]|[12]\d|3[01])日?"
    r"[-_ T.]{0,3}([01]\d|2[0-3])[-_.时h]?([0-5]\d)(?:[-_.分m]?([0-5]\d))?(?!\d)"
)


def expanded(given: str, suffixes: frozenset[str]) -> list[Path]:
    """The files that `given` means, in the order of their names: a file, all of a folder, or what a pattern fits.

    Raises:
        ImportRefusedError: there is none, or there are too many.
    """
    path = Path(given)
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith(".")]
        missing = f"has no file of a kind that is read ({', '.join(sorted(suffixes))})"
    elif path.exists() or not re.search(r"[*?\[]", given):
        return [path]
    else:
        root = Path(path.anchor) if path.is_absolute() else Path()
        found = [p for p in root.glob(str(path.relative_to(path.anchor))) if p.is_file()]
        missing = "fits no file"
    if not found:
        raise ImportRefusedError(f"{given}: {missing}")
    if len(found) > FILES_MAX:
        raise ImportRefusedError(f"{given}: means {len(found)} files, more than {FILES_MAX}")
    return sorted(found)


def start_in_name(path: Path) -> int | None:
    """When a recording began (Unix ms), by the local time in its name."""
    found = _IN_NAME.search(path.name)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(field or 0) for field in found.groups())
    try:
        return round(datetime(year, month, day, hour, minute, second, tzinfo=BEIJING).timestamp() * 1_000)
    except ValueError:
        return None


def join_chats(parts: Sequence[tuple[Path, Chat]], ledger: Ledger) -> Chat:
    """One chat of all parts, counted from the start of the first.

    Raises:
        ImportRefusedError: they are of different rooms or broadcasts, one has no time, or there are too many messages.
    """
    if len(parts) == 1:
        return parts[0][1]
    for path, chat in parts:
        if chat.started_at_ms is None:
            chat.started_at_ms = start_in_name(path)
        if chat.started_at_ms is None:
            raise ImportRefusedError(
                f"{path}: does not say when it began, so it cannot be joined to others; import it alone, or put the "
                "time into its name, such as part_20260301_212000.xml"
            )
    ordered = sorted(parts, key=lambda part: part[1].started_at_ms or 0)
    first_path, first = ordered[0]
    base = first.started_at_ms or 0
    whole = Chat(first.platform, ledger, started_at_ms=base)
    seen, recent = Seen(), Recent()
    end = 0
    for path, chat in ordered:
        start = (chat.started_at_ms or 0) - base
        _same_room((first_path, first), (path, chat))
        if start > end and path != first_path:
            _between(first, chat, path, start - end)
            if start - end > UNRECORDED_MS:
                whole.gaps.append((end, start))
        whole.gaps += [(start + begin, start + until) for begin, until in chat.gaps]
        early = chat.early if path != first_path else []
        ledger.undrop(BEFORE, len(early))
        places = array("q", (item.offset_ms for item in chat.items))
        for item in chain(
            sorted(early, key=lambda item: item.offset_ms), map(chat.items.__getitem__, in_order(places))
        ):
            item.offset_ms += start
            if _again(item, seen, recent, overlaps=item.offset_ms <= end + SEAM_MS and path != first_path):
                ledger.drop(DUPLICATE)
            else:
                whole.add(item, 0)
        end = max(end, start + chat.length_ms, start + max(places, default=0))
    for name in ("room", "host", "title", "broadcast"):
        setattr(whole, name, next((value for _, chat in ordered if (value := getattr(chat, name))), ""))
    whole.length_ms = end
    unrecorded = sum(until - begin for begin, until in whole.gaps)
    ledger.warnings.append(f"{len(parts)} parts joined; {unrecorded / 60_000:.1f} min between were not recorded")
    return whole


def _same_room(one: tuple[Path, Chat], two: tuple[Path, Chat]) -> None:
    rooms = {chat.room for _, chat in (one, two)} - {""}
    if len(rooms) > 1 or one[1].platform != two[1].platform:
        raise ImportRefusedError(f"{two[0]}: is of another room than {one[0]}; import each room by itself")


def _between(first: Chat, chat: Chat, path: Path, gap_ms: int) -> None:
    told = bool(first.broadcast) and first.broadcast == chat.broadcast
    if gap_ms > APART_MS and not told:
        raise ImportRefusedError(
            f"{path}: begins {gap_ms / 60_000:.0f} min after the part before it ends, and does not say that it is of "
            "the same broadcast; import each broadcast by itself"
        )


def _again(item: Item, seen: Seen, recent: Recent, *, overlaps: bool) -> bool:
    """Whether an earlier part has the item: by its id, else by author, text and time where parts overlap."""
    kind = type(item).__name__
    if item.ref:
        return seen.again(kind, item.kind if isinstance(item, Deed) else "", item.ref)
    if not isinstance(item, Comment | Gift | Deed) or not item.author:
        return False
    what = item.text if isinstance(item, Comment) else item.gift if isinstance(item, Gift) else item.kind
    times = recent.setdefault((kind, item.author, what), [])
    if overlaps and any(abs(at - item.offset_ms) <= SAME_MS for at in times):
        return True
    times.append(item.offset_ms)
    del times[:-TIMES_KEPT]
    if len(recent) > RECENT_MAX:
        del recent[next(iter(recent))]
    return False


def join_speech(
    parts: Sequence[tuple[Path, list[Speech]]], chats: Sequence[tuple[Path, int | None]], base_ms: int | None,
    ledger: Ledger,
) -> list[Speech]:  # fmt: skip
    """The segments of all parts, counted from `base_ms` (Unix ms). A part's start is that of the chat beside it, or
    stands in its name. `chats` are the chat's parts and when each began.

    Raises:
        ImportRefusedError: it is not known when each part began.
    """
    if len(parts) <= 1:
        return parts[0][1] if parts else []
    named = [start_in_name(path) for path, _ in parts]
    begun = [start for _, start in chats]
    if len(parts) == len(chats) and None not in begun:
        starts = begun
    elif None not in named:
        starts = named
    else:
        raise ImportRefusedError(
            f"{len(parts)} files of speech, {len(chats)} of chat: when each of the speech began is unknown. "
            "Give as many --speech as --chat, in the same order, or put the time into each name, such as "
            "part_20260301_212000.srt"
        )
    known = [start for start in starts if start is not None]
    base = min(known) if base_ms is None else base_ms
    found: list[Speech] = []
    for start, (_, segments) in sorted(zip(known, parts, strict=True), key=lambda part: part[0]):
        last = max((segment.end_ms for segment in found), default=0)
        spoken = {(segment.text, segment.start_ms) for segment in found if segment.end_ms > last - SEAM_MS}
        for segment in segments:
            at = segment.start_ms + start - base
            if at < last and any(text == segment.text and abs(at - other) <= SAME_MS for text, other in spoken):
                ledger.drop("the same speech in two parts")
                continue
            found.append(Speech(at, segment.end_ms + start - base, segment.text, segment.confidence))
    return found
