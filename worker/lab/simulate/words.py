"""What simulated people say, read from `words.toml` beside this module: goods, questions with answers, talk.

`{item}`, `{n}`, `{colour}` … are slots that `text.Speaker` fills.
"""

from pathlib import Path

import msgspec
from msgspec import Struct


class Goods(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of goods: what is sold, what is said in its praise, what is asked about it and how it is answered."""

    category: str
    items: tuple[str, ...]
    praise: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]


class _Words(Struct, frozen=True, forbid_unknown_fields=True):
    colours: tuple[str, ...]
    remarks: tuple[str, ...]
    greetings: tuple[str, ...]
    generic_questions: tuple[tuple[str, str], ...]
    openers: tuple[str, ...]
    chatter: tuple[str, ...]
    calls: tuple[str, ...]
    thanks: tuple[str, ...]
    welcomes: tuple[str, ...]
    software_sales: tuple[str, ...]
    software_warnings: tuple[str, ...]
    persona: dict[str, tuple[str, ...]]
    goods: tuple[Goods, ...]


_read = msgspec.toml.decode(Path(__file__).with_name("words.toml").read_bytes(), type=_Words)

GOODS = _read.goods
COLOURS = _read.colours
REMARKS = _read.remarks
GREETINGS = _read.greetings
GENERIC_QUESTIONS = _read.generic_questions
OPENERS = _read.openers
CHATTER = _read.chatter
CALLS = _read.calls
THANKS = _read.thanks
WELCOMES = _read.welcomes
SOFTWARE_SALES = _read.software_sales
SOFTWARE_WARNINGS = _read.software_warnings
PERSONA = _read.persona
