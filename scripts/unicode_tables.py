"""Write worker/audit/tables/unicode_14.py: what Unicode 14.0.0 says of letters, digits, capitals and white space.

    python3.11 -m scripts.unicode_tables

Run it with Python 3.11, whose tables are those of Unicode 14.0.0. Another version makes another table, by which rooms
would be judged otherwise: give it a name of its own, as for calibration tables.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import fill

VERSION = "14.0.0"
WRITTEN = Path(__file__).resolve().parents[1] / "worker" / "audit" / "tables" / "unicode_14.py"
CHARACTERS = 0x110000
ASCII = 0x80

HEAD = f'''"""Unicode {VERSION}, the part that the core reads. Written by scripts/unicode_tables.py: do not edit.

Ranges of code points in hexadecimal, both ends included.
"""

'''
TABLES: dict[str, tuple[Callable[[str], bool], str]] = {
    "LETTERS": (str.isalnum, "Letters, and digits and numbers of every kind: what `\\\\w` finds, without `_`."),
    "DIGITS": (str.isdecimal, "Decimal digits: what `\\\\d` finds."),
    "SPACES": (str.isspace, "White space: what `\\\\s` finds and `strip` takes away."),
}


def _ranges(holds: Callable[[str], bool]) -> Iterator[str]:
    start = None
    for code in range(CHARACTERS + 1):
        inside = code < CHARACTERS and holds(chr(code))
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            yield f"{start:x}" if start == code - 1 else f"{start:x}-{code - 1:x}"
            start = None


def _capitals() -> Iterator[str]:
    """Runs of capitals beyond ASCII, at steps of 1 or 2, with the distance to their small letters.

    U+0130 becomes `i`: its small form is `i` and a dot above, which is no letter.
    """
    small = {code: ord(chr(code).lower()[0]) for code in range(ASCII, CHARACTERS)
             if chr(code).isalnum() and chr(code).lower() != chr(code)}  # fmt: skip
    left = list(small)
    while left:
        run = [left.pop(0)]
        step = left[0] - run[0] if left and left[0] - run[0] <= 2 else 1
        while left and left[0] - run[-1] == step and small[left[0]] - left[0] == small[run[0]] - run[0]:
            run.append(left.pop(0))
        span = f"{run[0]:x}" if len(run) == 1 else f"{run[0]:x}-{run[-1]:x}" + ("/2" if step == 2 else "")
        yield f"{span}:{small[run[0]] - run[0]:x}"


def _table(name: str, words: Iterator[str], about: str) -> str:
    lines = fill(" ".join(words), 116, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return f'{name} = """\n{lines}\n"""\n"""{about}"""\n'


def text() -> str:
    """The module's text.

    Raises:
        RuntimeError: this Python has tables of another version.
    """
    if unicodedata.unidata_version != VERSION:
        raise RuntimeError(f"Python {sys.version.split()[0]} has Unicode {unicodedata.unidata_version}, not {VERSION}")
    parts = [_table(name, _ranges(holds), about) for name, (holds, about) in TABLES.items()]
    capitals = _table(
        "CAPITALS",
        _capitals(),
        "Capitals beyond ASCII, `/2` every other one; after the colon, the way to the small letter.",
    )
    return HEAD + "\n".join([*parts, capitals])


if __name__ == "__main__":
    WRITTEN.write_text(text(), encoding="utf-8")
