"""Letters, digits, small letters and white space by tables of our own: Unicode 14 (`audit.tables.unicode_14`).

`str.lower`, `str.strip`, `\\w`, `\\d`, `\\s` and `\\b` ask the interpreter's tables, which are newer in each version of
Python. Two workers could then read one text differently. Patterns over text from outside use the classes of this module
and `re.ASCII`, so that `re` itself knows ASCII alone.
"""

import re
from collections.abc import Iterator

from worker.audit.tables import unicode_14

_FAR = 0x10000  # beyond the basic plane: letters are few there, and regular expressions are slow to look for them
_GAP = 0x800


def _ranges(table: str) -> Iterator[tuple[int, int]]:
    for span in table.split():
        first, _, last = span.partition("-")
        yield int(first, 16), int(last or first, 16)


def _class(ranges: list[tuple[int, int]]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def _capitals() -> Iterator[tuple[str, str]]:
    for word in unicode_14.CAPITALS.split():
        span, _, way = word.partition(":")
        ends, _, step = span.partition("/")
        for first, last in _ranges(ends):
            for code in range(first, last + 1, int(step or "1")):
                yield chr(code), chr(code + int(way, 16))


def _clusters(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges with gaps of fewer than `_GAP` closed."""
    found = ranges[:1]
    for first, last in ranges[1:]:
        if first - found[-1][1] < _GAP:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


_SMALL = dict(_capitals())
_NEAR = [span for span in _ranges(unicode_14.LETTERS) if span[0] < _FAR]
_BEYOND = [span for span in _ranges(unicode_14.LETTERS) if span[0] >= _FAR]

WORD = _class([*_NEAR, *_BEYOND]) + "_"
"""Letters, digits and `_`, as the inside of a class: what `\\w` finds."""
DIGITS = _class(list(_ranges(unicode_14.DIGITS)))
SPACES = "".join(chr(code) for first, last in _ranges(unicode_14.SPACES) for code in range(first, last + 1))
"""White space: the inside of a class, and what `str.strip` may be given."""

# Emoji lie in a gap between clusters, so the first pattern takes them away; the rest waits for the slow one.
_NO_LETTERS = re.compile(f"[^{_class([*_NEAR, *_clusters(_BEYOND)])}]+")
_NO_LETTERS_BEYOND = re.compile(f"[^\0-\uffff{_class(_BEYOND)}]+")
_RARE = "".join(c for c in _SMALL if ord(c) < _FAR) + "\U00010000-\U0010ffff"
_SELDOM, _SOMETIMES = re.compile(f"[{_RARE}]"), re.compile(f"[A-Z{_RARE}]")


def letters(text: str) -> str:
    """Its letters and digits, in small letters, without what stands between them."""
    kept = _NO_LETTERS.sub("", text)
    if _SOMETIMES.search(kept) is None:
        return kept
    if _SELDOM.search(kept) is not None:
        kept = _NO_LETTERS_BEYOND.sub("", kept)
        kept = "".join([_SMALL.get(character, character) for character in kept])
    return kept.encode().lower().decode()  # of bytes, `lower` knows ASCII alone


def ascii_lower(text: str) -> str:
    """The text with A to Z in small letters, and nothing else changed."""
    return text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")


def no_word_before(word: str = "") -> str:
    """A pattern of no width that holds where neither a letter, a digit nor `_` stands before `word`, just matched."""
    return f"(?<!(?-i:[{WORD}]){word})"


NO_WORD_AFTER = f"(?-i:(?![{WORD}]))"
"""A pattern of no width that holds where neither a letter, a digit nor `_` follows."""


def whole_word(words: str) -> str:
    """A pattern of `words` with neither a letter, a digit nor `_` beside them, as `\\b(?:words)\\b`."""
    return f"{no_word_before()}(?:{words}){NO_WORD_AFTER}"
