"""Elements of a large, possibly truncated and possibly hostile XML file, one at a time, in constant memory.

defusedxml refuses entity declarations and external references, which makes XML bombs; here, depth and text
are bounded too, and nothing is kept of an element once it has ended.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from worker.lab.importers.limits import ImportRefusedError, Limits, open_bounded
from worker.lab.importers.recording import Ledger, Progress

CHUNK_BYTES = 65_536
# Control characters are no XML, but viewers send them and recorders write them, raw or as references.
_CONTROL = bytes.maketrans(bytes([*range(9), 11, 12, *range(14, 32)]), b" " * 29)
_REFERENCE = re.compile(rb"&#(?:x0{0,8}(?:[0-8bcef]|1[0-9a-f])|0{0,8}(?:[0-8]|1[124-9]|2[0-9]|3[01]));", re.I)


@dataclass(frozen=True, slots=True)
class Element:
    """An element that ended: its own text (children's not included) and the line where it began, from 1."""

    tag: str
    attrs: dict[str, str]
    text: str
    line: int


class _Target:
    """What the parser calls; keeps a stack of open elements, at most `xml_depth` deep."""

    def __init__(self, limits: Limits, skip: frozenset[str], take: Callable[[Element], None]) -> None:
        self.limits, self.skip, self.take = limits, skip, take
        self.stack: list[tuple[str, dict[str, str], list[str], int]] = []
        self.text_chars = 0
        self.skipping = 0
        self.line: Callable[[], int] = lambda: 0

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        if self.skipping or tag in self.skip:
            self.skipping += 1
            return
        if len(self.stack) >= self.limits.xml_depth:
            raise ImportRefusedError(
                f"line {self.line()}: elements nest deeper than {self.limits.xml_depth} levels; no recorder does that"
            )
        self.stack.append((tag, attrs, [], self.line()))
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
        self.take(Element(name, attrs, "".join(text), line))

    def close(self) -> None:
        """The document is over."""


def read_elements(
    path: Path, ledger: Ledger, progress: Progress, skip: frozenset[str], take: Callable[[Element], None]
) -> None:
    """Calls `take` for every element that ended; `skip` names elements whose content is passed over.

    A file that just stops is accepted with a warning; one that stops being XML is accepted if it does so in
    its last part (`Limits.bad_ratio`).

    Raises:
        ImportRefusedError: too large, entities or external references, too deep, or broken early.
    """
    target = _Target(ledger.limits, skip, take)
    parser = DefusedXMLParser(target=target, encoding="utf-8")
    target.line = lambda: int(parser.parser.CurrentLineNumber)
    fed = 0
    with open_bounded(path, ledger.limits.chat_bytes, "--max-chat-mb") as file:
        size = path.stat().st_size
        try:
            while data := file.readline(CHUNK_BYTES):
                clean = _REFERENCE.sub(b" ", data.translate(_CONTROL))
                if clean != data:
                    ledger.changed["line with control characters (now spaces)"] += 1
                parser.feed(clean)
                fed += len(data)
                progress(len(data))
        except DefusedXmlException as error:
            raise ImportRefusedError(
                f"{path}: line {target.line()}: declares entities or external content; no recorder does that"
            ) from error
        except ParseError as error:
            line = error.position[0]
            if fed < (1 - ledger.limits.bad_ratio) * size:
                raise ImportRefusedError(
                    f"{path}: line {line} is no XML, and {1 - fed / size:.0%} of the file would be lost; "
                    "repair it first"
                ) from error
            ledger.unreadable(line, "is no XML; the file ends here")
            return
    try:
        parser.close()
    except ParseError:
        ledger.warnings.append("the file has no end: the recorder stopped abruptly, or still runs")
