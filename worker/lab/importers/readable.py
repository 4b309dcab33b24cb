"""The text of a recording, whatever its encoding, with what is broken in it repaired and counted.

One broken byte must not cost a file: it becomes U+FFFD, and the ledger counts its line. Encodings are told by
their mark, by zero bytes, by the XML declaration, else by the text: UTF-8 if most of it is, GB18030 if it reads
as Chinese. Anything else is refused with the place of the first byte that fits neither.
"""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from worker.lab.importers.limits import MIB, ImportRefusedError, open_bounded
from worker.lab.importers.recording import Ledger, Progress

HEAD_BYTES = MIB
LINE_BYTES = 65_536
SAID_BYTES = MIB
BROKEN_BYTES = "line with bytes that are no text (now U+FFFD)"
BROKEN_FEW, BROKEN_RATIO = 3, 0.2  # more broken lines than both mean another encoding
REPAIRED_JSON = "entry whose JSON was repaired"
NO_CHARACTER = "text of which no character is left"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_DECLARED = re.compile(rb"""\s{0,20}<\?xml[^>]{0,100}\sencoding\s?=\s?["']([A-Za-z0-9_.-]{1,20})["']""")
# Encodings that a declaration may name: supersets of ASCII, so that the declaration itself could be read.
_DECLARABLE = {
    "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030", "big5": "big5", "big5hkscs": "big5",
    "shift_jis": "cp932", "cp932": "cp932", "euc_jp": "euc_jp", "euc_kr": "cp949", "cp949": "cp949",
    "iso8859-1": "cp1252", "cp1252": "cp1252", "cp1251": "cp1251",
}  # fmt: skip
_PAIR = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能子那得着下过好多少钱吗么吧买没"
)

# A whole string (or one that the end cuts), or a word that is no JSON. Possessive, so that hostile text costs
# no more than one pass.
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[+-]?\b(?:nan(?:\(ind\)|\(snan\))?|inf(?:inity)?)(?![A-Za-z0-9_])', re.I | re.S
)
_FAULT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair: no fault
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
    rb"|\\(?:u[0-9a-fA-F]{4}|[\"\\/bfnrt])"  # a sound escape: no fault
    rb"|\\|[\x00-\x1f]"
)
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def encoding_of(head: bytes) -> tuple[str, int]:
    """(codec, length of the byte order mark) of a file that begins with `head`; "utf-8" if nothing fits."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    if wide := _wide(head[:4096]):
        return wide, 0
    sound = _decodes(head, "utf-8")
    declared = _declared(head)
    if declared is not None and (head.isascii() or not sound) and _decodes(head, declared):
        return declared, 0
    if sound:
        return "utf-8", 0
    text = head.decode("utf-8", "replace")
    broken = text.count(REPLACEMENT)
    foreign = sum(char > "\x7f" for char in text)
    return ("gb18030" if broken * 2 > foreign and _is_chinese(head) else "utf-8"), 0


def _wide(head: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, by where the zero bytes stand; empty if it is neither."""
    if len(head) < 8 or b"\0" not in head:
        return ""
    zeros = [head[at::4].count(0) / (len(head) / 4) for at in range(4)]
    if min(zeros[2:]) > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    if min(zeros[:2]) > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    even, odd = sorted((zeros[0], zeros[2])), sorted((zeros[1], zeros[3]))
    if odd[0] > 0.2 and even[1] < 0.02:
        return "utf-16-le"
    if even[0] > 0.2 and odd[1] < 0.02:
        return "utf-16-be"
    return ""


def _declared(head: bytes) -> str | None:
    found = _DECLARED.match(head)
    try:
        return _DECLARABLE.get(codecs.lookup(found[1].decode()).name) if found else None
    except LookupError:
        return None


def _decodes(head: bytes, name: str) -> bool:
    """Whether all of `head` is text of this encoding; its last character may be cut."""
    try:
        codecs.getincrementaldecoder(name)().decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(head: bytes) -> bool:
    """Whether `head` reads as Chinese in GB18030. That codec decodes almost anything, so the words must fit, too."""
    text = head.decode("gb18030", "replace")
    foreign = [char for char in text if char > "\x7f"]
    hanzi = [char for char in foreign if "\u4e00" <= char <= "\u9fff"]
    high = sum(byte > 0x7F for byte in head)
    return (
        text.count(REPLACEMENT) <= max(1, 0.02 * len(foreign))
        and len(hanzi) >= 0.5 * len(foreign) > 0
        and 2 * len(_PAIR.findall(head)) >= 0.9 * high
        and sum(char in _COMMON for char in hanzi) >= 0.05 * len(hanzi)
    )


class Lines:
    """The lines of a file as sound UTF-8, one at a time; `whole` says if the last one ended where its line does."""

    def __init__(self, path: Path, file: BinaryIO, ledger: Ledger, progress: Progress) -> None:
        self.path, self.ledger, self.progress = path, ledger, progress
        head = file.read(HEAD_BYTES)
        self.encoding, mark = encoding_of(head)
        file.seek(mark)
        self.whole = True
        self.count = self.broken = 0
        self.first_broken = 0  # the byte after `mark` where the first broken character stands, UTF-8 only
        self._unsaid = 0  # bytes read since the last word on progress
        self._held = b""
        self._file = file
        self._text: io.TextIOWrapper | None = None
        if self.encoding != "utf-8":
            self._text = io.TextIOWrapper(file, self.encoding, errors="replace", newline="\n")

    def readline(self, limit: int = LINE_BYTES) -> bytes:
        """The next line with its end, or at most `limit` bytes of it; empty at the end of the file."""
        data = self._wide_line(limit) if self._text is not None else self._line(limit)
        self.count += bool(data)
        self._unsaid += len(data)
        if self._unsaid >= SAID_BYTES or not data:
            self.progress(self._unsaid)
            self._unsaid = 0
        return data

    def pass_over(self, number: int, limit: int) -> None:
        """Read the rest of line `number`, which is longer than `limit` bytes, and count it as unreadable."""
        self.ledger.unreadable(number, f"longer than {limit} bytes")
        while not self.whole and self.readline(limit):
            pass

    def _line(self, limit: int) -> bytes:
        data = self._held + self._file.readline(max(8, limit - len(self._held)))
        self._held = b""
        self.whole = len(data) < limit or data.endswith(b"\n")
        if data.isascii():
            return data
        if not self.whole:
            data, self._held = _at_character(data)
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if not self.broken:
                self.first_broken = self._file.tell() - len(self._held) - len(data) + error.start
            self._count_broken()
            return data.decode("utf-8", "replace").encode()
        return data

    def _wide_line(self, limit: int) -> bytes:
        assert self._text is not None
        try:
            text = self._text.readline(max(8, limit // 4))
        except UnicodeError:  # the codec gives up, such as for half a character at the end
            text = REPLACEMENT if self.whole else ""
        self.whole = len(text) < limit // 4 or text.endswith("\n")
        if REPLACEMENT in text:
            self._count_broken()
        return text.encode("utf-8", "replace")

    def _count_broken(self) -> None:
        self.broken += 1
        self.ledger.changed[BROKEN_BYTES] += 1

    def check(self) -> None:
        """Refuse a file of which so much is broken that its encoding must be another. Call it after the last line."""
        if self.broken > max(BROKEN_FEW, BROKEN_RATIO * self.count):
            kind = self.encoding.upper()
            place = f"byte {self.first_broken} is not {kind}" if kind == "UTF-8" else f"it is not sound {kind}"
            also = ", and the text is not GB18030" if kind == "UTF-8" else ""
            raise ImportRefusedError(
                f"{self.path}: {place}{also} ({self.broken} of {self.count} lines are broken); "
                "find out its encoding and convert it to UTF-8 first"
            )


def _at_character(data: bytes) -> tuple[bytes, bytes]:
    """`data` cut before a last character that is not whole, and the rest."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return (data[:-back], data[-back:]) if size > back else (data, b"")
        if byte < 0x80:
            break
    return data, b""


@contextmanager
def open_lines(path: Path, max_bytes: int, option: str, ledger: Ledger, progress: Progress) -> Iterator[Lines]:
    """A bounded file's lines. Raises ImportRefusedError as `open_bounded` does."""
    with open_bounded(path, max_bytes, option) as file:
        yield Lines(path, file, ledger, progress)


def read_text(path: Path, max_bytes: int, option: str, ledger: Ledger, progress: Progress) -> str:
    """The whole text of a bounded file, repaired and without a byte order mark; ends of lines are as in the file.

    Raises:
        ImportRefusedError: as `open_bounded`, or so much is broken that the encoding must be another.
    """
    with open_lines(path, max_bytes, option, ledger, progress) as lines:
        parts = []
        while data := lines.readline():
            parts.append(data)
        lines.check()
    return b"".join(parts).decode()


def repaired_json(data: bytes) -> bytes:
    """`data` with what JSON forbids but writers write made sound; equal to `data` if nothing of it is there.

    Broken UTF-8 and half a surrogate pair become U+FFFD, control characters and unknown escapes in strings
    a space and a doubled backslash, NaN and infinities outside strings `null`.
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode("utf-8", "replace").encode()
    return _TOKEN.sub(_sound_token, data.removeprefix(codecs.BOM_UTF8))


def _sound_token(found: re.Match[bytes]) -> bytes:
    token = found[0]
    return _FAULT.sub(_sound_escape, token) if token.startswith(b'"') else b"null"


def _sound_escape(found: re.Match[bytes]) -> bytes:
    fault = found[0]
    if fault == b"\\":
        return b"\\\\"
    if fault < b" ":
        return b" "
    if len(fault) == 6 and _HALF.fullmatch(fault):
        return b"\\ufffd"
    return fault
