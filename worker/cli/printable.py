"""Text from outside, made safe to show: ids, excerpts, headers, file names and what brokers say.

Such text may hold what commands a terminal, turns the writing direction, cannot be seen, or begins a line of its own.
An excerpt could so pretend to be the verdict under it. Everything that a command prints passes through here.
"""

import json
import re
from typing import Any

MORE_INDENT = "  "

_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\U000e0100-\U000e01ef]"
    "|(?<![\u00a9\u00ae\u2000-\u33ff\U0001f000-\U0001faff])[\ufe00-\ufe0f]"
)
"""Characters that `str.isprintable` lets through although they show nothing; a variant of a symbol shows something."""
_WIDE_SPACE = "\u3000"  # the space of Chinese text


def printable(text: str) -> str:
    """Return `text` as one line in which everything can be seen; what cannot is an escape such as `\\x1b`.

    Escaped are control characters and with them ANSI escapes, line separators, bidi controls, zero-width and private
    characters, and what is no Unicode text. Markup is no concern here: consoles of `terminal` know none.
    """
    if text.isascii() and text.isprintable():
        return text
    seen = "".join(c if c.isprintable() or c == _WIDE_SPACE else _escape(c) for c in text)
    return _UNSEEN.sub(lambda found: _escape(found[0]), seen)


def printable_block(text: str) -> str:
    """Return the lines of `text`, each printable; those after the first are indented, so that none can pose as ours."""
    first, *more = map(printable, text.split("\n"))
    return "\n".join((first, *(line if line.startswith(MORE_INDENT) else MORE_INDENT + line for line in more)))


def printable_json(value: Any, *, indent: int | None = None) -> str:
    """Return `value` as JSON that means the same and in which everything can be seen."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isascii():
        return text
    seen = "".join(c if c.isprintable() or c in ("\n", _WIDE_SPACE) else _json_escape(c) for c in text)
    return _UNSEEN.sub(lambda found: _json_escape(found[0]), seen)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escape(char: str) -> str:
    """As JSON writes it, in UTF-16."""
    return json.dumps(char)[1:-1]
