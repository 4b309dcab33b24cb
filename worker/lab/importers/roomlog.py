"""From a recording to the events of its room, in event-time order, each proven to decode before it is
written.
"""

from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import merge
from itertools import chain
from typing import Any

import msgspec
import orjson

from worker.audit.events import Event
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.pseudonym import Pseudonyms
from worker.lab.importers.recording import BEFORE, NO_CURRENCY, Comment, Deed, Gift, HostText, Item, Ledger, Speech
from worker.lab.importers.spool import Spool, in_order

HEARTBEAT_MS = 20_000
VIEWERS_SPAN_MS = 300_000  # a heartbeat's viewers: who wrote or gave within this time, a lower bound

_EVENT = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the log says of the room; ids are pseudonyms already, except a `room_id` that the user chose."""

    room_id: str
    platform: str
    region: str
    host_id: str
    started_at_ms: int
    selling: bool
    title: str = ""


@dataclass(slots=True)
class Span:
    """How long the room lasts and how much of it is speech, in ms from the start."""

    length_ms: int = 0
    speech_ms: int = 0


def align_speech(segments: Sequence[Speech], offset_ms: int, ledger: Ledger) -> list[Speech]:
    """Shifted by `offset_ms`, sorted, without overlap: a segment ends where the next begins.

    Of two with one start the shorter comes first and the other begins at its end.
    """
    limits, kept = ledger.limits, list[Speech]()
    if len(segments) > limits.items:
        raise ImportRefusedError(f"more than {limits.items} speech segments; raise the limit with --max-items")
    for segment in sorted(segments, key=lambda s: (s.start_ms, s.end_ms)):
        start, end = max(0, segment.start_ms + offset_ms), segment.end_ms + offset_ms
        if segment.end_ms < segment.start_ms:
            ledger.drop("segment that ends before it begins")
            continue
        if end <= 0:
            ledger.drop(BEFORE)
            continue
        if end > limits.span_ms:
            ledger.drop(f"speech more than {limits.span_ms // 3_600_000} h after the start (--max-hours)")
            continue
        if kept and start < kept[-1].end_ms:
            ledger.changed["overlapping segment (clipped)"] += 1
            if start <= kept[-1].start_ms:
                start = kept[-1].end_ms
            else:
                kept[-1].end_ms = start
        if end <= start and segment.end_ms > segment.start_ms:
            ledger.drop("segment that lies within others")
            continue
        kept.append(Speech(start, end, segment.text, segment.confidence))
    return kept


class RoomLog:
    """Iterates over encoded lines (without line end); afterwards `events` and `span` say what was in it."""

    def __init__(
        self, room: Room, items: Spool[Item], speech: Sequence[Speech], *, length_ms: int,
        pseudonyms: Pseudonyms, ledger: Ledger, gaps: Sequence[tuple[int, int]] = (),
    ) -> None:  # fmt: skip
        self.room, self.ledger, self.pseudonyms = room, ledger, pseudonyms
        self._items = items
        self._offsets = array("q", (item.offset_ms for item in items))
        self._order = in_order(self._offsets)  # stable: one second's order is the file's
        self.speech = speech
        self.gaps = deque(sorted(gaps))
        self.events: Counter[str] = Counter()
        last_chat = max(self._offsets, default=0)
        last_speech = max((s.end_ms for s in speech), default=0)
        self.span = Span(max(last_chat, last_speech, length_ms), sum(s.end_ms - s.start_ms for s in speech))
        self.session_id = self._session()

    def items(self) -> Iterator[Item]:
        """The items in order of time."""
        if isinstance(self._order, range):
            return iter(self._items)
        return map(self._items.__getitem__, self._order)

    def last_item_ms(self) -> int | None:
        """When the last item happened; None if there is none."""
        return self._offsets[self._order[-1]] if self._offsets else None

    def _session(self) -> str:
        """Differs between recordings of one room, and is the same for the same recording and salt."""
        digest = blake2b(self.room.room_id.encode(), digest_size=16)
        for item in self.items():
            text = item.text if isinstance(item, Comment) else ""
            digest.update(f"{item.offset_ms}|{item.ref}|{text}\n".encode("utf-8", "surrogatepass"))
        for segment in self.speech:
            digest.update(f"{segment.start_ms}|{segment.text}\n".encode("utf-8", "surrogatepass"))
        digest.update(str(self.room.started_at_ms).encode())
        return self.pseudonyms.of("session", self.room.platform, digest.hexdigest())[:16]

    def __iter__(self) -> Iterator[bytes]:
        number = 0
        for offset_ms, body in self._ordered():
            type_ = body.pop("type")
            if isinstance(body.get("text"), str) and len(body["text"]) > self.ledger.limits.text_chars:
                body["text"] = body["text"][: self.ledger.limits.text_chars]
                self.ledger.changed[f"text cut to {self.ledger.limits.text_chars} characters"] += 1
            head = {
                "type": type_, "id": f"{self.session_id}:{number}", "room_id": self.room.room_id,
                "at_ms": self.room.started_at_ms + offset_ms, "session_id": self.session_id,
            }  # fmt: skip
            try:
                line = orjson.dumps(head | body)
                _EVENT.decode(line)
            except (orjson.JSONEncodeError, msgspec.DecodeError) as error:
                if type_.startswith("room."):
                    raise ImportRefusedError(f"the room cannot be described: {error}") from error
                self.ledger.drop(f"{type_} that is no valid event")
                continue
            number += 1
            self.events[type_] += 1
            yield line

    def _ordered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(offset, body with `type`) of every event in order; heartbeats go between what happened."""
        descriptor = self._descriptor()
        chats = ((item.offset_ms, n, item) for n, item in enumerate(self.items()))
        said = ((s.end_ms, len(self._offsets) + n, n) for n, s in enumerate(self.speech))
        happened = merge(chats, said, key=lambda one: one[:2])
        yield 0, {"type": "room.opened"} | descriptor
        active, counts, beat_ms = deque[tuple[int, str]](), Counter[str](), HEARTBEAT_MS
        for offset_ms, n, what in chain(happened, [(self.span.length_ms, -1, -1)]):
            while beat_ms <= offset_ms:
                while active and active[0][0] < beat_ms - VIEWERS_SPAN_MS:
                    _, author = active.popleft()
                    counts[author] -= 1
                    if not counts[author]:
                        del counts[author]
                if not self._unrecorded(beat_ms):
                    yield (
                        beat_ms,
                        {"type": "room.heartbeat"} | descriptor | {"viewers": len(counts), "paused": False},
                    )
                beat_ms += HEARTBEAT_MS
            if n < 0:
                break
            if isinstance(what, int):
                yield offset_ms, self._speech_body(what)
                continue
            item = what
            if not isinstance(item, HostText):
                author = item.author or f"unknown\0{n}"
                active.append((offset_ms, author))
                counts[author] += 1
            yield offset_ms, self._chat_body(item, n)
        yield self.span.length_ms, {"type": "room.closed", "reason": "end of the recording"}

    def _unrecorded(self, at_ms: int) -> bool:
        """Whether no one recorded then; times come in order. A log without heartbeats is an outage, not silence."""
        while self.gaps and self.gaps[0][1] <= at_ms:
            self.gaps.popleft()
        return bool(self.gaps) and self.gaps[0][0] < at_ms

    def _descriptor(self) -> dict[str, Any]:
        room = self.room
        descriptor: dict[str, Any] = {
            "platform": room.platform, "region": room.region, "host_id": room.host_id,
            "started_at_ms": room.started_at_ms, "selling": room.selling,
        }  # fmt: skip
        if room.title:
            descriptor["title"] = room.title[: self.ledger.limits.text_chars]
        return descriptor

    def _speech_body(self, n: int) -> dict[str, Any]:
        segment, start_ms = self.speech[n], self.room.started_at_ms
        body = {
            "type": "host.speech", "segment_id": f"{self.session_id}:s{n}",
            "start_ms": start_ms + segment.start_ms, "end_ms": start_ms + segment.end_ms,
            "text": segment.text,
        }  # fmt: skip
        return body if segment.confidence is None else body | {"confidence": segment.confidence}

    def _chat_body(self, item: Item, n: int) -> dict[str, Any]:
        platform, of = self.room.platform, self.pseudonyms.of
        if isinstance(item, HostText):
            return {"type": "host.reply", "medium": "text"}
        if not item.author:
            self.ledger.changed["author unknown (a viewer id of its own)"] += 1
        viewer_id = of("viewer", platform, item.author or f"unknown\0{self.session_id}\0{n}")
        if isinstance(item, Gift):
            gift_id = item.gift[:64] or "gift"
            return {
                "type": "viewer.gift", "viewer_id": viewer_id, "gift_id": gift_id,
                "value": item.value, "currency": item.currency,
            }  # fmt: skip
        if isinstance(item, Deed):
            return self._deed_body(item, viewer_id)
        comment_id = of("comment", platform, item.ref) if item.ref else f"{self.session_id}:c{n}"
        return {"type": "viewer.comment", "comment_id": comment_id, "viewer_id": viewer_id, "text": item.text}

    def _deed_body(self, item: Deed, viewer_id: str) -> dict[str, Any]:
        if item.kind == "order":
            return {
                "type": "viewer.order", "viewer_id": viewer_id, "product_id": item.what[:64] or "unknown",
                "quantity": item.count, "value": 0, "currency": NO_CURRENCY,
            }  # fmt: skip
        body: dict[str, Any] = {"type": f"viewer.{item.kind}", "viewer_id": viewer_id}
        return body | {"count": item.count} if item.kind == "liked" else body
