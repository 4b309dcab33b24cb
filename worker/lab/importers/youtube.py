"""yt-dlp's `live_chat.json`: one JSON object per line, despite the name; recorded from a replay or captured
live.

A replay carries the offset inside `replayChatItemAction`; a live capture at top level, counted from the
download's start and therefore negative for the backlog. Tickers repeat paid messages. Messages deleted by a
moderator are retracted: the viewers of the room no longer saw them either.
"""

import re
from array import array
from pathlib import Path
from statistics import median_low

import msgspec
from msgspec import Raw, Struct

from worker.lab.importers.clocks import NEIGHBOURS, STEP_MS, middle_of, outliers, steps
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.money import parse_amount
from worker.lab.importers.readable import REPAIRED_JSON, open_lines, repaired_json
from worker.lab.importers.recording import (
    BEFORE,
    DUPLICATE,
    NO_CURRENCY,
    NO_TEXT,
    Chat,
    Comment,
    Gift,
    HostText,
    Item,
    Ledger,
    Progress,
)
from worker.lab.importers.spool import Seen, Spool, held

WRONG_PLACE = "message far from its neighbours (placed by its sending time)"
WAITING_ROOM_MS = 5_000  # replays give every message of the waiting room the offset 0


class _Emoji(Struct, rename="camel"):
    emoji_id: str = ""
    shortcuts: list[str] = []


class _Run(Struct, rename="camel"):
    text: str | None = None
    emoji: _Emoji | None = None


class _Text(Struct, rename="camel"):
    simple_text: str | None = None
    runs: list[_Run] = []

    def plain(self) -> str:
        parts = []
        for run in self.runs:
            if run.text:
                parts.append(run.text)
            elif run.emoji is not None:
                own = len(run.emoji.emoji_id) > 8  # a channel's own emoji: its id is no character
                parts.append(run.emoji.shortcuts[0] if own and run.emoji.shortcuts else run.emoji.emoji_id)
        return (self.simple_text or "".join(parts)).strip()


class _Icon(Struct, rename="camel"):
    icon_type: str = ""


class _BadgeRenderer(Struct, rename="camel"):
    icon: _Icon | None = None


class _Badge(Struct, rename="camel"):
    live_chat_author_badge_renderer: _BadgeRenderer | None = None


class _Renderer(Struct, rename="camel"):
    id: str = ""
    timestamp_usec: str | int = 0
    author_external_channel_id: str = ""
    author_badges: list[_Badge] = []
    message: _Text | None = None
    purchase_amount_text: _Text | None = None
    header_primary_text: _Text | None = None

    def by_owner(self) -> bool:
        renderers = (badge.live_chat_author_badge_renderer for badge in self.author_badges)
        return any(r is not None and r.icon is not None and r.icon.icon_type == "OWNER" for r in renderers)


class _Add(Struct, rename="camel"):
    item: dict[str, Raw] = {}


class _Replace(Struct, rename="camel"):
    replacement_item: dict[str, Raw] = {}


class _Target(Struct, rename="camel"):
    target_item_id: str = ""
    external_channel_id: str = ""


class _Ticker(Struct):
    """Present or not; nothing in it is read."""


class _Action(Struct, rename="camel"):
    add_chat_item_action: _Add | None = None
    replace_chat_item_action: _Replace | None = None
    add_live_chat_ticker_item_action: _Ticker | None = None
    mark_chat_item_as_deleted_action: _Target | None = None
    mark_chat_items_by_author_as_deleted_action: _Target | None = None
    remove_chat_item_action: _Target | None = None
    remove_chat_item_by_author_action: _Target | None = None


class _Replay(Struct, rename="camel"):
    actions: list[_Action] = []
    video_offset_time_msec: str | int | None = None


class _Line(Struct, rename="camel"):
    replay_chat_item_action: _Replay | None = None
    video_offset_time_msec: str | int | None = None


_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]")
_LINE = msgspec.json.Decoder(_Line)
_RENDERER = msgspec.json.Decoder(_Renderer)
_PAID = {"liveChatPaidMessageRenderer": "super_chat", "liveChatPaidStickerRenderer": "super_sticker"}
_SILENT = {
    "liveChatViewerEngagementMessageRenderer": "platform notice",
    "liveChatPlaceholderItemRenderer": "placeholder",
    "liveChatModeChangeMessageRenderer": "platform notice",
    "liveChatSponsorshipsGiftRedemptionAnnouncementRenderer": "membership received (the purchase counts)",
}


class _Pending(Struct, array_like=True, gc=False):
    item: Item
    line: int


class _Reader:
    def __init__(self, ledger: Ledger) -> None:
        self.chat = Chat("youtube", ledger)
        self.read = 0
        self.pending = Spool[_Pending](_Pending)
        self.places = array("q")  # of the pending items, ms
        self.sent = array("q")  # when they were sent (Unix ms, 0 = unknown)
        self.starts = array("q")
        self.deleted: set[str] = set()
        self.deleted_authors: dict[str, int] = {}  # channel → line of its latest deletion
        self.seen = Seen()

    def line(self, data: bytes, number: int) -> None:
        ledger = self.chat.ledger
        try:
            line = self.decoded(data)
            replay = line.replay_chat_item_action
            if replay is None:
                self.read += 1
                ledger.drop("line without a chat message")
                return
            raw = replay.video_offset_time_msec
            offset = line.video_offset_time_msec if raw is None else raw
            if offset is None:
                ledger.unreadable(number, "no videoOffsetTimeMsec")
                return
            for action in replay.actions:
                self.action(action, held(int(offset)), number)
        except msgspec.DecodeError as error:
            # The library's message names the place, never the content.
            ledger.unreadable(number, str(error))
        except RecursionError:
            ledger.unreadable(number, "nests too deep")
        except (ValueError, OverflowError):
            ledger.unreadable(number, "a time is no number")
        else:
            self.read += 1

    def decoded(self, data: bytes) -> _Line:
        """The line, repaired if need be. Raises msgspec.DecodeError, RecursionError."""
        # Renderers are decoded later, so half a surrogate pair in one is looked for here.
        if _HALF.search(data) is None:
            try:
                return _LINE.decode(data)
            except msgspec.DecodeError:
                pass
        repaired = repaired_json(data)
        line = _LINE.decode(repaired)
        if repaired != data:
            self.chat.ledger.changed[REPAIRED_JSON] += 1
        return line

    def action(self, action: _Action, offset_ms: int, line: int) -> None:
        single = action.mark_chat_item_as_deleted_action or action.remove_chat_item_action
        whole = action.mark_chat_items_by_author_as_deleted_action or action.remove_chat_item_by_author_action
        if action.add_chat_item_action is not None:
            self.item(action.add_chat_item_action.item, offset_ms, line)
        elif action.replace_chat_item_action is not None:
            self.item(action.replace_chat_item_action.replacement_item, offset_ms, line)
        elif action.add_live_chat_ticker_item_action is not None:
            self.chat.ledger.drop("ticker (repeats a paid message)")
        elif single is not None:
            self.deleted.add(single.target_item_id)
        elif whole is not None:
            self.deleted_authors[whole.external_channel_id] = line
        else:
            self.chat.ledger.drop("action that is no message")

    def item(self, item: dict[str, Raw], offset_ms: int, line: int) -> None:
        ledger = self.chat.ledger
        for kind, raw in item.items():
            if kind in _SILENT:
                ledger.drop(_SILENT[kind])
                continue
            renderer = _RENDERER.decode(raw)
            sent_ms = held(int(renderer.timestamp_usec) // 1_000)
            if renderer.id and self.seen.again(renderer.id):
                ledger.drop(DUPLICATE)
                continue
            if sent_ms > 0 and offset_ms != 0:
                self.starts.append(sent_ms - offset_ms)
            items = self.meaning(kind, renderer, offset_ms)
            if not items:
                known = kind in ("liveChatTextMessageRenderer", "liveChatMembershipItemRenderer")
                ledger.drop(NO_TEXT if known else "kind of message that the room log has no event for")
            for it in items:
                if len(self.sent) >= ledger.limits.items:
                    raise ImportRefusedError(
                        f"more than {len(self.sent)} chat entries; raise the limit with --max-items"
                    )
                self.pending.append(_Pending(it, line))
                self.places.append(offset_ms)
                self.sent.append(sent_ms)

    def meaning(self, kind: str, renderer: _Renderer, offset_ms: int) -> list[Item]:
        author = renderer.author_external_channel_id
        text = renderer.message.plain() if renderer.message is not None else ""
        comment = [Comment(offset_ms, author, text, renderer.id)] if text else []
        if renderer.by_owner():
            self.chat.host = author
            return [HostText(offset_ms, renderer.id)]
        if kind in _PAID:
            amount = renderer.purchase_amount_text
            value, currency = parse_amount(amount.plain() if amount is not None else "")
            if currency == NO_CURRENCY:
                self.chat.ledger.changed["gift without a readable price (value 0, currency XXX)"] += 1
            return [Gift(offset_ms, author, _PAID[kind], value, currency, renderer.id), *comment]
        if kind == "liveChatTextMessageRenderer":
            return [*comment]
        if kind == "liveChatMembershipItemRenderer":
            if renderer.header_primary_text is not None:  # a milestone: a member for some months speaks
                return [*comment]
            return [Gift(offset_ms, author, "membership", ref=renderer.id)]
        if kind == "liveChatSponsorshipsGiftPurchaseAnnouncementRenderer":
            return [Gift(offset_ms, author, "membership_gift", ref=renderer.id)]
        return []

    def timed(self) -> "array[int]":
        """The positions of the items that have both clocks."""
        return array("q", (at for at, sent in enumerate(self.sent) if sent > 0 and self.places[at] != 0))

    def distrust(self, start: int) -> None:
        """Place by its sending time what stands far from its neighbours in the video, but was sent among them."""
        timed = self.timed()
        for wrong in outliers(array("q", (self.sent[at] - self.places[at] for at in timed)), start):
            near, at = timed[max(0, wrong - NEIGHBOURS) : wrong + NEIGHBOURS + 1], timed[wrong]
            if abs(self.sent[at] - median_low(self.sent[other] for other in near)) < abs(
                self.places[at] - median_low(self.places[other] for other in near)
            ):
                self.places[at] = self.sent[at] - start
                self.chat.ledger.changed[WRONG_PLACE] += 1

    def restarts(self) -> int | None:
        """When the first capture began (Unix ms), if the file holds several: later ones are moved to their place.

        A capture that is started again counts its offsets from its own start, so they fall back while the
        sending times go on. An offset that goes on while sending times jump is a video that was cut: it stays.
        """
        timed = self.timed()
        starts = array("q", (self.sent[at] - self.places[at] for at in timed))
        begun = [
            at for at in steps(starts)
            if at and self.places[timed[at]] < self.places[timed[at - 1]] - STEP_MS and starts[at] > starts[at - 1]
        ]  # fmt: skip
        if not begun:
            return None
        first, before, seen = median_low(starts[: begun[0]]), 0, 0
        for at, until in zip(begun, [*begun[1:], len(timed)], strict=True):
            start, of = timed[at], median_low(starts[at:until]) - first
            while start > timed[at - 1] + 1 and self.places[start - 1] == 0:
                start -= 1
            before = max(before, *self.places[seen:start])
            seen = start
            for place in range(start, timed[until] if until < len(timed) else len(self.sent)):
                sent = self.sent[place]
                self.places[place] = sent - first if sent > 0 else self.places[place] + of
            if of > before:
                self.chat.gaps.append((before, of))
        self.chat.ledger.warnings.append(
            f"the capture was started again {len(begun)} times: offsets that began again were put right by sending "
            f"times; {sum(end - at for at, end in self.chat.gaps) / 60_000:.1f} min between were not recorded"
        )
        return first

    def finish(self) -> Chat:
        chat, start = self.chat, middle_of(self.starts) if self.starts else None
        if start is not None:
            restarted = self.restarts()
            start = start if restarted is None else restarted
            self.distrust(start)
        chat.started_at_ms = start
        for pending, offset, sent_ms in zip(self.pending, self.places, self.sent, strict=True):
            item, line = pending.item, pending.line
            item.offset_ms = offset
            banned_at = None if isinstance(item, HostText) else self.deleted_authors.get(item.author)
            if item.ref in self.deleted or (banned_at is not None and line <= banned_at):
                chat.ledger.drop("retracted by a moderator")
            elif item.offset_ms == 0 and start and 0 < sent_ms < start - WAITING_ROOM_MS:
                chat.ledger.drop(BEFORE)
            else:
                chat.add(item, line)
        return chat


def read_yt_dlp(path: Path, ledger: Ledger, progress: Progress) -> Chat:
    """Reads a replay or live capture; a last line cut short is accepted with a warning.

    Raises:
        ImportRefusedError: too large, or too many unreadable lines.
    """
    reader, bad_before, limits = _Reader(ledger), ledger.bad, ledger.limits
    with open_lines(path, limits.chat_bytes, "--max-chat-mb", ledger, progress) as lines:
        number = 0
        while data := lines.readline(limits.line_bytes):
            number += 1
            if not lines.whole:
                lines.pass_over(number, limits.line_bytes)
            elif not data.endswith(b"\n") and not _is_json(data):
                ledger.warnings.append(f"line {number}, the last, is cut short: the capture ended abruptly")
            elif data.strip():
                reader.line(data, number)
        lines.check()
    ledger.check(path, bad_before, reader.read)
    return reader.finish()


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
