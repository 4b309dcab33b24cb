"""JSON that need not be whole: find a list by its path, then decode one entry at a time.

A decoder of whole files loses a transcript to one NaN, one broken byte or one lost bracket. Here brackets are
matched with strings in mind, each entry is decoded alone, and after a bad one reading goes on at the next
entry that begins with the same key. No tree of the file is built: memory is the text and one entry.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BROKEN = "\ufffd"
KEYS_MAX = 1_000  # keys of one object that are looked at
ENTRY_CHARS = 1 << 18  # an entry longer than this is not repaired
TRIES = 2_000  # places that may be the next entry
_GAP = re.compile(r"[\s,\0\ufeff]*+")
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_SCALAR = re.compile(r'[^,\]}\s"\[{]*+')
_KEY = re.compile(r'"([^"\\\n]{0,64})"\s{0,100}:\s{0,100}')
_FIRST_KEY = re.compile(r'\{\s{0,100}"([^"\\\n]{1,64})"\s{0,100}:')
_FAULT = re.compile(
    r'("[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))|(?<![\w"])[+-]?(?:nan|inf(?:inity)?)(?:\([a-z0-9]{0,20}\))?(?!\w)',
    re.DOTALL | re.IGNORECASE,
)
_BAD_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9A-Fa-f]{4})|)')


@dataclass(frozen=True, slots=True)
class Bad:
    """An entry that was not understood; `at` counts characters from the start of the text."""

    at: int
    why: str


class Walk:
    """Steps over `text`. `numbers` counts values such as NaN that became None, `escapes` repaired backslashes,
    `cut` says that the text ended within a value, which only the `last` text of a file can.
    """

    def __init__(self, text: str, *, last: bool = True) -> None:
        self.text, self.last = text, last
        self.numbers = self.escapes = self.passed_over = 0
        self.cut = False
        self._budget = 4 * len(text) + ENTRY_CHARS  # characters that repairs may still look at
        self._decoder = json.JSONDecoder(strict=False, parse_constant=self._no_number)

    def _no_number(self, _: str) -> None:
        self.numbers += 1

    def gap(self, at: int) -> int:
        """The first place from `at` on that is neither space nor comma."""
        found = _GAP.match(self.text, at)
        return found.end() if found else at

    def skip(self, at: int, most: int | None = None) -> int:
        """The end of the value at `at`, or of the text if the value has none; looks at `most` characters."""
        first = self.text[at : at + 1]
        if first == '"':
            found = _STRING.match(self.text, at)
            return found.end() if found else len(self.text)
        if first not in ("{", "["):
            found = _SCALAR.match(self.text, at)
            return found.end() if found else at
        depth = 0
        stop = len(self.text) if most is None else min(len(self.text), at + most)
        for token in _BRACKET.finditer(self.text, at, stop):
            kind = self.text[token.start()]
            if kind in "{[":
                depth += 1
            elif kind in "}]":
                depth -= 1
                if depth == 0:
                    return token.end()
        return stop

    def members(self, at: int, most: int = KEYS_MAX) -> Iterator[tuple[str, int]]:
        """(key, place of its value) of the object at `at`, `most` of them; after damage it goes on at the next key."""
        if self.text[at : at + 1] != "{":
            return
        at += 1
        for _ in range(most):
            at = self.gap(at)
            if self.text[at : at + 1] == "}":
                return
            found = _KEY.match(self.text, at) or _KEY.search(self.text, at)
            if not found:
                return
            yield found[1], found.end()
            at = self.skip(found.end())

    def keys(self, at: int) -> set[str]:
        """The keys of the object at `at`; none if there is no object."""
        return {key for key, _ in self.members(at)}

    def elements(self, at: int) -> Iterator[int]:
        """The places of the values in the list at `at`."""
        if self.text[at : at + 1] != "[":
            return
        at = self.gap(at + 1)
        while at < len(self.text) and self.text[at] not in "]}":
            yield at
            at = self.gap(max(at + 1, self.skip(at)))

    def find(self, at: int, path: tuple[str, ...]) -> Iterator[int]:
        """The places that `path` leads to: keys, `*` for every value of an object, `[]` for every value of a
        list, `[0]` for its first alone.
        """
        if not path:
            yield at
            return
        step, rest = path[0], path[1:]
        if step == "[0]":
            for number, place in enumerate(self.elements(at)):
                if number == 0:
                    yield from self.find(place, rest)
                else:
                    self.passed_over += 1
        elif step == "*":
            for _, place in self.members(at, len(self.text)):
                yield from self.find(place, rest)
        elif step == "[]":
            for place in self.elements(at):
                yield from self.find(place, rest)
        else:
            for key, place in self.members(at):
                if key == step:
                    yield from self.find(place, rest)
                    return

    def entries(self, at: int) -> Iterator[dict[str, Any] | Bad]:
        """The objects of the list at `at`, or the object there; a bad one costs itself."""
        if self.text[at : at + 1] == "{":
            value, _ = self.decode(at)
            if self.last and isinstance(value, Bad) and self.skip(at) >= len(self.text):
                self.cut = True
            elif isinstance(value, dict | Bad):
                yield value
            return
        at, mark, common = at + 1, "", set[str]()
        while True:
            at = self.gap(at)
            if at >= len(self.text):
                self.cut = True
                return
            if self.text[at] in "]}":
                return
            value, end = self.decode(at)
            if isinstance(value, Bad):
                value, end, found = self._after(at, value, mark, common)
                if not found:
                    if isinstance(value, Bad):
                        yield value
                    return
                yield found
            if isinstance(value, dict):
                if not mark and (first := _FIRST_KEY.match(self.text, at)):
                    mark, common = first[1], set(value)
                common &= value.keys()
                yield value
            else:
                yield Bad(at, "is no object")
            at = end

    def _after(self, at: int, bad: Bad, mark: str, common: set[str]) -> tuple[Any, int, Bad | None]:
        """(next entry, its end, `bad`) after the bad entry at `at`, or (`bad` or None if the text was cut, 0, None).

        Objects within the bad entry may begin with the same key, but they lack what all entries have in common.
        """
        again = self._next_start(at + 1, mark)
        for _ in range(TRIES):
            if again < 0:
                break
            value, end = self.decode(again)
            if isinstance(value, dict) and common <= value.keys():
                return value, end, bad
            again = self._next_start(max(end, again + 1), mark)
        self.cut = self.cut or self.skip(at) >= len(self.text)
        return (None if self.cut else bad), 0, None

    def _next_start(self, at: int, mark: str) -> int:
        """Where the next object begins whose first key is `mark` (any key if that is empty), or -1."""
        pattern = re.compile(rf'\{{\s{{0,100}}"{re.escape(mark)}"\s{{0,100}}:') if mark else _FIRST_KEY
        found = pattern.search(self.text, at)
        return found.start() if found else -1

    def decode(self, at: int) -> tuple[Any, int]:
        """(value, its end), or (Bad, the same place). Repairs what C++ and careless writers leave."""
        try:
            return self._decoder.raw_decode(self.text, at)
        except RecursionError:
            return Bad(at, "nests too deep"), at
        except ValueError as error:
            why = getattr(error, "msg", "a number that is too long")
            place = getattr(error, "pos", at)
        if self._budget < 0 or self.text[at] not in "{[":
            return Bad(place, why), at
        end = self.skip(at, ENTRY_CHARS)
        self._budget -= end - at
        fixed, numbers, escapes = _repaired(self.text[at:end])
        if not numbers and not escapes:
            return Bad(place, why), at
        try:
            value, _ = self._decoder.raw_decode(fixed)
        except (ValueError, RecursionError):
            return Bad(place, why), at
        self.numbers += numbers
        self.escapes += escapes
        return value, end


def _repaired(entry: str) -> tuple[str, int, int]:
    """(`entry` with null for `nan`, `-nan(ind)` and `inf`, how many; backslashes that escape nothing doubled,
    how many).
    """
    numbers = escapes = 0

    def escape(found: re.Match[str]) -> str:
        nonlocal escapes
        if found[1]:
            return found[0]
        escapes += 1
        return "\\\\"

    def fault(found: re.Match[str]) -> str:
        nonlocal numbers
        if found[1]:
            return _BAD_ESCAPE.sub(escape, found[1])
        numbers += 1
        return "null"

    return _FAULT.sub(fault, entry), numbers, escapes
