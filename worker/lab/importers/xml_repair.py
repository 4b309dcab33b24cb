"""Repairs of XML that writers give out as XML: forbidden characters, bare ampersands, markup within text."""

import html
import re
import unicodedata
from html.entities import html5

from worker.lab.importers.readable import REPLACEMENT

CONTROLS = "line with control characters (now spaces)"
CHARACTERS = "line with characters that XML forbids (now U+FFFD)"
AMPERSANDS = "line with a bare & or an undeclared entity (now text)"
LENIENT_BYTES = 8_192  # a longer element is not repaired

# Control characters are no XML, but viewers send them and recorders write them, raw or as references.
_CONTROL = bytes.maketrans(bytes([*range(9), 11, 12, *range(14, 32)]), b" " * 29)
_NONCHARACTER = re.compile(b"\xef\xbf[\xbe\xbf]")  # U+FFFE and U+FFFF
_AMPERSAND = re.compile(
    rb"&(?!(?:amp|lt|gt|quot|apos);)"
    rb"(?:#x0{0,8}(d[89ab][0-9a-f]{2});&#x0{0,8}(d[c-f][0-9a-f]{2});"  # a surrogate pair in two halves
    rb"|#x([0-9a-f]{1,8});|#([0-9]{1,10});|([a-z][a-z0-9]{1,31};))?",
    re.I,
)
_ELEMENT = re.compile(rb"\s{0,200}<([a-z]{1,10})\s+(.*?\")\s{0,8}>(.*)</\1>\s*(?:</i>\s*)?", re.S)
_ATTRIBUTE = re.compile(r"([A-Za-z_]\w{0,30})=\"(.{0,500}?)\"(?=\s{1,8}[A-Za-z_]\w{0,30}=\"|\s{0,8}$)", re.S)


def sound(data: bytes) -> tuple[bytes, list[str]]:
    """`data` (UTF-8) without characters and references that XML forbids, and what was changed."""
    clean = data.translate(_CONTROL)
    faults = {CONTROLS} if clean != data else set[str]()
    if b"\xef\xbf" in clean:
        clean, count = _NONCHARACTER.subn(REPLACEMENT.encode(), clean)
        if count:
            faults.add(CHARACTERS)
    if b"&" in clean:
        clean = _AMPERSAND.sub(lambda found: _reference(found, faults), clean)
    return clean, sorted(faults)


def _reference(found: re.Match[bytes], faults: set[str]) -> bytes:
    """The reference itself if XML takes it, else what stands for it."""
    high, low, hexadecimal, decimal, name = found.groups()
    if high is not None:
        faults.add(CHARACTERS)
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00).encode()
    if name is not None and (text := html5.get(name.decode())) is not None:
        faults.add(AMPERSANDS)
        return html.escape(text).encode()
    if hexadecimal is None and decimal is None:
        faults.add(AMPERSANDS)
        return b"&amp;" + found[0][1:]
    code = int(hexadecimal, 16) if hexadecimal is not None else int(decimal)
    if code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000:
        return found[0]
    faults.add(CONTROLS if code < 0x20 else CHARACTERS)
    return b" " if code < 0x20 else REPLACEMENT.encode()


def lenient(part: bytes) -> tuple[str, dict[str, str], str] | None:
    """(tag, attributes, text) of one element whose writer escaped neither text nor attributes; None if it is none.

    The tag ends at the first `">`; an attribute ends where the next one begins.
    """
    found = _ELEMENT.fullmatch(part) if len(part) <= LENIENT_BYTES else None
    if found is None:
        return None
    attrs = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(found[2].decode())}
    return found[1].decode(), attrs, html.unescape(found[3].decode())


def described(part: bytes, at: int) -> str:
    """Which character of a line is no XML, and where."""
    text = part[max(0, at) :].decode("utf-8", "replace")
    column = len(part[: max(0, at)].decode("utf-8", "replace")) + 1
    if not text or text[0] == "\n":
        return f"is no XML at column {column}, the end of the line"
    return f"is no XML at column {column}, character U+{ord(text[0]):04X} {unicodedata.name(text[0], '')}".rstrip()
