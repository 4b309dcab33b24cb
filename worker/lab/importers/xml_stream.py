"""Elements of a large, possibly broken and possibly hostile XML file, one at a time, in constant memory.

defusedxml refuses entity declarations and external references, which makes XML bombs; here, depth and text
are bounded too, and nothing is kept of an element once it has ended. A parser cannot go on after an error, so
the file is fed by lines: after a broken one a new parser takes over, and that line alone is repaired or lost.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from worker.lab.importers.limits import ImportRefusedError, Limits
from worker.lab.importers.readable import open_lines
from worker.lab.importers.recording import Ledger, Progress
from worker.lab.importers.xml_repair import described, lenient, sound

CHUNK_BYTES = 65_536
MARKUP = "line whose markup was repaired"
NO_END = "the element has no end"
NO_ELEMENT = re.compile(
    rb"\s*(?:</?i>|<\?xml[^>]*\?>|\s)*\s*"
)  # a root or a declaration in the wrong place loses nothing


class Element(NamedTuple):
    """An element that ended: its own text (children's not included) and the line where it began, from 1."""

    tag: str
    attrs: dict[str, str]
    text: str
    line: int


class _UnendedError(Exception):
    """An entry begins within another, or where the parser sees no markup: something before it has no end."""


class _Target:
    """What the parser calls; keeps a stack of open elements, at most `xml_depth` deep."""

    def __init__(self, limits: Limits, skip: frozenset[str], entries: frozenset[str]) -> None:
        self.limits, self.skip, self.entries = limits, skip, entries
        self.line = 1
        self.ready: list[Element] = []
        self.reset()

    def reset(self) -> None:
        self.stack: list[tuple[str, dict[str, str], list[str], int]] = []
        self.text_chars = self.skipping = 0
        self.entry_line = 0  # where the entry began that is still open
        self.started = 0

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        self.started += 1
        if self.skipping or tag in self.skip:
            self.skipping += 1
            return
        if len(self.stack) >= self.limits.xml_depth:
            raise ImportRefusedError(
                f"line {self.line}: elements nest deeper than {self.limits.xml_depth} levels; no recorder does that"
            )
        if tag in self.entries:
            if self.entry_line:
                raise _UnendedError
            self.entry_line = self.line
        self.stack.append((tag, attrs, [], self.line))
        self.text_chars = 0

    def data(self, text: str) -> None:
        # One character more than fits, so that whoever cuts the text sees that it was longer.
        room = self.limits.text_chars + 1 - self.text_chars
        if self.stack and not self.skipping and room > 0:
            self.stack[-1][2].append(text[:room])
            self.text_chars += len(text[:room])

    def end(self, tag: str) -> None:
        if self.skipping:
            self.skipping -= 1
            return
        name, attrs, text, line = self.stack.pop()
        self.text_chars = 0
        if tag in self.entries:
            self.entry_line = 0
        self.ready.append(Element(name, attrs, "".join(text), line))

    def close(self) -> None:
        """The document is over."""


def _parser(target: _Target) -> DefusedXMLParser:
    """A parser that refuses declarations as defusedxml does, and calls `target` without a detour."""
    parser = DefusedXMLParser(target=target, encoding="utf-8")
    handlers = {
        "ordered_attributes": False, "StartElementHandler": target.start, "EndElementHandler": target.end,
        "CharacterDataHandler": target.data,
    }  # fmt: skip
    for name, handler in handlers.items():
        setattr(parser.parser, name, handler)
    return parser


class _Feeder:
    """Feeds a parser piece by piece. What a piece gives is taken when all of it was sound, else piece by piece."""

    def __init__(self, path: Path, ledger: Ledger, target: _Target, take: Callable[[Element], None]) -> None:
        self.path, self.ledger, self.target, self.take = path, ledger, target, take
        self.parser = _parser(target)
        names = b"|".join(sorted(tag.encode() for tag in target.entries))
        self.entry = re.compile(rb"\s{0,200}<(?:" + names + rb")\s+[a-z]+=")
        self.each = re.compile(rb"(?=<(?:" + names + rb")[\s/>])")
        self.skip_end = re.compile(b"</(?:" + b"|".join(sorted(tag.encode() for tag in target.skip)) + b")>")
        self.passing = False  # over the rest of a broken element that is to be skipped
        self.base = 0  # bytes fed to this parser before the piece

    def feed(self, data: bytes) -> None:
        piece, faults = sound(data)
        for fault in faults:
            self.ledger.changed[fault] += 1
        if self.passing:
            ended = self.skip_end.search(piece)
            self.passing = ended is None and not self.entry.match(piece)
            if self.passing:
                return
            piece = piece[ended.end() :] if ended else piece
        if b"<!" in piece:
            piece = self._closed(piece)
        before, skipping = self.target.entry_line, self.target.skipping
        if not self._parse(piece):
            self._recover(piece, before, skipping)

    def _closed(self, piece: bytes) -> bytes:
        """`piece` without the beginning of a comment or CDATA that has no end before the next entry begins."""
        for opening, ending in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>")):
            at = piece.rfind(opening)
            if at >= 0 and piece.find(ending, at) < 0 and self.each.search(piece, at):
                self.ledger.changed[MARKUP] += 1
                piece = piece[:at] + piece[at + len(opening) :]
        return piece

    def _parse(self, piece: bytes) -> bool:
        """Whether the piece was sound; if so, its elements are taken."""
        target, started = self.target, self.target.started
        self.error: ParseError | None = None
        try:
            self.parser.feed(piece)
            swallowed = target.started == started or target.skipping > 0
            if swallowed and b">" in piece and self.entry.match(piece):
                raise _UnendedError
        except DefusedXmlException as error:
            raise ImportRefusedError(
                f"{self.path}: line {target.line}: declares entities or external content; no recorder does that"
            ) from error
        except (ParseError, _UnendedError) as error:
            self.error = error if isinstance(error, ParseError) else None
            target.ready.clear()
            return False
        self.base += len(piece)
        for element in target.ready:
            self.take(element)
        target.ready.clear()
        return True

    def _recover(self, piece: bytes, open_line: int, skipping: int) -> None:
        """Read each entry of a broken piece by a parser of its own; what is still broken is repaired or counted."""
        if skipping and not self.entry.match(piece):
            self._restart()
            self.passing = True
            return
        if open_line:
            self.ledger.unreadable(open_line, NO_END)
        self._restart()
        for part in self.each.split(piece):
            if self.target.entry_line:
                self.ledger.unreadable(self.target.line, NO_END)
                self._restart()
            if self._parse(part):
                continue
            why = self._why(part)
            self._restart()
            if (found := lenient(part)) is not None:
                self.ledger.changed[MARKUP] += 1
                self.take(Element(*found, self.target.line))
            elif not NO_ELEMENT.fullmatch(part):
                self.ledger.unreadable(self.target.line, why)

    def _why(self, part: bytes) -> str:
        if self.error is None:
            return NO_END
        return described(part, self.parser.parser.ErrorByteIndex - self.base)

    def _restart(self) -> None:
        self.target.reset()
        self.parser = _parser(self.target)
        self.parser.feed(b"<i>")
        self.base = 3

    def close(self) -> None:
        try:
            self.parser.close()
        except ParseError:
            self.ledger.warnings.append("the file has no end: the recorder stopped abruptly, or still runs")
        except _UnendedError:
            self.ledger.unreadable(self.target.line, NO_END)


def read_elements(
    path: Path,
    ledger: Ledger,
    progress: Progress,
    *,
    skip: frozenset[str],
    entries: frozenset[str],
    take: Callable[[Element], None],
    max_bytes: int | None = None,
    option: str = "--max-chat-mb",
) -> None:
    """Calls `take` for every element that ended; `skip` names elements whose content is passed over.

    `entries` names those that hold a message: they do not nest, and a broken one costs itself only. A file
    that just stops is accepted with a warning. `option` raises the limit of `max_bytes`, else that of chats.

    Raises:
        ImportRefusedError: too large, entities or external references, too deep, or no text.
    """
    target = _Target(ledger.limits, skip, entries)
    feeder = _Feeder(path, ledger, target, take)
    held = b""
    limit = ledger.limits.chat_bytes if max_bytes is None else max_bytes
    with open_lines(path, limit, option, ledger, progress) as lines:
        while data := lines.readline(CHUNK_BYTES):
            data, held = held + data, b""
            if not lines.whole and (at := data.rfind(b"<")) > 0:
                data, held = data[:at], data[at:]
            feeder.feed(data)
            target.line += data.endswith(b"\n")
        if held:
            feeder.feed(held)
        lines.check()
    feeder.close()
